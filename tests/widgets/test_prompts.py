"""Prompts in their layers: signs, objects, kinds of shapes, labels to be refined."""

from __future__ import annotations

import numpy as np
import pytest
from annotating import begin, candidates_come, click
from panel_actions import draw_shape, messages, press

from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets.prompt_marks import read
from napari_semantic_sam.widgets.tables import PROMPT_COLOURS


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def annotator(viewer, cells, predictor, qtbot):
    yield from begin(viewer, qtbot)


def colours(layer):
    """Return colours of points or edges of shapes as hexadecimal RGB."""
    colour = layer.face_color if hasattr(layer, "symbol") else layer.edge_color
    return ["#" + bytes(round(255 * part) for part in rgba[:3]).hex() for rgba in colour]


def test_clicks_of_both_signs_belong_to_one_object(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    press(viewer, "Q")
    assert not annotator.positive
    click(annotator, qtbot, 35, 45)
    press(viewer, "Q")
    assert annotator.positive
    table = annotator.clicks.features
    assert table["sign"].tolist() == ["positive", "negative"]
    assert table["object"].tolist() == [1, 1]
    assert colours(annotator.clicks) == [PROMPT_COLOURS["positive"], PROMPT_COLOURS["negative"]]
    assert annotator.session.groups == {
        1: (Prompt("click", (30, 40)), Prompt("click", (35, 45), positive=False))
    }


def test_the_next_object_begins_with_a_positive_prompt(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    press(viewer, "Q")
    press(viewer, "N")
    assert annotator.positive
    click(annotator, qtbot, 10, 20)
    click(annotator, qtbot, 12, 20)
    assert annotator.clicks.features["object"].tolist() == [1, 2, 2]
    assert annotator.session.active == 2
    annotator.activate(1)
    assert annotator.session.current.shown.box == (20, 30, 41, 51)
    click(annotator, qtbot, 31, 41)
    assert annotator.clicks.features["object"].tolist() == [1, 2, 2, 1]


def test_a_click_after_keeping_begins_an_object_unless_it_is_negative(annotator, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.keep()
    click(annotator, qtbot, 10, 20)
    annotator.keep()
    annotator.flip_sign()
    click(annotator, qtbot, 12, 22)
    assert annotator.clicks.features["object"].tolist() == [1, 2, 2]


def test_every_click_can_be_an_object_of_its_own(annotator, qtbot):
    annotator.set_separate(True)
    annotator.clicks.add([[30, 40], [10, 20]])
    annotator.clicks.add([50, 60])
    annotator.boxes.add_rectangles(np.array([[5, 5], [15, 15]]))
    qtbot.waitUntil(lambda: not annotator.session.waiting)
    assert annotator.clicks.features["object"].tolist() == [1, 2, 3]
    assert annotator.boxes.features["object"].tolist() == [4]
    assert [len(prompts) for prompts in annotator.session.groups.values()] == [1, 1, 1, 1]


CORNERS = np.array([[10.0, 20.0], [10.0, 40.0], [30.0, 40.0], [30.0, 20.0]])


@pytest.mark.parametrize(
    ("shape", "vertices", "kind", "coordinates"),
    [
        ("rectangle", CORNERS, "box", (10.5, 20.5, 30.5, 40.5)),
        ("polygon", CORNERS, "lasso", (10, 20, 10, 40, 30, 40, 30, 20)),
        ("path", CORNERS[:3], "scribble", (10, 20, 10, 40, 30, 40)),
        ("line", CORNERS[:2], "scribble", (10, 20, 10, 40)),
    ],
)
def test_shapes_are_boxes_outlines_and_lines(annotator, qtbot, shape, vertices, kind, coordinates):
    annotator.boxes.add(vertices, shape_type=shape)
    candidates_come(annotator, qtbot)
    assert annotator.session.groups == {1: (Prompt(kind, coordinates),)}
    assert annotator.session.current.shown is not None


def test_an_ellipse_is_an_outline_along_it(annotator, qtbot):
    annotator.boxes.add(CORNERS, shape_type="ellipse")
    candidates_come(annotator, qtbot)
    ((prompt,),) = annotator.session.groups.values()
    y, x = np.array(prompt.coordinates).reshape(-1, 2).T
    assert prompt.kind == "lasso"
    np.testing.assert_allclose(np.hypot(y - 20, x - 30), 10, rtol=1e-5)


def test_shapes_have_signs_and_objects_too(annotator, qtbot):
    annotator.boxes.add(CORNERS, shape_type="rectangle")
    annotator.flip_sign()
    annotator.boxes.add(CORNERS[:2] + 4, shape_type="line")
    candidates_come(annotator, qtbot)
    assert annotator.boxes.features["sign"].tolist() == ["positive", "negative"]
    assert colours(annotator.boxes) == [PROMPT_COLOURS["positive"], PROMPT_COLOURS["negative"]]
    annotator.boxes.data = []
    annotator.flip_sign()
    annotator.boxes.add(CORNERS, shape_type="rectangle")
    assert annotator.boxes.features["sign"].tolist() == ["positive"]
    assert colours(annotator.boxes) == [PROMPT_COLOURS["positive"]]


@pytest.mark.parametrize(
    ("mode", "kind"), [("add_path", "scribble"), ("add_polygon_lasso", "lasso")]
)
def test_lines_and_outlines_drawn_with_the_mouse(annotator, qtbot, mode, kind):
    annotator.boxes.mode = mode
    draw_shape(annotator.boxes, [(10, 12), (14, 30), (30, 41), (32, 20), (20, 11)])
    candidates_come(annotator, qtbot)
    ((prompt,),) = annotator.session.groups.values()
    assert prompt.kind == kind
    assert prompt.coordinates[:2] == pytest.approx((10, 12))


def begin_polygon(layer):
    """Set three corners with the mouse, and leave it at that."""
    layer.mode = "add_polygon"
    for corner in [(10, 12), (14, 30), (30, 41)]:
        draw_shape(layer, [corner])


def test_an_outline_that_is_being_drawn_is_left_alone(annotator, viewer, qtbot):
    click(annotator, qtbot, 50, 60)
    begin_polygon(annotator.boxes)
    for key in ".,JKQQ":
        press(viewer, key)
    annotator.clicks.add([52, 60])
    candidates_come(annotator, qtbot)
    assert len(annotator.boxes.data) == 1
    assert {each.kind for group in annotator.session.groups.values() for each in group} == {"click"}
    annotator.boxes.mode = "add_rectangle"  # which finishes it
    kinds = [each.kind for each in annotator.session.groups[annotator.session.active]]
    assert kinds[-1] == "lasso"


def test_undo_takes_back_an_outline_that_is_being_drawn(annotator, viewer, qtbot):
    click(annotator, qtbot, 50, 60)
    groups = annotator.session.groups
    begin_polygon(annotator.boxes)
    annotator.undo()
    assert len(annotator.boxes.data) == 0
    assert annotator.session.groups == groups
    assert annotator.boxes.mode == "add_polygon"
    annotator.redo()
    assert len(annotator.boxes.data) == 1


def test_q_switches_selected_prompts(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    click(annotator, qtbot, 33, 43)
    annotator.clicks.mode = "select"
    annotator.clicks.selected_data = {1}
    press(viewer, "Q")
    candidates_come(annotator, qtbot)
    assert annotator.clicks.features["sign"].tolist() == ["positive", "negative"]
    assert [each.positive for each in annotator.session.groups[1]] == [True, False]
    assert annotator.positive


def test_only_the_latest_prompts_are_answered(annotator, qtbot, predictor):
    predictor.gate.clear()
    annotator.clicks.add([30, 40])
    annotator.clicks.add([31, 41])
    annotator.clicks.data = [[10, 20]]
    predictor.gate.set()
    candidates_come(annotator, qtbot)
    assert annotator.session.current.shown.box == (0, 10, 21, 31)
    assert [points for points, _ in predictor.asked] == [((30, 40),), ((10, 20),)]


def test_the_active_object_is_answered_first(annotator, qtbot, predictor):
    annotator.set_separate(True)
    predictor.gate.clear()
    for x in (10, 30, 50):
        annotator.clicks.add([30, x])
    predictor.gate.set()
    qtbot.waitUntil(lambda: not annotator.session.waiting)
    assert [points for points, _ in predictor.asked] == [((30, 10),), ((30, 50),), ((30, 30),)]


def test_a_shape_that_cannot_be_used_is_refused(annotator, qtbot):
    annotator.boxes.add(CORNERS + 200, shape_type="polygon")
    assert len(messages()) == 1
    assert len(annotator.boxes.data) == 0
    assert annotator.session.groups == {}


def test_a_label_is_refined(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.keep()
    annotator.rename_all([(2, 1)], object="cell")
    annotator.refine_label(2, 1)
    candidates_come(annotator, qtbot)
    assert annotator.session.groups[2] == (Prompt("label", (2, 1, 30, 40)),)
    assert read(annotator.clicks, annotator.frame)[1] == (2, Prompt("label", (2, 1, 30, 40)), ())
    annotator.show(0)
    annotator.keep()
    layer = viewer.layers["cells · level 2"]
    shown = annotator.session.current.shown
    assert shown.area > 441
    assert layer.features["index"].tolist() == [1]
    assert layer.features["area"].tolist() == [shown.area]
    assert layer.features["object"].tolist() == ["cell"]


def test_the_label_to_refine_is_selected_or_under_the_mouse(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.mark(2, True)
    annotator.keep()
    viewer.cursor.position = (30, 40)
    annotator.refine_label()
    assert annotator.session.groups[2][0].coordinates[:2] == (3, 1)
    viewer.layers.selection.active = viewer.layers["cells · level 2"]
    annotator.refine_label()
    assert annotator.session.groups[3][0].coordinates[:2] == (2, 1)
    viewer.cursor.position = (2, 2)
    viewer.layers.selection.active.selected_label = 1
    annotator.refine_label()
    assert annotator.session.groups[4][0].coordinates[:2] == (2, 1)
    viewer.layers.selection.active = viewer.layers["cells"]
    annotator.refine_label()
    assert "no label to refine" in messages()[-1]
    assert len(annotator.session.groups) == 4


def test_a_label_that_is_gone_is_no_prompt(annotator, viewer, qtbot, predictor):
    click(annotator, qtbot, 30, 40)
    annotator.keep()
    predictor.gate.clear()
    click_elsewhere = [10, 20]
    annotator.clicks.add(click_elsewhere)
    annotator.refine_label(2, 1)
    annotator.delete_all([(2, 1)])
    predictor.gate.set()
    qtbot.waitUntil(lambda: not annotator.session.waiting)
    assert annotator.session.current.shown is None
    assert messages()


def test_prompts_keep_their_objects_in_the_next_session(annotator, viewer, cells, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.flip_sign()
    click(annotator, qtbot, 33, 43)
    annotator.next_object()
    click(annotator, qtbot, 10, 20)
    groups, session = annotator.session.groups, annotator.session
    annotator.start(cells, "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not session)
    assert annotator.session.groups == groups
    qtbot.waitUntil(lambda: not annotator.session.waiting)


def test_the_camera_goes_to_a_label(annotator, viewer, qtbot):
    click(annotator, qtbot, 12, 60)
    annotator.keep()
    annotator.go_to(2, 1)
    assert tuple(viewer.scene.camera.center[1:]) == pytest.approx((12, 60))
    assert viewer.layers["cells · level 2"].selected_label == 1


def test_the_hover_preview_lasts_from_session_to_session(annotator, viewer, cells, qtbot):
    press(viewer, "H")
    assert annotator.hover
    assert viewer.mouse_move_callbacks
    session = annotator.session
    annotator.start(cells, "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not session)
    assert len(viewer.mouse_move_callbacks) == 1
    annotator.stop()
    assert not viewer.mouse_move_callbacks


def test_how_masks_are_kept_lasts_from_session_to_session(annotator, cells, qtbot):
    from napari_semantic_sam.annotation.commit import KeepOptions

    annotator.set_options(KeepOptions(rule="replace"))
    annotator.set_separate(True)
    session = annotator.session
    annotator.start(cells, "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not session)
    assert annotator.session.options.rule == "replace"
    assert annotator.session.separate


def test_what_replacing_did_to_other_labels_is_told(annotator, qtbot):
    from napari_semantic_sam.annotation.commit import KeepOptions

    annotator.set_options(KeepOptions(rule="replace"))
    click(annotator, qtbot, 30, 40)
    annotator.keep()
    click(annotator, qtbot, 30, 45)
    annotator.keep()
    assert len(messages()) == 1
    assert "label 1 lost" in messages()[0]
