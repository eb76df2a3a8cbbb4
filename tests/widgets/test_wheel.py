"""Shift and the mouse wheel over the canvas."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from napari.utils import interactions
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication
from vispy.scene import SceneCanvas

from napari_semantic_sam.widgets.wheel import LevelWheel


class Steps:
    """Notes which way it is asked to go."""

    def __init__(self):
        self.taken = []

    def coarser(self):
        self.taken.append("coarser")

    def finer(self):
        self.taken.append("finer")


@pytest.fixture
def steps():
    return Steps()


@pytest.fixture
def wheel(viewer_model, steps):
    wheel = LevelWheel(viewer_model, steps.coarser, steps.finer)
    wheel.attach()
    return wheel


def turn(viewer, delta, modifiers=("Shift",)):
    event = SimpleNamespace(modifiers=modifiers, delta=delta, handled=False)
    interactions.mouse_wheel_callbacks(viewer, event)
    return event.handled


def test_up_is_finer_and_down_is_coarser(viewer_model, wheel, steps):
    assert turn(viewer_model, (0, 1))
    assert turn(viewer_model, (0, -1))
    assert steps.taken == ["finer", "coarser"]


def test_a_wheel_that_shift_turns_sideways_counts(viewer_model, wheel, steps):
    turn(viewer_model, (1, 0))
    assert steps.taken == ["finer"]


def test_no_candidate_is_skipped(viewer_model, wheel, steps):
    turn(viewer_model, (0, 5))
    assert steps.taken == ["finer"]


def test_parts_of_a_notch_add_up(viewer_model, wheel, steps):
    for _ in range(8):
        turn(viewer_model, (0, -0.25))
    assert steps.taken == ["coarser", "coarser"]


@pytest.mark.parametrize("modifiers", [(), ("Shift", "Meta")])
def test_other_keys_are_left_alone(viewer_model, wheel, steps, modifiers):
    assert not turn(viewer_model, (0, 1), modifiers)
    assert steps.taken == []


def test_a_detached_wheel_does_nothing(viewer_model, wheel, steps):
    before = len(viewer_model.mouse_wheel_callbacks)
    wheel.attach()  # again
    assert len(viewer_model.mouse_wheel_callbacks) == before
    wheel.detach()
    wheel.detach()
    assert not turn(viewer_model, (0, 1))
    assert steps.taken == []
    assert len(viewer_model.mouse_wheel_callbacks) == before - 1


def test_whoever_is_gone_is_not_called(viewer_model):
    steps = Steps()
    taken = steps.taken
    LevelWheel(viewer_model, steps.coarser, steps.finer).attach()
    del steps
    turn(viewer_model, (0, 1))
    assert taken == []


def test_over_the_canvas_the_camera_stays(viewer, cells, steps, monkeypatch):
    LevelWheel(viewer, steps.coarser, steps.finer).attach()
    drawn_on = viewer.window._qt_viewer.canvas
    # Without OpenGL the canvas cannot find out what lies under the mouse.
    monkeypatch.setattr(SceneCanvas, "visual_at", lambda *_: drawn_on.view)
    canvas = drawn_on.native
    middle = QPointF(canvas.rect().center())

    def roll(modifier):
        event = QWheelEvent(
            middle, middle, QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, modifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(canvas, event)
        return event.isAccepted()

    def seen():
        return str(drawn_on.view.camera.get_state())  # napari's own camera follows at the next draw

    before = seen()
    assert roll(Qt.KeyboardModifier.ShiftModifier)
    assert steps.taken == ["finer"]
    assert seen() == before
    roll(Qt.KeyboardModifier.NoModifier)
    assert steps.taken == ["finer"]
    assert seen() != before
