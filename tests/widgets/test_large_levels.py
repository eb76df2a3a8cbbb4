"""Levels of a picture that is too large to be looked at as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from annotating import begin, click
from napari.utils import interactions

from napari_semantic_sam.annotation.measuring import PlaneCopy, measure_plane
from napari_semantic_sam.inference import label_arrays, label_chunks
from napari_semantic_sam.inference.label_chunks import ChunkedLabels
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets import label_pyramid
from napari_semantic_sam.widgets.automatic.draft import DraftLayer
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.layers import level_layer
from napari_semantic_sam.widgets.tables import METADATA_KEY
from napari_semantic_sam.widgets.writers import document_of

SHAPE = (900, 800)
FAR = (850, 40)


@pytest.fixture
def small_blocks(monkeypatch):
    """Let a picture count as large that is quick to make."""
    monkeypatch.setattr(label_arrays, "LARGE", 500_000)
    monkeypatch.setattr(label_chunks, "BLOCK", 100)
    monkeypatch.setattr(label_pyramid, "_OVERVIEW", 200)


@pytest.fixture
def image(viewer_model, small_blocks):
    return viewer_model.add_image(np.zeros(SHAPE, dtype=np.uint8), name="slide")


@pytest.fixture
def annotator(viewer_model, image, predictor, qtbot):
    yield from begin(viewer_model, qtbot)


@pytest.fixture
def kept(annotator, viewer_model, qtbot):
    """The layer of level 2 with a square of 21 pixels around a click."""
    click(annotator, qtbot, *FAR)
    annotator.keep()
    return viewer_model.layers["slide · level 2"]


def drag(layer, places):
    """Press the left button at the first place, move to the others, and let go."""
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        pos=np.array(places[0]),
        position=places[0],
        view_direction=None,
        dims_displayed=[0, 1],
        modifiers=(),
        handled=False,
        is_dragging=False,
    )
    interactions.mouse_press_callbacks(layer, event)
    event.type, event.is_dragging = "mouse_move", True
    for place in places[1:]:
        event.pos, event.position = np.array(place), place
        interactions.mouse_move_callbacks(layer, event)
    event.type = "mouse_release"
    interactions.mouse_release_callbacks(layer, event)


def test_a_slide_of_9000_pixels_in_napari_s_window(viewer, predictor, qtbot):
    pixels_of_slide = np.zeros((9000, 9000), dtype=np.uint8)
    viewer.add_image([pixels_of_slide[::step, ::step] for step in (1, 8)], name="slide")
    session = begin(viewer, qtbot)
    annotator = next(session)
    click(annotator, qtbot, 8_500, 40)
    annotator.keep()
    layer = viewer.layers["slide · level 2"]
    labels = annotator.session.levels.store(2)
    assert labels.nbytes < 3e6
    assert np.count_nonzero(layer.data[0][8_400:8_600, :100]) == 21 * 21
    layer.mode, layer.selected_label = "paint", 5
    drag(layer, [(8_500, 40), (8_500, 700)])
    assert pixels(annotator, 8_500, 690) == 5
    annotator.undo()
    assert [pixels(annotator, 8_500, 690), pixels(annotator, 8_500, 40)] == [0, 1]
    next(session, None)


def pixels(annotator, y, x, level=2):
    return int(annotator.session.levels.pixels(level, (y, x, y + 1, x + 1))[0, 0])


def test_a_kept_mask_is_shown_and_takes_no_memory_elsewhere(kept, annotator):
    labels = annotator.session.levels.store(2)
    assert isinstance(labels, ChunkedLabels)
    assert labels.nbytes < 2e5
    assert kept.multiscale
    assert kept.data.shape == SHAPE
    window = kept.data[0][FAR[0] - 12 : FAR[0] + 13, FAR[1] - 12 : FAR[1] + 13]
    assert window.sum() == 21 * 21
    for level in range(len(kept.data)):
        step = 2**level
        assert np.asarray(kept.data[level][FAR[0] // step, :]).any()
    assert kept.features["area"].tolist() == [21 * 21]


def test_undo_and_redo_are_shown(kept, annotator, viewer_model):
    annotator.undo()
    assert "slide · level 2" not in viewer_model.layers
    annotator.redo()
    layer = viewer_model.layers["slide · level 2"]
    assert np.asarray(layer.data[-1]).any()
    assert layer.editable
    annotator.delete_all([(2, 1)])
    assert not np.asarray(layer.data[-1]).any()


@pytest.mark.parametrize("mode", ["paint", "erase"])
def test_the_brush_draws_and_is_one_step(kept, annotator, mode):
    kept.mode, kept.brush_size, kept.selected_label = mode, 9, 5
    drawn = 5 if mode == "paint" else 0
    annotator.session.levels.paste(2, (829, 690, 832, 710), np.full((3, 20), 9))
    drag(kept, [FAR, (835, 60), (830, 700)])
    assert [pixels(annotator, *FAR), pixels(annotator, 830, 700)] == [drawn, drawn]
    assert annotator.session.history.undo_text == "draw in level 2"
    annotator.undo()
    assert [pixels(annotator, *FAR), pixels(annotator, 830, 700)] == [1, 9]
    assert kept.features["area"].tolist() == [21 * 21, 60]
    annotator.redo()
    assert [pixels(annotator, *FAR), pixels(annotator, 830, 700)] == [drawn, drawn]


def test_the_brush_leaves_labels_that_are_to_be_preserved(kept, annotator):
    kept.preserve_labels, kept.brush_size = True, 41
    kept.paint(FAR, 5)
    assert pixels(annotator, *FAR) == 1
    assert pixels(annotator, FAR[0] + 15, FAR[1]) == 5
    kept.selected_label = 5
    kept.paint(FAR, 0)
    assert pixels(annotator, *FAR) == 1
    assert pixels(annotator, FAR[0] + 15, FAR[1]) == 0


def test_polygon_and_bucket(kept, annotator, viewer_model):
    with kept.block_history():
        kept.paint_polygon([(100, 100), (100, 700), (700, 700), (700, 100)], 3)
        kept.paint_polygon([(750, 20), (750, 90), (820, 90)], 3)
    assert annotator.session.levels.row(2, 3).area > 360_000
    kept.fill((300, 300), 4)
    assert [pixels(annotator, 300, 300), pixels(annotator, 755, 85)] == [4, 3]
    kept.contiguous = False
    kept.fill((300, 300), 3)
    kept.fill((300, 300), 6)
    assert [pixels(annotator, 300, 300), pixels(annotator, 755, 85)] == [6, 6]
    annotator.undo()
    assert pixels(annotator, 755, 85) == 3


def test_the_bucket_says_that_it_does_not_fill_background(kept, annotator):
    from napari.utils.notifications import notification_manager

    kept.fill((300, 300), 4)
    kept.fill((-5, 300), 4)
    assert pixels(annotator, 300, 300) == 0
    (record,) = notification_manager.records
    assert "bucket" in record.message


def test_the_label_under_the_mouse_can_be_refined_and_picked(kept, annotator, viewer_model):
    kept.mode = "pick"
    drag(kept, [FAR, FAR])
    assert kept.selected_label == 1
    viewer_model.layers.selection.active = kept
    viewer_model.cursor.position = FAR
    annotator.refine_label()
    assert [prompt.kind for prompt in annotator.session.groups[annotator.session.active]] == [
        "label"
    ]


def test_a_layer_that_was_there_is_taken_over_in_blocks(viewer_model, image, predictor, qtbot):
    data = np.zeros(SHAPE, dtype=np.uint16)
    data[FAR[0] : FAR[0] + 5, :7] = 600
    frame = Frame(SHAPE, 0, 1)
    viewer_model.add_layer(level_layer(image, 3, data, frame))
    viewer_model.layers[-1].name = "nuclei"
    session = begin(viewer_model, qtbot)
    annotator = next(session)
    layer = viewer_model.layers["nuclei"]
    assert layer.multiscale
    assert layer.metadata[METADATA_KEY]["level"] == 3
    assert [(row.index, row.area) for row in annotator.session.levels.rows(3)] == [(600, 35)]
    layer.paint((400, 400), 2)
    assert annotator.session.levels.row(3, 2)
    next(session, None)
    again = next(begin(viewer_model, qtbot))
    assert viewer_model.layers["nuclei"] is layer
    assert [row.index for row in again.session.levels.rows(3)] == [2, 600]
    again.close()


def test_a_deleted_layer_comes_back(kept, annotator, viewer_model):
    viewer_model.layers.remove(kept)
    annotator.undo()
    assert pixels(annotator, *FAR) == 1
    assert np.asarray(viewer_model.layers["slide · level 2"].data[-1]).any()


def test_other_data_take_the_level_away(kept, annotator, viewer_model):
    kept.data = [np.ones(SHAPE, dtype=np.int32), np.ones((90, 80), dtype=np.int32)]
    assert 2 not in annotator.session.levels.levels
    annotator.undo()
    assert pixels(annotator, *FAR) == 1
    assert len(viewer_model.layers) == 6


def test_it_is_measured_and_written(kept, annotator):
    table = measure_plane(PlaneCopy.of(annotator.session.levels), None)["masks"]
    assert table.rows[0][table.columns.index("area")] == 21 * 21
    document = document_of([kept.as_layer_data_tuple()])
    assert document.shape == SHAPE
    np.testing.assert_array_equal(np.argwhere(document.levels[2])[0], [FAR[0] - 10, FAR[1] - 10])
    assert document.rows[2][0].area == 21 * 21


def test_a_stack_of_large_planes(viewer_model, small_blocks, predictor, qtbot):
    viewer_model.add_image(np.zeros((SHAPE[0], 3, SHAPE[1]), dtype=np.uint8), name="stack")
    viewer_model.dims.order = (1, 0, 2)
    viewer_model.dims.set_point(1, 2)
    session = begin(viewer_model, qtbot)
    annotator = next(session)
    annotator.clicks.add([500, 2, 600])
    qtbot.waitUntil(lambda: not annotator.session.waiting)
    annotator.keep()
    layer = viewer_model.layers["stack · level 2"]
    assert layer.data.shape == (SHAPE[0], 3, SHAPE[1])
    assert layer.data[0][500, 2, 600] == 1
    layer.paint((100, 1, 200), 4)
    assert annotator.session.levels.planes_of(2, 4) == [(1,)]
    assert layer.data[0][90:110, :, 200].any(axis=0).tolist() == [False, True, False]
    next(session, None)


@pytest.mark.parametrize("plane", [(1,), None])
def test_the_draft_of_a_run_is_in_blocks_as_well(viewer_model, small_blocks, plane):
    image = viewer_model.add_image(np.zeros((3, *SHAPE), dtype=np.uint8), name="stack")
    draft = DraftLayer(viewer_model.layers, image, Frame((3, *SHAPE), 1, 2), plane)
    box = (*FAR, FAR[0] + 30, FAR[1] + 30)
    mask = Candidate(box, np.ones((30, 30), dtype=bool), SHAPE, 0, 1, 0.5, 0.5)
    draft.draw((1,), [mask])
    assert draft.layer.multiscale
    assert not draft.layer.editable
    position = (1, FAR[0] + 15, FAR[1] + 15)
    viewer_model.dims.set_point(0, 1)
    assert draft.layer.get_value(position, world=True)[1] == 1
    draft.remove()
    assert draft.layer not in viewer_model.layers


def test_another_view_of_a_stack_goes_on_with_the_same_labels(
    viewer_model, monkeypatch, predictor, qtbot
):
    monkeypatch.setattr(label_arrays, "LARGE", 500)
    monkeypatch.setattr(label_chunks, "BLOCK", 8)
    monkeypatch.setattr(label_pyramid, "_OVERVIEW", 10)
    image = viewer_model.add_image(np.zeros((30, 40, 50), dtype=np.uint8), name="stack")
    session = begin(viewer_model, qtbot)
    next(session)
    layer = level_layer(image, 2, np.zeros((30, 40, 50), dtype=np.int32), Frame((30, 40, 50), 1, 2))
    layer.data[5, 10:20, 30:40] = 3
    viewer_model.add_layer(layer)
    qtbot.waitUntil(lambda: layer not in viewer_model.layers)
    layer = next(each for each in viewer_model.layers if each.multiscale)
    next(session, None)
    viewer_model.dims.order = (1, 0, 2)
    session = begin(viewer_model, qtbot)
    annotator = next(session)
    assert annotator.session.levels.planes_of(2, 3) == [(y,) for y in range(10, 20)]
    layer.brush_size = 1
    layer.paint((7, 12, 33), 4)
    assert annotator.session.levels.planes_of(2, 4) == [(12,)]
    assert [int(layer.data[0][place]) for place in [(7, 12, 33), (5, 12, 33)]] == [4, 3]
    next(session, None)
