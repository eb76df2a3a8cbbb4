"""Stacks, channels and lazy data in the viewer."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from annotating import candidates_come
from napari.utils._proxies import PublicOnlyProxy
from panel_actions import draw_shape, messages
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.channels import ChannelPicker
from napari_semantic_sam.widgets.frame import Channels

SHAPE = (60, 80)


class Lazy:
    """An array that is read a part at a time; notes the planes, and one is damaged.

    What the journal reads, to know the picture again, is not noted: it may come at any time.
    """

    def __init__(self, shape, damaged=None):
        self.shape, self.dtype, self.ndim = shape, np.dtype("uint16"), len(shape)
        self.damaged, self.planes = damaged, []

    def __getitem__(self, key):
        key = key if isinstance(key, tuple) else (key,)
        if self.damaged is not None and key[0] == self.damaged:
            raise OSError("a chunk is missing")
        part = np.broadcast_to(np.arange(self.shape[-1], dtype=self.dtype), self.shape)[key]
        if not threading.current_thread().name.startswith("journal "):
            self.planes.append(key[0])
        return part

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read whole")


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def start(viewer, predictor, qtbot):
    """Begin a session on an array; returns the annotator."""
    begun = []

    def do(data, channels=None, order=None, **options):
        image = viewer.add_image(data, name="stack", contrast_limits=(0, 100), **options)
        if order:
            viewer.dims.order = order
        annotator = Annotator(PublicOnlyProxy(viewer))
        begun.append(annotator)
        annotator.start(image, "tiny", "cpu", channels=channels)
        qtbot.waitUntil(lambda: annotator.session is not None)
        return annotator

    yield do
    for annotator in begun:
        annotator.close()


@pytest.fixture
def stack(start, viewer):
    """An annotator of a stack with scales, at slice 2."""
    annotator = start(np.zeros((5, *SHAPE), np.uint8), scale=(3, 0.5, 0.5), translate=(10, 0, 4))
    go(viewer, 2)
    return annotator


def go(viewer, plane, axis=0):
    """Move a slider to a plane of the first layer."""
    image = viewer.layers["stack"]
    viewer.dims.set_point(axis, image.translate[axis] + plane * image.scale[axis])


def click(annotator, viewer, qtbot, y, x):
    """Click on a pixel of the slice on display."""
    frame = annotator.frame
    where = annotator.clicks.world_to_data(viewer.dims.point)
    where[[frame.y, frame.x]] = y, x
    annotator.clicks.add(where)
    candidates_come(annotator, qtbot)


def test_a_session_begins_on_the_slice_on_display(start, viewer, qtbot):
    viewer.add_image(np.zeros((5, *SHAPE)), name="other")
    viewer.dims.set_point(0, 3)
    annotator = start(np.zeros((5, *SHAPE), np.uint8))
    assert annotator.session.plane == (3,)
    assert annotator.opened.plane == (3,)


def test_masks_are_kept_in_the_slice_on_display(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    stack.keep()
    layer = viewer.layers["stack · level 2"]
    assert layer.data.shape == (5, *SHAPE)
    assert np.flatnonzero(layer.data.any(axis=(1, 2))).tolist() == [2]
    assert layer.data[2, 20:41, 30:51].all()
    assert layer.get_value(viewer.layers["stack"].data_to_world((2, 30, 40)), world=True) == 1


def test_each_slice_has_its_own_prompts_and_masks(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    go(viewer, 4)
    assert stack.session.plane == (4,)
    assert stack.session.current.candidates == ()
    click(stack, viewer, qtbot, 10, 20)
    assert stack.clicks.features["object"].tolist() == [1, 2]
    assert stack.clicks.data.tolist() == [[2, 30, 40], [4, 10, 20]]
    assert stack.session.everywhere == {
        (2,): {1: (Prompt("click", (30, 40)),)},
        (4,): {2: (Prompt("click", (10, 20)),)},
    }
    go(viewer, 2)
    assert stack.session.current.shown.box == (20, 30, 41, 51)
    assert stack.opened.plane == (2,)


def test_the_preview_is_in_its_slice(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    preview = viewer.layers["stack · preview"]
    qtbot.waitUntil(lambda: preview.data.shape == (1, 41, 41, 4))
    image = viewer.layers["stack"]
    np.testing.assert_allclose(
        preview.data_to_world((0, 0, 0)), image.data_to_world((2, 10, 20)), atol=1e-6
    )
    go(viewer, 3)
    assert preview.data.shape == (1, 1, 1, 4)


def test_undo_moves_to_the_slice_it_is_about(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    stack.keep()
    go(viewer, 4)
    stack.undo()
    assert viewer.dims.point[0] == pytest.approx(10 + 2 * 3)
    assert not viewer.layers.__contains__("stack · level 2")
    go(viewer, 0)
    stack.redo()
    assert stack.session.plane == (2,)
    assert viewer.layers["stack · level 2"].data[2].any()


def test_undo_moves_along_two_axes_at_once(start, viewer, qtbot):
    annotator = start(np.zeros((4, 5, *SHAPE), np.uint8))
    go(viewer, 1, 0)
    go(viewer, 3, 1)
    assert annotator.session.plane == (1, 3)
    click(annotator, viewer, qtbot, 30, 40)
    annotator.keep()
    go(viewer, 2, 0)
    go(viewer, 4, 1)
    seen = []
    annotator.changed.connect(lambda: seen.append(annotator.session.plane))
    annotator.undo()
    assert viewer.dims.point[:2] == (1, 3)
    assert set(seen) == {(1, 3)}


def test_a_stack_that_is_removed_ends_its_session(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: stack.session is None)
    assert messages()[-1].startswith("“stack” was removed")


def test_brush_strokes_in_a_slice_are_steps(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    stack.keep()
    layer = viewer.layers["stack · level 2"]
    go(viewer, 3)
    layer.brush_size = 5
    layer.paint((3, 30, 40), 1)
    assert stack.session.levels.planes_of(2, 1) == [(2,), (3,)]
    area = stack.session.levels.row(2, 1).area
    assert area == 21 * 21 + np.count_nonzero(layer.data[3])
    assert layer.features["area"].tolist() == [area]
    layer.n_edit_dimensions, layer.brush_size = 3, 15
    layer.paint((3, 5, 5), 2)
    planes = stack.session.levels.planes_of(2, 2)
    assert len(planes) > 1
    stack.undo()
    assert stack.session.levels.row(2, 2) is None
    stack.undo()
    assert not layer.data[3].any()


def test_the_camera_and_the_slider_go_to_an_object(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 10, 20)
    stack.keep()
    go(viewer, 0)
    stack.go_to(2, 1)
    assert stack.session.plane == (2,)
    assert viewer.dims.point[0] == pytest.approx(10 + 2 * 3)
    assert viewer.scene.camera.center[-2:] == pytest.approx((5, 4 + 10), abs=0.3)
    go(viewer, 0)
    stack.refine_label(2, 1)
    candidates_come(stack, qtbot)
    assert stack.session.groups[2] == (Prompt("label", (2, 1, 10, 20)),)
    assert stack.session.plane == (2,)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_slices_along_another_axis(start, viewer, qtbot, order):
    annotator = start(np.zeros((50, 60, 80), np.uint8), order=order)
    frame = annotator.frame
    assert frame.walked == (order[0],)
    go(viewer, 7, order[0])
    click(annotator, viewer, qtbot, 30, 40)
    annotator.keep()
    layer = viewer.layers["stack · level 2"]
    assert layer.data.shape == (50, 60, 80)
    assert np.unique(np.nonzero(layer.data)[order[0]]).tolist() == [7]
    where = np.nonzero(layer.data)
    assert (where[frame.y].min(), where[frame.x].min()) == (20, 30)
    mask = annotator.session.levels.array(2)
    assert np.shares_memory(mask, layer.data)
    layer.paint(frame.points((7,), [(2, 2)])[0], 5)
    assert annotator.session.levels.areas(2)[5] == np.count_nonzero(layer.data == 5)


def test_a_shape_across_slices_is_refused(start, viewer, qtbot):
    annotator = start(np.zeros((50, 60, 80), np.uint8))
    annotator.boxes.add_rectangles(np.array([[5, 9, 10], [5, 9, 20], [9, 9, 20], [9, 9, 10]]))
    assert messages()[-1].startswith("A click or shape must lie in one slice")
    assert len(annotator.boxes.data) == 0
    annotator.boxes.add_rectangles(np.array([[5, 9, 10], [5, 9, 20], [5, 19, 20], [5, 19, 10]]))
    assert annotator.session.everywhere[(5,)] == {1: (Prompt("box", (9.5, 10.5, 19.5, 20.5)),)}


def test_prompts_in_a_volume_are_refused(stack, viewer):
    viewer.dims.ndisplay = 3
    stack.clicks.add([2, 30, 40])
    assert messages()[-1].startswith("“stack” is shown as a volume")
    assert len(stack.clicks.data) == 0


def test_clicks_are_refused_while_other_axes_are_shown(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    known = stack.session.everywhere
    viewer.dims.order = (1, 0, 2)
    stack.clicks.add([4, 20, 50])
    assert messages()[-1].startswith("A click or shape must lie in one slice")
    assert stack.session.everywhere == known
    assert len(stack.clicks.data) == 1
    viewer.dims.order = (0, 2, 1)  # which is the same slice
    click(stack, viewer, qtbot, 20, 50)
    assert len(stack.session.everywhere[(2,)][1]) == 2


def test_nothing_is_said_of_a_slice_that_was_not_searched(stack, viewer, predictor, qtbot):
    predictor.gate.clear()
    stack.what_next()
    go(viewer, 3)
    predictor.gate.set()
    qtbot.waitUntil(lambda: stack.next_region.progress is None)
    assert not any("No unlabelled region" in each for each in messages())
    go(viewer, 2)
    stack.what_next()
    assert "Unclear region" in stack.next_region.text


def test_lines_are_drawn_in_the_slice_on_display(stack, viewer, qtbot):
    stack.boxes.mode = "add_path"
    places = [(2, 20, 30), (2, 25, 35), (2, 30, 40)]
    world = [tuple(stack.boxes.data_to_world(place)) for place in places]
    draw_shape(stack.boxes, world)
    (prompt,) = stack.session.groups[1]
    assert prompt.kind == "scribble"
    assert prompt.coordinates[:2] == pytest.approx((20, 30), abs=0.6)


@pytest.mark.parametrize(("shape", "axis"), [((3, 5, *SHAPE), 0), ((5, 3, *SHAPE), 1)])
def test_channels_are_seen_together_and_walked_past(start, viewer, qtbot, shape, axis):
    annotator = start(np.zeros(shape, np.uint8), channels=Channels(axis, (0, 2)))
    assert annotator.opened.embedding.plane.read((0, 0, 8, 8)).shape == (8, 8, 3)
    walked = 1 - axis
    go(viewer, 3, walked)
    viewer.dims.set_point(axis, 2)
    click(annotator, viewer, qtbot, 30, 40)
    annotator.keep()
    layer = viewer.layers["stack · level 2"]
    assert layer.data.shape[axis] == 1
    assert annotator.session.levels.array(2).shape == (5, *SHAPE)
    for channel in range(3):
        viewer.dims.set_point(axis, channel)
        assert annotator.session.plane == (3,)
        assert layer.get_value(viewer.dims.point, world=True) == 1
        assert len(annotator.clicks._view_data) == 1
    layer.paint(layer.world_to_data(viewer.dims.point), 0)
    assert annotator.session.levels.row(2, 1).area < 21 * 21


def test_channels_behind_the_plane(start, viewer, qtbot):
    data = np.zeros((*SHAPE, 4), np.uint8)
    annotator = start(data, channels=Channels(2, (3,)), order=(2, 0, 1), rgb=False)
    click(annotator, viewer, qtbot, 30, 40)
    annotator.keep()
    assert viewer.layers["stack · level 2"].data.shape == (*SHAPE, 1)
    assert annotator.session.levels.array(2)[30, 40] == 1


def test_only_the_slice_that_is_needed_is_read(start, viewer, qtbot):
    data = Lazy((6, *SHAPE))
    annotator = start(data)
    go(viewer, 4)
    data.planes.clear()
    click(annotator, viewer, qtbot, 30, 40)
    assert annotator.opened.plane == (4,)
    assert set(data.planes) <= {4}


def test_a_damaged_slice_is_one_sentence_and_others_work(start, viewer, predictor, qtbot):
    image = viewer.add_image(np.zeros((6, *SHAPE)), name="sound")
    data = Lazy((6, *SHAPE))
    annotator = start(data)
    go(viewer, 0)
    data.damaged = 0
    annotator.start(viewer.layers["stack"], "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.progress is None)
    (message,) = messages()
    assert message.startswith("stack (z = 0) could not be read")
    assert annotator.image is viewer.layers["stack"]
    annotator.start(image, "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.image == image)


def test_pyramids_are_annotated_at_full_size(start, viewer, qtbot):
    levels = [np.zeros((5, 64, 96), np.uint8), np.zeros((5, 32, 48), np.uint8)]
    annotator = start(levels, multiscale=True)
    assert annotator.session.levels.shape == (64, 96)
    go(viewer, 1)
    click(annotator, viewer, qtbot, 30, 40)
    annotator.keep()
    assert viewer.layers["stack · level 2"].data.shape == (5, 64, 96)


def test_an_interrupted_stack_is_restored(start, viewer, predictor, qtbot):
    annotator = start(np.zeros((5, *SHAPE), np.uint8))
    go(viewer, 2)
    click(annotator, viewer, qtbot, 30, 40)
    annotator.keep()
    go(viewer, 4)
    click(annotator, viewer, qtbot, 10, 20)
    labels = annotator.session.levels.array(2).copy()
    everywhere = annotator.session.everywhere
    restored = annotator.session.__class__(type(annotator.session.levels)(SHAPE, (5,)))
    for step in reversed(steps_of(annotator.session)):
        restored.perform(step)
    annotator._on_restored(restored, annotator.opened)
    assert annotator.session is restored
    np.testing.assert_array_equal(viewer.layers["stack · level 2"].data, labels)
    assert annotator.session.everywhere == everywhere
    assert len(annotator.clicks.data) == 2


def steps_of(session):
    """Take everything back, and return the steps, newest first."""
    steps = []
    while session.history.undo_text:
        steps.append(session.undo())
    return steps


def test_the_panel_offers_channels_where_there_may_be_some(panel, viewer, qtbot):
    picker = panel.source.channels
    assert not picker.isVisibleTo(panel)
    assert picker.channels is None
    image = viewer.add_image(np.zeros((4, *SHAPE), np.uint8), name="four", rgb=False)
    panel.image.setCurrentText("four")
    assert picker.isVisibleTo(panel)
    assert picker.channels == Channels(0, (0, 1, 2))
    picker.axis.setCurrentIndex(0)
    assert picker.channels is None
    viewer.layers.remove(image)
    assert not picker.isVisibleTo(panel)


def test_one_to_three_channels_are_chosen(viewer_model, qtbot):
    picker = ChannelPicker()
    qtbot.addWidget(picker)
    names = ("time", "c", "y", "x")
    data = np.zeros((9, 37, 99, 98), np.uint8)
    picker.show_image(viewer_model.add_image(data, axis_labels=names))
    assert [picker.axis.itemText(index) for index in range(3)] == ["None", "time (9)", "c (37)"]
    assert picker.channels == Channels(1, (0, 1, 2))
    actions = picker.button.menu().actions()
    actions[36].trigger()
    assert picker.channels == Channels(1, (0, 1, 36))
    for index in (0, 1, 36):
        actions[index].trigger()
    assert picker.channels == Channels(1, (36,))  # one has to stay
    assert picker.button.text() == "37"


def followed(annotator, qtbot):
    """Propagate, and wait until that is done."""
    annotator.propagate()
    qtbot.waitUntil(lambda: annotator.propagation.progress is None)


def test_an_object_is_followed_through_the_stack_as_one_step(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    stack.keep()
    before = stack.session.levels.array(2).copy()
    followed(stack, qtbot)
    layer = viewer.layers["stack · level 2"]
    assert stack.session.levels.planes_of(2, 1) == [(plane,) for plane in range(5)]
    assert layer.features["source"].tolist() == ["propagated"]
    assert layer.features["area"].tolist() == [5 * 21 * 21]
    assert messages()[-1] == (
        "Found in 4 other slices; agreement with the slice before: "
        "0: 1.00 · 1: 1.00 · 3: 1.00 · 4: 1.00."
    )
    stack.undo()
    np.testing.assert_array_equal(layer.data, before)
    assert stack.session.plane in {(0,), (1,), (3,), (4,)}
    stack.redo()
    assert len(stack.session.levels.planes_of(2, 1)) == 5


def test_corrections_hold_and_are_followed_from(stack, viewer, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    stack.keep()
    followed(stack, qtbot)
    layer = viewer.layers["stack · level 2"]
    go(viewer, 3)
    layer.brush_size = 9
    layer.paint((3, 10, 70), 1)
    corrected = layer.data[3].copy()
    viewer.layers.selection.active, layer.selected_label = layer, 1
    followed(stack, qtbot)
    np.testing.assert_array_equal(layer.data[3], corrected)
    assert layer.data[2, 30, 40]
    assert len(stack.session.levels.planes_of(2, 1)) >= 3


def test_following_can_be_cancelled(stack, viewer, predictor, qtbot):
    click(stack, viewer, qtbot, 30, 40)
    stack.keep()
    predictor.gate.clear()
    stack.propagate()
    assert stack.propagation.progress is not None
    stack.propagation.cancel()
    predictor.gate.set()
    assert stack.propagation.progress is None
    assert QThreadPool.globalInstance().waitForDone(10_000)
    QApplication.processEvents()
    assert stack.session.levels.planes_of(2, 1) == [(2,)]


def test_without_a_label_there_is_nothing_to_follow(stack, start, viewer):
    stack.propagate()
    assert messages()[-1].startswith("Keep a mask in this slice first")


def test_only_stacks_can_be_propagated(panel, viewer, qtbot, predictor):
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    assert not panel.propagation.isVisibleTo(panel)
    viewer.add_image(np.zeros((5, *SHAPE), np.uint8), name="five")
    panel.image.setCurrentText("five")
    panel.source.channels.axis.setCurrentIndex(0)  # which is guessed to have channels
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.image.name == "five")
    assert panel.propagation.isVisibleTo(panel)
