"""The panel at work, from a click to a row of features."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image, Labels
from panel_actions import CELLS, click, draw_box, messages, press, shown
from qtpy.QtCore import Qt

from napari_semantic_sam.inference.level_labels import COLUMNS
from napari_semantic_sam.widgets.layers import record_of


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def clicks_of(panel):
    """Return the clicks of the active object."""
    session = panel.annotator.session
    return [prompt.coordinates for prompt in session.groups[session.active]]


def test_start_adds_layers_ready_for_clicks(started, viewer):
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        "cells · preview",
        "cells · boxes",
        "cells · clicks",
    ]
    assert viewer.layers.selection.active == started.annotator.clicks
    assert started.annotator.clicks.mode == "add"
    assert started.annotator.boxes.mode == "add_rectangle"


def test_from_click_to_features_row(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    assert started.position.text() == "2 of 3  ·  level 2"

    started.slider.setValue(2)
    assert started.position.text() == "3 of 3  ·  level 3"
    started.keep_button.click()

    layer = viewer.layers["cells · level 3"]
    assert isinstance(layer, Labels)
    expected = np.zeros(CELLS.shape, dtype=int)
    expected[26:35, 36:45] = 1
    np.testing.assert_array_equal(layer.data, expected)
    assert tuple(layer.features.columns) == COLUMNS
    (row,) = layer.features.to_dict("records")
    assert (row["index"], row["level"], row["area"], row["source"]) == (1, 3, 81, "click")
    assert (row["predicted_iou"], row["stability"]) == (0.5, 0.8)
    assert record_of(layer) == {
        "image": "cells",
        "image_id": str(viewer.layers["cells"].unique_id),
        "level": 3,
        "checkpoint": "tiny",
        "level_order": (0, 1, 2),
    }
    assert started.position.text() == "3 of 3  ·  level 3  ·  kept"
    assert viewer.layers.selection.active == started.annotator.clicks


def test_the_model_may_see_the_contrast_of_the_layer(started, viewer, qtbot, predictor):
    assert predictor.contrast_limits is None
    viewer.layers["cells"].contrast_limits = (10, 200)
    started.contrast.setChecked(True)
    started.start()
    qtbot.waitUntil(lambda: started.annotator.progress is None)
    assert predictor.contrast_limits == (10, 200)


def test_level_layers_are_ordered_and_linked(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    for index in (2, 0):
        started.annotator.show(index)
        started.annotator.keep()
    names = [layer.name for layer in viewer.layers]
    assert names[:4] == ["cells", "cells · level 1", "cells · level 3", "cells · preview"]
    (row,) = viewer.layers["cells · level 3"].features.to_dict("records")
    assert (row["parent_level"], row["parent"]) == (1, 1)


def test_the_preview_shows_the_candidates_and_what_was_kept(started, viewer, qtbot):
    preview = viewer.layers["cells · preview"]
    assert not preview.data[..., 3].any()
    click(started, qtbot, 30, 40)
    qtbot.waitUntil(lambda: preview.data.shape == (41, 41, 4))
    np.testing.assert_array_equal(preview.translate, (10, 20))
    coarse, chosen, outline = (5, 5, 3), (13, 13, 3), (10, 20, 3)
    assert preview.data[coarse] == 0
    assert preview.data[chosen] > 0
    started.annotator.keep()
    qtbot.waitUntil(lambda: preview.data[chosen] == 0)
    assert preview.data[outline] > 0
    assert viewer.layers.selection.active == started.annotator.clicks


@pytest.mark.parametrize("active", ["cells", "cells · clicks", "cells · boxes", "cells · level 2"])
def test_shortcuts_work_whatever_layer_is_active(started, viewer, qtbot, active):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers.selection.active = viewer.layers[active]
    press(viewer, ".")
    assert started.slider.value() == 2
    press(viewer, ",")
    press(viewer, ",")
    press(viewer, ",")
    assert started.slider.value() == 0
    press(viewer, "K")
    assert viewer.layers["cells · level 1"].data.max() == 1


def test_shortcuts_wait_for_a_session(panel, viewer):
    for key in ",.K":
        press(viewer, key)
    assert len(viewer.layers) == 1


def test_a_box_drawn_with_the_mouse(started, viewer, qtbot, predictor):
    draw_box(started.annotator.boxes, (10, 12), (30, 41))
    shown(started, qtbot)
    ((_, ((y0, x0, y1, x1),)),) = predictor.asked
    assert (y0, x0) == pytest.approx((10.5, 12.5), abs=0.01)
    assert (y1, x1) == pytest.approx((30.5, 41.5), abs=0.01)
    started.annotator.keep()
    assert viewer.layers["cells · level 2"].features["source"].tolist() == ["box"]


def test_a_box_without_area_is_refused(started, qtbot, predictor):
    draw_box(started.annotator.boxes, (200, 10), (300, 20))
    assert len(started.annotator.boxes.data) == 0
    assert "covers no area" in messages()[-1]
    draw_box(started.annotator.boxes, (10, 10), (20, 20))
    shown(started, qtbot)
    assert len(predictor.asked) == 1


def test_a_click_outside_is_refused(started, qtbot, predictor):
    click(started, qtbot, 30, 40)
    started.annotator.clicks.add([-5, 10])
    assert "outside" in messages()[-1]
    np.testing.assert_array_equal(started.annotator.clicks.data, [[30, 40]])
    assert clicks_of(started) == [(30, 40)]
    assert len(predictor.asked) == 1


def test_a_box_the_model_does_not_take_is_refused(panel, qtbot, predictor):
    del predictor.model.config.prompt_types["box"]
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    predictor.gate.clear()
    panel.annotator.clicks.add([30, 40])
    draw_box(panel.annotator.boxes, (10, 10), (20, 20))
    predictor.gate.set()
    shown(panel, qtbot)
    assert messages() == [
        "This model takes no boxes; click on the structure, or choose another model."
    ]
    assert len(panel.annotator.boxes.data) == 0
    assert panel.annotator.session.current.shown is not None
    assert predictor.asked == [(((30, 40),), ())]


def test_moving_a_click_asks_again(started, qtbot, predictor):
    click(started, qtbot, 30, 40)
    started.annotator.clicks.data = [[20, 25]]
    shown(started, qtbot)
    assert predictor.asked == [(((30, 40),), ()), (((20, 25),), ())]
    assert started.annotator.session.current.shown.box == (10, 15, 31, 36)


def test_existing_labels_are_never_overwritten(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    before = viewer.layers["cells · level 2"].data.copy()

    click(started, qtbot, 30, 45)
    started.annotator.keep()
    after = viewer.layers["cells · level 2"].data
    np.testing.assert_array_equal(after[before > 0], before[before > 0])
    assert viewer.layers["cells · level 2"].features["area"].tolist() == [441, 105]

    started.annotator.keep()
    assert "kept already" in messages()[-1]
    assert after.max() == 2


def test_candidates_of_a_click_that_is_gone_are_dropped(started, viewer, qtbot, predictor):
    predictor.gate.clear()
    started.annotator.clicks.add([30, 40])
    assert started.position.text() == "Finding masks …"
    started.annotator.clicks.data = np.zeros((0, 2))
    assert started.position.text() == "Click a structure, or draw a box."
    predictor.gate.set()
    qtbot.waitUntil(lambda: len(predictor.asked) == 1)
    click(started, qtbot, 10, 10)
    assert clicks_of(started) == [(10, 10)]


def test_a_click_that_finds_nothing_says_so(started, qtbot, predictor):
    predictor.finds_nothing = True
    started.annotator.clicks.add([30, 40])
    qtbot.waitUntil(lambda: "Nothing found" in started.position.text())
    assert not started.keep_button.isEnabled()
    assert not started.slider.isEnabled()


def test_the_users_strokes_get_rows(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    layer.selected_label = 7
    layer.brush_size = 1
    with layer.block_history():  # as the mouse does
        layer.paint((5, 5), 7)
    assert layer.features["source"].tolist() == ["click", "painted"]
    assert layer.features["index"].tolist() == [1, 7]
    started.annotator.undo()
    click(started, qtbot, 12, 60)
    started.annotator.keep()
    assert layer.features["index"].tolist() == [1, 2]


def test_strokes_are_counted_whatever_was_written_in_features(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    layer.features["object"] = "cell"
    layer.brush_size = 1
    with layer.block_history():
        layer.paint((30, 40), 0)
        layer.paint((3, 70), 9)
    assert layer.features["index"].tolist() == [1, 9]
    assert layer.features["area"].tolist() == [440, 1]
    assert layer.features["object"].tolist() == ["cell", ""]
    layer.selected_label = 0
    layer.fill((20, 40), 0)
    assert layer.features["index"].tolist() == [9]


def test_what_was_erased_is_no_longer_kept(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    assert started.position.text().endswith("kept")
    layer = viewer.layers["cells · level 2"]
    layer.fill((30, 40), 0)
    assert started.position.text() == "2 of 3  ·  level 2"
    started.annotator.keep()
    assert started.position.text().endswith("kept")
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: started.position.text() == "2 of 3  ·  level 2")


def test_labels_of_an_earlier_session_are_taken_over(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    first = started.annotator.session
    started.start_button.click()
    qtbot.waitUntil(lambda: started.annotator.session is not first)
    shown(started, qtbot)  # the click is still there and is answered again
    started.annotator.clicks.add([12, 70])
    shown(started, qtbot)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    assert layer.features["index"].tolist() == [1, 2]
    assert layer.features["predicted_iou"].tolist() == [0.9, 0.9]
    assert [each.name for each in viewer.layers].count("cells · clicks") == 1


def test_what_is_in_use_and_its_limits_are_visible(started, panel):
    assert started.status.text() == (
        "“cells”  ·  tiny on cpu\nThis checkpoint has no names.\n"
        "The picture is seen as a whole: the model sees it 2 times larger."
    )
    assert started.model.currentText().startswith("tiny")
    assert "microscopy" in started.description.text()


def test_what_a_model_lacks_is_said_before_it_is_used(panel):
    panel.model.setCurrentText("swin-t (to download)")
    assert panel.description.text().endswith("has no names. Experimental: boxes.")


def test_the_model_in_use_is_not_described_twice(started):
    assert started.description.isHidden()  # the last lines of the panel say it
    started.annotator.stop()
    assert not started.description.isHidden()


def test_keep_can_be_pressed_only_if_there_is_something_to_keep(started, qtbot):
    assert not started.keep_button.isEnabled()
    click(started, qtbot, 30, 40)
    assert started.keep_button.isEnabled()
    started.annotator.keep()
    assert not started.keep_button.isEnabled()
    started.slider.setValue((started.slider.value() + 1) % 3)
    assert started.keep_button.isEnabled()


def test_what_an_act_did_besides_is_told(started, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    click(started, qtbot, 30, 45)
    started.options.rule.setCurrentIndex(started.options.rule.findData("replace"))
    started.keep_button.click()
    assert started.annotator.session.notice
    assert started.status.text().endswith(started.annotator.session.notice)


def test_pictures_are_chosen_from_images_only(started, viewer):
    viewer.add_labels(np.zeros(CELLS.shape, dtype=int), name="mine")
    viewer.add_image(CELLS, name="more")
    texts = [started.image.itemText(index) for index in range(started.image.count())]
    assert texts == ["cells", "more"]
    assert isinstance(viewer.layers["cells · preview"], Image)


def test_the_slider_takes_the_keyboard(started, qtbot):
    click(started, qtbot, 30, 40)
    qtbot.keyClick(started.slider, Qt.Key.Key_Right)
    assert started.position.text() == "3 of 3  ·  level 3"


def listed(panel):
    """Return what the list of masks says."""
    rows = [panel.masks.list.item(row) for row in range(panel.masks.list.count())]
    return [(row.text(), row.checkState() == Qt.CheckState.Checked) for row in rows]


def test_the_list_has_every_mask(started, qtbot):
    click(started, qtbot, 30, 40)
    assert listed(started) == [
        ("level 1  ·  1681 px  ·  0.50", False),
        ("level 2  ·  441 px  ·  0.90", False),
        ("level 3  ·  81 px  ·  0.50", False),
    ]
    assert started.masks.list.currentRow() == 1
    started.masks.list.setCurrentRow(0)
    assert started.position.text() == "1 of 3  ·  level 1"
    assert started.slider.value() == 0


def test_masks_that_are_checked_are_kept_together(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.masks.list.item(0).setCheckState(Qt.CheckState.Checked)
    started.masks.list.item(2).setCheckState(Qt.CheckState.Checked)
    started.slider.setValue(0)
    started.keep_button.click()
    assert [text for text, _ in listed(started)] == [
        "level 1  ·  1681 px  ·  0.50  ·  kept",
        "level 2  ·  441 px  ·  0.90",
        "level 3  ·  81 px  ·  0.50  ·  kept",
    ]
    (row,) = viewer.layers["cells · level 3"].features.to_dict("records")
    assert (row["parent_level"], row["parent"]) == (1, 1)
    started.annotator.rename_all([(3, 1)], object="nucleolus")
    assert listed(started)[2][0].startswith("level 3  ·  81 px  ·  0.50  ·  nucleolus")
    started.steps.undo_button.click()
    started.steps.undo_button.click()
    assert started.annotator.session.levels.rows(3) == []
    assert started.annotator.session.levels.rows(1) == []


def test_a_key_checks_the_mask_on_display(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    press(viewer, "J")
    assert [checked for _, checked in listed(started)] == [False, True, False]
    press(viewer, "J")
    assert [checked for _, checked in listed(started)] == [False, False, False]


def test_the_list_takes_the_keyboard_and_leaves_other_keys(started, qtbot):
    click(started, qtbot, 30, 40)
    qtbot.keyClick(started.masks.list, Qt.Key.Key_Down)
    assert started.position.text() == "3 of 3  ·  level 3"
    qtbot.keyClick(started.masks.list, Qt.Key.Key_Space)
    assert listed(started)[2][1]
    qtbot.keyClick(started.masks.list, Qt.Key.Key_L)
    assert started.position.text() == "3 of 3  ·  level 3"


def test_another_level_can_be_the_target(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    level = started.options.level
    assert [level.itemText(row) for row in range(level.count())] == [
        "Its own",
        "Level 1",
        "Level 2",
        "Level 3",
    ]
    level.setCurrentIndex(1)
    started.keep_button.click()
    assert viewer.layers["cells · level 1"].features["area"].tolist() == [441]


def test_how_masks_are_kept_is_chosen_in_the_panel(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.keep_button.click()
    click(started, qtbot, 30, 45)
    started.options.rule.setCurrentIndex(started.options.rule.findData("replace"))
    started.options.smooth.setValue(2)
    assert started.annotator.options.cleanup.smooth == 2
    assert started.annotator.session.options == started.annotator.options
    started.keep_button.click()
    areas = viewer.layers["cells · level 2"].features["area"].tolist()
    assert areas[0] < 441
    assert 400 < areas[1] < 441  # its corners are round


def test_undo_and_redo_say_what_they_do(started, qtbot):
    started.resize(700, 600)
    started.show()
    undo, redo = started.steps.undo_button, started.steps.redo_button
    assert not undo.isEnabled()
    assert not redo.isEnabled()
    click(started, qtbot, 30, 40)
    started.keep_button.click()
    assert undo.text() == "&Undo keep level 2"
    undo.click()
    assert redo.text() == "&Redo keep level 2"
    assert started.annotator.session.levels.rows(2) == []
    redo.click()
    assert len(started.annotator.session.levels.rows(2)) == 1
    assert "keep level 2" in undo.toolTip()


def test_a_long_step_is_cut_to_the_width(started, qtbot):
    started.resize(300, 600)
    started.show()
    undo = started.steps.undo_button
    undo.show_step("rename R&D to something that nobody would ever want to type in full")
    assert undo.text().startswith("&Undo rename R&&D")
    assert undo.text().endswith("…")
    assert undo.toolTip().startswith("Undo rename R&D to something that nobody")


def test_the_sign_is_chosen_in_the_panel_or_with_a_key(started, viewer, qtbot):
    assert started.prompts.belongs.isChecked()
    started.prompts.not_belongs.click()
    assert not started.annotator.positive
    press(viewer, "Q")
    assert started.annotator.positive
    assert started.prompts.belongs.isChecked()


def test_what_does_not_belong_asks_for_what_does(started, viewer, qtbot):
    press(viewer, "Q")
    click(started, qtbot, 30, 40)
    assert started.position.text() == "Now click on the object (Q switches to it)."
    press(viewer, "Q")
    click(started, qtbot, 10, 10)
    assert started.position.text() == "2 of 3  ·  level 2"


def test_objects_are_counted_from_their_prompts(started, viewer, qtbot):
    assert started.prompts.object.currentText() == "No object yet"
    click(started, qtbot, 30, 20)
    assert started.prompts.object.currentText() == "Object 1  ·  1 prompt"
    click(started, qtbot, 30, 24)
    assert started.prompts.object.currentText() == "Object 1  ·  2 prompts"
    started.prompts.next_button.click()
    assert started.prompts.object.currentText() == "Object 2"
    click(started, qtbot, 30, 60)
    assert started.prompts.object.currentText() == "Object 2  ·  1 prompt"


def test_earlier_objects_are_chosen_and_kept(started, viewer, qtbot):
    started.show()
    started.prompts.separate.setChecked(True)
    started.annotator.clicks.add([[12, 12], [12, 60], [45, 35]])
    qtbot.waitUntil(lambda: not started.annotator.session.waiting)
    chooser = started.prompts.object
    qtbot.keyClick(chooser, Qt.Key.Key_Home)
    assert started.annotator.session.active == 1
    qtbot.keyClick(chooser, Qt.Key.Key_3)  # a key of the picture
    assert started.annotator.session.active == 1
    started.keep_button.click()
    assert [chooser.itemText(row) for row in range(chooser.count())] == [
        "Object 1  ·  kept",
        "Object 2  ·  1 prompt",
        "Object 3  ·  1 prompt",
    ]
    press(viewer, "Shift-N")  # from the first to the last
    press(viewer, "K")
    press(viewer, "Shift-N")
    press(viewer, "K")
    rows = started.annotator.session.levels.rows(2)
    assert [started.annotator.session.levels.box(2, row.index)[:2] for row in rows] == [
        (2, 2),
        (35, 25),
        (2, 50),
    ]


def test_every_click_its_own_object(started, qtbot):
    started.prompts.separate.setChecked(True)
    click(started, qtbot, 30, 20)
    click(started, qtbot, 30, 60)
    assert [len(prompts) for prompts in started.annotator.session.groups.values()] == [1, 1]


def test_the_preview_under_the_mouse_has_a_key(started, viewer):
    assert not started.prompts.hover.isChecked()
    press(viewer, "H")
    assert started.prompts.hover.isChecked()
    started.prompts.hover.setChecked(False)
    assert not started.annotator.hover


def test_sections_fold(panel, qtbot):
    panel.show()
    section = panel.sections["source"]
    assert panel.image.isVisible()
    qtbot.mouseClick(section.header, Qt.MouseButton.LeftButton)
    assert not panel.image.isVisible()
    section.header.setFocus()
    qtbot.keyClick(section.header, Qt.Key.Key_Space)
    assert panel.image.isVisible()


def test_an_interrupted_annotation_can_be_brought_back_or_discarded(panel, monkeypatch):
    from napari_semantic_sam.widgets.journal import JournalKeeper

    panel.show()
    assert not panel.offer.isVisible()
    asked = []
    offer = SimpleNamespace(text="“cells” was interrupted after 34 steps.")
    monkeypatch.setattr(JournalKeeper, "offer", offer)
    panel.offer.restore.connect(lambda: asked.append("restore"))
    panel.offer.discard.connect(lambda: asked.append("discard"))
    panel.annotator.changed.emit()
    assert panel.offer.isVisible()
    assert panel.offer.text.text() == offer.text
    panel.offer.restore_button.click()
    panel.offer.discard_button.click()
    assert asked == ["restore", "discard"]
    monkeypatch.setattr(JournalKeeper, "offer", None)
    panel.annotator.changed.emit()
    assert not panel.offer.isVisible()
