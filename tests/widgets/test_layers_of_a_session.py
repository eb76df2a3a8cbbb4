"""The layers of a session: inserted one at a time before it begins, drawn no more than once."""

from __future__ import annotations

import pytest
from annotating import click
from panel_actions import messages
from qtpy.QtCore import QTimer

from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.layers import record_of

ROLES = ["preview", "boxes", "clicks"]


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def annotator(viewer, cells, predictor, qtbot):
    annotator = Annotator(viewer)
    yield annotator
    annotator.close()


def start(annotator):
    annotator.start(annotator.images[0], "tiny", "cpu")


def at_the_first_layer(viewer, act):
    """Act between the first layer that a session needs and the next one."""
    viewer.layers.events.inserted.connect(
        lambda event: len(viewer.layers) == 2 and QTimer.singleShot(0, act)
    )


def test_each_layer_comes_in_a_turn_of_its_own(annotator, viewer, qtbot):
    turn, turns = [0], []
    timer = QTimer()
    timer.timeout.connect(lambda: turn.append(turn.pop() + 1))
    timer.start(0)
    viewer.layers.events.inserted.connect(
        lambda event: turns.append((record_of(event.value)["role"], turn[0], event.value.visible))
    )
    start(annotator)
    qtbot.waitUntil(lambda: annotator.session is not None)
    timer.stop()
    assert [role for role, _, _ in turns] == ROLES
    assert len({turn for _, turn, _ in turns}) == len(ROLES)
    assert not any(visible for _, _, visible in turns)
    assert all(layer.visible for layer in viewer.layers)
    assert viewer.layers.selection.active == annotator.clicks


def test_opening_is_cancelled_between_two_layers(annotator, viewer, qtbot):
    at_the_first_layer(viewer, annotator.cancel)
    start(annotator)
    assert annotator.progress is not None
    qtbot.waitUntil(lambda: annotator.progress is None)
    qtbot.wait(0)
    assert annotator.session is None
    assert len(viewer.layers) == 2
    assert not viewer.layers[-1].visible

    start(annotator)
    qtbot.waitUntil(lambda: annotator.session is not None)
    assert [record_of(layer).get("role") for layer in viewer.layers] == [None, *ROLES]


def test_an_image_is_deleted_between_two_layers(annotator, viewer, qtbot):
    at_the_first_layer(viewer, lambda: viewer.layers.remove("cells"))
    start(annotator)
    qtbot.waitUntil(lambda: annotator.progress is None)
    qtbot.wait(0)
    assert annotator.session is None
    assert len(messages()) == 1
    assert len(viewer.layers) == 1


def test_tools_stay_in_order_above_what_was_added_meanwhile(annotator, viewer, qtbot):
    start(annotator)
    qtbot.waitUntil(lambda: annotator.session is not None)
    first = annotator.session
    viewer.add_points(name="mine")
    start(annotator)
    qtbot.waitUntil(lambda: annotator.session not in (None, first))
    assert [layer.name for layer in viewer.layers[:2]] == ["cells", "mine"]
    assert [record_of(layer).get("role") for layer in viewer.layers[2:]] == ROLES


def test_a_level_layer_that_comes_back_is_drawn_once(annotator, viewer, qtbot):
    start(annotator)
    qtbot.waitUntil(lambda: annotator.session is not None)
    click(annotator, qtbot, 30, 40)
    annotator.keep()
    layer = viewer.layers["cells · level 2"]
    annotator.undo()
    assert layer not in viewer.layers
    drawn = []
    layer.events.set_data.connect(lambda event: drawn.append(event.source.data.sum()))
    annotator.redo()
    assert drawn == [layer.data.sum()] != [0]
