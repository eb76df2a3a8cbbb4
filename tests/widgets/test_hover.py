"""The mask under the mouse."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils import interactions
from panel_actions import CELLS
from preview_help import nested, settle

from napari_semantic_sam.annotation.engine import LoadedModel, OpenPicture
from napari_semantic_sam.annotation.overlay import Scene
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets.frame import Frame, lengths_of
from napari_semantic_sam.widgets.hover import Hover
from napari_semantic_sam.widgets.preview import Preview


class Errors:
    """Notes what went wrong."""

    def __init__(self):
        self.heard = []

    def on_error(self, error):
        self.heard.append(error)


@pytest.fixture
def errors():
    return Errors()


@pytest.fixture
def image(viewer_model):
    return viewer_model.add_image(CELLS, name="cells", scale=(2, 0.5), translate=(100, 7))


@pytest.fixture
def preview(viewer_model, image):
    preview = Preview(viewer_model.layers, image, Frame(lengths_of(image), 0, 1))
    yield preview
    preview.close()


@pytest.fixture
def opened(predictor):
    return OpenPicture(
        LoadedModel("tiny", "cpu", predictor), SimpleNamespace(shape=CELLS.shape), None
    )


@pytest.fixture
def hover(viewer_model, preview, opened, errors, qtbot):
    hover = Hover(viewer_model, preview, opened, errors.on_error)
    hover.attach()
    yield hover
    hover.detach()
    settle(qtbot)


def move(viewer, image, y, x, **more):
    """Move the mouse to a place of the picture, without pressing anything."""
    event = SimpleNamespace(
        type="mouse_move",
        position=tuple(image.data_to_world((y, x))),
        dims_displayed=[0, 1],
        is_dragging=False,
    )
    vars(event).update(more)
    interactions.mouse_move_callbacks(viewer, event)


def outlined(preview):
    """The box of what the layer shows in the picture, None if it shows nothing."""
    rgba = np.asarray(preview.layer.data)
    if not rgba[..., 3].any():
        return None
    y, x = np.rint(preview.image.world_to_data(preview.layer.data_to_world((0, 0)))).astype(int)
    return int(y), int(x), int(y) + rgba.shape[0], int(x) + rgba.shape[1]


def box_at(y, x, index):
    return nested(y, x)[index].box


def test_the_most_trusted_mask_follows_the_mouse(viewer_model, image, preview, hover, qtbot):
    for y, x in ((30, 40), (25, 33)):
        move(viewer_model, image, y + 0.3, x - 0.4)
        qtbot.waitUntil(lambda at=(y, x): outlined(preview) == box_at(*at, 1))
    rgba = preview.layer.data
    assert rgba[0, 0, 3] > 0
    assert rgba[10, 10, 3] == 0


def test_the_level_shown_last_is_outlined(viewer_model, image, preview, hover, qtbot):
    preview.show(Scene(nested(30, 40), 2))
    preview.show(None)
    move(viewer_model, image, 30, 40)
    qtbot.waitUntil(lambda: outlined(preview) == box_at(30, 40, 2))


def test_stale_places_are_dropped_not_queued(viewer_model, image, preview, hover, predictor, qtbot):
    predictor.gate.clear()
    for x in range(20, 60):
        move(viewer_model, image, 30, x)
    predictor.gate.set()
    qtbot.waitUntil(lambda: outlined(preview) == box_at(30, 59, 1))
    assert [points for points, _ in predictor.asked] == [((30, 20),), ((30, 59),)]


def test_a_mouse_that_stays_on_a_pixel_asks_once(
    viewer_model, image, preview, hover, predictor, qtbot
):
    for x in (39.8, 40, 40.3):
        move(viewer_model, image, 30, x)
    qtbot.waitUntil(lambda: outlined(preview) is not None)
    settle(qtbot)
    assert len(predictor.asked) == 1


@pytest.mark.parametrize(("y", "x"), [(-0.6, 40), (59.6, 40), (30, -0.6), (30, 79.6)])
def test_beside_the_picture_nothing_is_shown(
    viewer_model, image, preview, hover, predictor, qtbot, y, x
):
    move(viewer_model, image, 30, 40)
    qtbot.waitUntil(lambda: outlined(preview) is not None)
    move(viewer_model, image, y, x)
    assert outlined(preview) is None
    assert len(predictor.asked) == 1


@pytest.mark.parametrize(("y", "x", "pixel"), [(-0.4, -0.4, (0, 0)), (59.4, 79.4, (59, 79))])
def test_the_outermost_pixels_belong_to_the_picture(
    viewer_model, image, hover, predictor, qtbot, y, x, pixel
):
    move(viewer_model, image, y, x)
    settle(qtbot)
    assert predictor.asked == [((pixel,), ())]


def test_a_mouse_that_leaves_the_canvas_takes_the_outline_along(
    viewer_model, image, preview, hover, qtbot
):
    viewer_model.mouse_over_canvas = True
    move(viewer_model, image, 30, 40)
    qtbot.waitUntil(lambda: outlined(preview) is not None)
    viewer_model.mouse_over_canvas = False
    assert outlined(preview) is None


def test_an_answer_that_comes_after_the_mouse_left_is_not_shown(
    viewer_model, image, preview, hover, predictor, qtbot
):
    predictor.gate.clear()
    move(viewer_model, image, 30, 40)
    move(viewer_model, image, 30, 41)
    move(viewer_model, image, -10, 40)
    predictor.gate.set()
    settle(qtbot)
    assert outlined(preview) is None
    assert len(predictor.asked) == 1


def test_it_keeps_away_while_there_is_a_mask_to_decide_about(
    viewer_model, image, preview, hover, predictor, qtbot
):
    candidates = nested(30, 40)
    preview.show(Scene(candidates, 1))
    settle(qtbot)
    move(viewer_model, image, 25, 33)
    assert predictor.asked == []
    assert outlined(preview) == candidates[0].box
    preview.show(Scene(candidates, 1, kept=frozenset({1})))
    move(viewer_model, image, 25, 33)
    qtbot.waitUntil(lambda: outlined(preview) == box_at(25, 33, 1))


def test_an_answer_does_not_replace_a_mask_to_decide_about(
    viewer_model, image, preview, hover, predictor, qtbot
):
    predictor.gate.clear()
    move(viewer_model, image, 25, 33)
    candidates = nested(30, 40)
    preview.show(Scene(candidates, 1))
    predictor.gate.set()
    settle(qtbot)
    assert outlined(preview) == candidates[0].box


def test_it_does_nothing_while_the_viewer_shows_volumes(viewer_model, image, hover, predictor):
    move(viewer_model, image, 30, 40, dims_displayed=[0, 1, 2])
    assert predictor.asked == []


def test_it_does_nothing_while_other_axes_are_shown(viewer_model, image, hover, predictor, qtbot):
    place = (0, *image.data_to_world((30, 40)))  # in a viewer with a third axis
    move(viewer_model, image, 30, 40, position=place, dims_displayed=[0, 2])
    settle(qtbot)
    assert predictor.asked == []
    move(viewer_model, image, 30, 40, position=place, dims_displayed=[2, 1])
    settle(qtbot)
    assert predictor.asked == [(((30, 40),), ())]


def test_nothing_is_left_of_it_once_it_is_detached(
    viewer_model, image, preview, opened, predictor, errors, qtbot
):
    before = list(viewer_model.mouse_move_callbacks)
    hover = Hover(viewer_model, preview, opened, errors.on_error)
    hover.attach()
    hover.attach()
    assert hover.attached
    assert len(viewer_model.mouse_move_callbacks) == len(before) + 1
    predictor.gate.clear()
    for x in (40, 41, 42):
        move(viewer_model, image, 30, x)
    hover.detach()
    hover.detach()
    assert not hover.attached
    assert viewer_model.mouse_move_callbacks == before
    predictor.gate.set()
    settle(qtbot)
    assert len(predictor.asked) == 1  # those that waited were never asked
    assert outlined(preview) is None
    gone = weakref.ref(hover)
    del hover
    gc.collect()
    assert gone() is None


def test_the_outline_goes_when_it_is_detached(viewer_model, image, preview, hover, qtbot):
    move(viewer_model, image, 30, 40)
    qtbot.waitUntil(lambda: outlined(preview) is not None)
    hover.detach()
    assert outlined(preview) is None
    move(viewer_model, image, 30, 41)
    settle(qtbot)
    assert outlined(preview) is None


def test_it_can_be_attached_again(viewer_model, image, preview, hover, qtbot):
    hover.detach()
    hover.attach()
    move(viewer_model, image, 30, 40)
    qtbot.waitUntil(lambda: outlined(preview) == box_at(30, 40, 1))


@pytest.mark.parametrize("error", [UserError("No clicks."), RuntimeError("CUDA error")])
def test_an_error_ends_it_and_is_told_once(
    viewer_model, image, hover, predictor, errors, qtbot, error
):
    predictor.error = error
    predictor.gate.clear()
    for x in (40, 41):
        move(viewer_model, image, 30, x)
    predictor.gate.set()
    qtbot.waitUntil(lambda: errors.heard == [error])
    assert not hover.attached
    settle(qtbot)
    assert errors.heard == [error]


def test_the_model_is_never_asked_on_the_main_thread(
    viewer_model, image, preview, hover, predictor, qtbot, monkeypatch
):
    threads, predict = [], predictor.predict

    def noting_predict(*args, **options):
        threads.append(threading.current_thread())
        return predict(*args, **options)

    monkeypatch.setattr(predictor, "predict", noting_predict)
    move(viewer_model, image, 30, 40)
    qtbot.waitUntil(lambda: outlined(preview) is not None)
    assert threading.main_thread() not in threads
