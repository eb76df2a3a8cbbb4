"""The layer that shows the candidates."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from panel_actions import CELLS
from preview_help import nested, settle

from napari_semantic_sam.annotation.overlay import Scene, compose
from napari_semantic_sam.widgets import preview as preview_module
from napari_semantic_sam.widgets.frame import Frame, lengths_of
from napari_semantic_sam.widgets.preview import Preview
from napari_semantic_sam.widgets.tables import LEVEL_COLOURS

CANDIDATES = nested(30, 40)
ELSEWHERE = nested(22, 30)


@pytest.fixture
def image(viewer_model):
    return viewer_model.add_image(CELLS, name="cells")


@pytest.fixture
def preview(viewer_model, image):
    preview = Preview(viewer_model.layers, image, Frame(lengths_of(image), 0, 1))
    yield preview
    preview.close()


@pytest.fixture
def gated(monkeypatch):
    """Composing that notes what it draws and waits at a gate."""
    gate, drawn = threading.Event(), []

    def wait_and_compose(scene, colours):
        drawn.append(scene)
        gate.wait(10)
        return compose(scene, colours)

    monkeypatch.setattr(preview_module, "compose", wait_and_compose)
    gate.drawn = drawn
    yield gate
    gate.set()


def shows(preview, scene):
    """Whether the layer shows a scene, at its place."""
    wanted = compose(scene, LEVEL_COLOURS)
    corner = preview.image.data_to_world(wanted.box[:2])
    return np.array_equal(preview.layer.data, wanted.rgba) and np.allclose(
        preview.layer.data_to_world((0, 0)), corner
    )


def is_clear(preview):
    return not np.asarray(preview.layer.data)[..., 3].any()


def outline(candidate):
    return compose(Scene((candidate,)), LEVEL_COLOURS)


def test_a_scene_appears_where_it_belongs(preview, qtbot):
    assert is_clear(preview)
    scene = Scene(CANDIDATES, 1)
    preview.show(scene)
    qtbot.waitUntil(lambda: shows(preview, scene))
    preview.show(None)
    assert is_clear(preview)


def test_scenes_follow_the_image(viewer_model, qtbot):
    turned = viewer_model.add_image(
        CELLS, scale=(0.5, 2), translate=(7, -3), rotate=30, shear=[0.2],
        affine=[[1, 0.1, 4], [0, 1, 5], [0, 0, 1]],
    )  # fmt: skip
    preview = Preview(viewer_model.layers, turned, Frame(lengths_of(turned), 0, 1))
    scene = Scene(CANDIDATES, 1)
    preview.show(scene)
    qtbot.waitUntil(lambda: shows(preview, scene))
    turned.scale = (3, 1)
    turned.affine = np.diag([2, 1, 1])
    assert not shows(preview, scene)
    preview.place()
    assert shows(preview, scene)
    preview.close()


def test_nothing_is_composed_on_the_main_thread(preview, qtbot, monkeypatch):
    threads = []

    def noting_compose(scene, colours):
        threads.append(threading.current_thread())
        return compose(scene, colours)

    monkeypatch.setattr(preview_module, "compose", noting_compose)
    preview.show(Scene(CANDIDATES, 0))
    qtbot.waitUntil(lambda: shows(preview, Scene(CANDIDATES, 0)))
    assert threads
    assert threading.main_thread() not in threads


def test_quick_steps_are_not_queued(preview, qtbot, gated):
    steps = [Scene(CANDIDATES, index) for index in (0, 1, 2, 1, 2)]
    for step in steps:
        preview.show(step)
    gated.set()
    qtbot.waitUntil(lambda: shows(preview, steps[-1]))
    assert gated.drawn == [steps[0], steps[-1]]


def test_what_was_composed_for_another_prompt_is_dropped(preview, qtbot, gated):
    seen = []
    preview.layer.events.data.connect(lambda: seen.append(preview.layer.data.shape))
    preview.show(Scene(CANDIDATES, 1))
    preview.show(Scene(ELSEWHERE[1:], 0))
    gated.set()
    qtbot.waitUntil(lambda: shows(preview, Scene(ELSEWHERE[1:], 0)))
    assert set(seen) == {(21, 21, 4)}


def test_a_scene_that_was_taken_back_does_not_appear(preview, qtbot, gated):
    for index in (0, 1):  # one is at work, the other waits
        preview.show(Scene(CANDIDATES, index))
    preview.show(None)
    gated.set()
    settle(qtbot)
    assert is_clear(preview)
    assert gated.drawn == [Scene(CANDIDATES, 0)]


def test_a_deleted_layer_comes_back_with_the_same_scene(preview, viewer_model, qtbot):
    scene = Scene(CANDIDATES, 1)
    preview.show(scene)
    qtbot.waitUntil(lambda: shows(preview, scene))
    viewer_model.layers.remove(preview.layer)
    preview.show(scene)
    assert preview.layer in viewer_model.layers
    assert shows(preview, scene)


def test_a_layer_that_was_deleted_with_its_image_stays_away(preview, viewer_model, qtbot):
    preview.show(Scene(CANDIDATES, 1))
    viewer_model.layers.clear()
    settle(qtbot)
    assert list(viewer_model.layers) == []


def test_what_lies_under_the_mouse_is_shown_while_there_is_nothing_to_decide(preview, qtbot):
    under = outline(CANDIDATES[2])
    preview.hover(under)
    assert np.array_equal(preview.layer.data, under.rgba)
    decided = Scene(ELSEWHERE, 1, kept=frozenset({1}))
    preview.show(decided)
    assert np.array_equal(preview.layer.data, under.rgba)
    settle(qtbot)
    assert np.array_equal(preview.layer.data, under.rgba)
    preview.hover(None)
    assert shows(preview, decided)


def test_a_mask_to_decide_about_is_not_disturbed_by_the_mouse(preview, qtbot):
    preview.hover(outline(CANDIDATES[2]))
    undecided = Scene(ELSEWHERE, 1)
    preview.show(undecided)
    assert preview.undecided
    qtbot.waitUntil(lambda: shows(preview, undecided))
    preview.hover(outline(CANDIDATES[2]))
    assert shows(preview, undecided)


def test_the_level_shown_last_is_remembered(preview):
    assert preview.level is None
    preview.show(Scene(CANDIDATES, 2))
    assert preview.level == CANDIDATES[2].level
    preview.show(None)
    assert preview.level == CANDIDATES[2].level


def test_a_closed_preview_hides_and_nothing_appears_later(preview, qtbot, gated):
    preview.show(Scene(CANDIDATES, 1))
    preview.close()
    gated.set()
    settle(qtbot)
    assert is_clear(preview)
    assert not preview.layer.visible


def test_an_error_while_composing_is_not_lost(preview, qtbot, monkeypatch):
    def fail(scene, colours):
        raise ValueError("broken")

    monkeypatch.setattr(preview_module, "compose", fail)
    with qtbot.capture_exceptions() as raised:
        preview.show(Scene(CANDIDATES, 1))
        qtbot.waitUntil(lambda: bool(raised))
    assert str(raised[0][1]) == "broken"
