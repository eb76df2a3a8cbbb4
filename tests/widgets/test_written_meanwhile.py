"""What the user does while labels are being written bit by bit, or while an image is opened."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from annotating import begin, click
from napari.utils._proxies import PublicOnlyProxy
from panel_actions import CELLS, messages

from napari_semantic_sam.annotation.bulk import patches_of
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.automatic.guided import SizeRange
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.automatic.wishes import Wishes

COUNT = 300


@pytest.fixture
def viewer(viewer_model):
    viewer_model.add_image(CELLS, name="cells")
    return viewer_model


@pytest.fixture
def annotator(viewer, predictor, qtbot):
    """A session with label 1 of level 2."""
    for annotator in begin(viewer, qtbot):
        click(annotator, qtbot, 45, 60)
        annotator.show(1)
        annotator.keep()
        yield annotator


def write(annotator, levels=(1, 2, 3)):
    """Begin to write many labels into several levels."""
    found = LevelLabels(CELLS.shape)
    for level in levels:
        array = np.zeros(CELLS.shape, np.int32)
        array[:10, :30] = np.arange(1, COUNT + 1).reshape(10, 30)
        found.attach(level, array, [LabelRow(each, level) for each in range(1, COUNT + 1)])
    annotator.session.begin_adding(patches_of(found))
    annotator.set_target_level(None)
    assert annotator.session.is_writing


def written(annotator, qtbot):
    qtbot.waitUntil(lambda: annotator.automatic.progress is None)


def layers(viewer):
    return {layer.name: layer for layer in viewer.layers if " · level " in layer.name}


def check(viewer, annotator):
    """The layers show what the session has, and nothing else."""
    levels, shown = annotator.session.levels, layers(viewer)
    assert set(shown) == {f"cells · level {level}" for level in levels.levels}
    for level in levels.levels:
        layer = shown[f"cells · level {level}"]
        np.testing.assert_array_equal(layer.data, levels.array(level))
        assert layer.features["index"].tolist() == [row.index for row in levels.rows(level)]


def test_a_stroke_meanwhile_leaves_no_level_without_its_layer(annotator, viewer, qtbot):
    write(annotator)
    viewer.layers["cells · level 2"].paint((50, 20), 1)
    written(annotator, qtbot)
    assert annotator.session.levels.levels == [1, 2, 3]
    check(viewer, annotator)


def test_a_level_that_is_deleted_meanwhile_takes_no_other_along(annotator, viewer, qtbot):
    write(annotator)
    viewer.layers.remove("cells · level 2")
    written(annotator, qtbot)
    qtbot.waitUntil(lambda: annotator.session.levels.levels == [1, 3])
    check(viewer, annotator)


def test_an_act_while_labels_are_taken_back_leaves_no_layer_without_its_level(
    annotator, viewer, qtbot
):
    write(annotator)
    written(annotator, qtbot)
    annotator.undo()
    assert annotator.session.is_writing
    annotator.rename_all([(2, 1)], object="cell")
    written(annotator, qtbot)
    assert annotator.session.levels.levels == [2]
    check(viewer, annotator)


def test_a_level_may_be_deleted_while_it_is_taken_back(annotator, viewer, qtbot):
    write(annotator)
    written(annotator, qtbot)
    annotator.undo()
    viewer.layers.remove("cells · level 1")
    written(annotator, qtbot)
    qtbot.waitUntil(lambda: annotator.session.levels.levels == [2])
    check(viewer, annotator)


def test_labels_that_cannot_be_counted_leave_nothing_behind(annotator, viewer, qtbot):
    layer = viewer.layers["cells · level 2"]
    layer.data = layer.data.astype(np.uint8)
    write(annotator)
    written(annotator, qtbot)
    assert "cannot count beyond 255" in messages()[-1]
    assert annotator.session.levels.levels == [2]
    check(viewer, annotator)


def test_a_session_ends_with_all_that_was_begun_on_the_screen(annotator, viewer, qtbot):
    write(annotator)
    session = annotator.session
    annotator.rename_all([(2, 1)], object="cell")
    annotator.stop()
    assert session.levels.levels == [1, 2, 3]
    assert len(layers(viewer)) == 3


@pytest.fixture
def stack(viewer, predictor, qtbot):
    """An annotator of a stack, which may still be on its way."""
    viewer.layers.clear()
    viewer.add_image(np.zeros((5, 60, 80), np.uint8), name="stack")
    viewer.dims.set_point(0, 0)
    annotator = Annotator(PublicOnlyProxy(viewer))
    annotator.start(annotator.images[0], "tiny", "cpu")
    yield annotator
    annotator.close()


def test_the_session_begins_on_the_slice_that_the_user_has_gone_to(stack, viewer, qtbot):
    viewer.dims.set_point(0, 3)
    qtbot.waitUntil(lambda: stack.session is not None)
    assert stack.session.plane == stack.opened.plane == (3,)
    assert viewer.dims.point[0] == 3


def test_a_restored_session_is_on_the_slice_on_display(stack, viewer, qtbot):
    qtbot.waitUntil(lambda: stack.session is not None)
    viewer.dims.set_point(0, 3)
    stack._on_restored(AnnotationSession(LevelLabels((60, 80), (5,))), stack.opened)
    assert stack.session.plane == stack.opened.plane == (3,)
    stack.clicks.add([3, 30, 40])
    qtbot.waitUntil(lambda: bool(stack.session.current.candidates))
    stack.keep()
    assert stack.session.levels.planes_of(2, 1) == [(3,)]


def test_more_like_objects_of_a_stack_have_their_size_in_a_slice(stack, viewer, qtbot):
    qtbot.waitUntil(lambda: stack.session is not None)
    array = np.zeros((5, 60, 80), np.int32)
    array[:, :10, :10] = 1
    stack.session.replace_level(2, array)
    wishes = Wishes((), 0, SizeRange(), "all", like_kept=True, is_preview=False)
    request = wishes.request(viewer, stack._view)
    assert [row.area for row in request.like] == [100]


@pytest.mark.parametrize("shape", [(1, 60, 80), (1, 1, 60, 80), (3, 60, 80, 3), (4, 1, 60, 80)])
def test_unusual_stacks_can_be_annotated(viewer, predictor, qtbot, shape):
    viewer.layers.clear()
    viewer.add_image(np.zeros(shape, np.uint8), name="stack")
    annotator = Annotator(PublicOnlyProxy(viewer))
    annotator.start(annotator.images[0], "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not None)
    frame, plane = annotator.frame, annotator.session.plane
    annotator.clicks.add(frame.points(plane, [(30, frame.shape[1] // 2)]))
    qtbot.waitUntil(lambda: bool(annotator.session.current.candidates))
    annotator.keep()
    (level,) = annotator.session.levels.levels
    assert annotator.session.levels.planes_of(level, 1) == [plane]
    annotator.undo()
    assert layers(viewer) == {}
    annotator.close()


def test_a_session_that_ended_is_let_go(annotator, viewer, qtbot):
    write(annotator)
    written(annotator, qtbot)
    view = weakref.ref(annotator._view)
    session = weakref.ref(annotator.session)
    annotator.stop()
    qtbot.wait(1)
    gc.collect()
    assert view() is None
    assert session() is None
