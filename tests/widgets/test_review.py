"""The list of kept objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panel_actions import click, messages
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLineEdit, QStyleOptionViewItem

from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.model.metadata import read_metadata
from napari_semantic_sam.model.registry import list_checkpoints
from napari_semantic_sam.widgets import names
from napari_semantic_sam.widgets.review_model import COLUMNS, ReviewModel
from napari_semantic_sam.widgets.review_table import ReviewTable


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def table(qtbot):
    table = ReviewTable()
    qtbot.addWidget(table)
    table.show()
    return table


def rows(count):
    return [LabelRow(index, 1 + index % 3, area=index % 7) for index in range(1, count + 1)]


def texts(table, column):
    model = table.model()
    return [model.index(row, COLUMNS.index(column)).data() for row in range(model.rowCount())]


def select(panel, *keys):
    panel.review.table.select(set(keys))


def labels(panel):
    levels = panel.annotator.session.levels
    return {(row.level, row.index): row for each in levels.levels for row in levels.rows(each)}


def test_every_kept_object_has_a_row(kept):
    table = kept.review.table
    assert texts(table, "level") == ["2", "2", "3"]
    assert texts(table, "index") == ["1", "2", "1"]
    assert texts(table, "area") == ["441", "441", "81"]
    assert texts(table, "predicted_iou") == ["0.90", "0.90", "0.50"]
    assert texts(table, "parent") == ["", "", "2 · 1"]
    assert texts(table, "source") == ["click"] * 3
    assert kept.sections["review"].header.text() == "Kept objects  ·  3"


def test_painted_objects_have_no_quality(table):
    table.show_rows([LabelRow(1, 2)])
    assert texts(table, "predicted_iou") == [""]


def test_a_name_is_typed_in_its_cell(kept, viewer, qtbot):
    select(kept, (2, 2))
    kept.review.buttons["rename"].click()
    editor = kept.review.table.findChild(QLineEdit)
    qtbot.keyClicks(editor, "cell")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: labels(kept)[2, 2].object == "cell")  # Qt commits it later
    assert viewer.layers["cells · level 2"].features["object"].tolist() == ["", "cell"]
    assert texts(kept.review.table, "object") == ["", "cell", ""]


def test_a_name_is_given_to_all_selected_objects(kept):
    table = kept.review.table
    select(kept, (2, 1), (2, 2))
    table.model().setData(table.model().index(0, COLUMNS.index("part")), " nucleus ")
    assert [labels(kept)[key].part for key in ((2, 1), (2, 2), (3, 1))] == [
        "nucleus",
        "nucleus",
        "",
    ]
    assert [row.index for row in table.selected] == [1, 2]


@pytest.mark.parametrize("act", ["delete", "move", "rename"])
def test_an_act_on_several_objects_is_one_step(kept, act):
    before, table = labels(kept), kept.review.table
    select(kept, (2, 1), (2, 2))
    if act == "delete":
        kept.review.buttons["delete"].click()
        assert set(labels(kept)) == {(3, 1)}
    elif act == "move":
        kept.review.buttons["move"].menu().actions()[0].trigger()
        assert set(labels(kept)) == {(1, 1), (1, 2), (3, 1)}
    else:
        table.model().setData(table.model().index(0, COLUMNS.index("object")), "cell")
        assert labels(kept)[2, 2].object == "cell"
    kept.annotator.undo()
    assert repr(labels(kept)) == repr(before)


def test_names_are_suggested(table):
    table.show_rows([replace(each, object="nucleus") for each in rows(2)])
    table.show_rows([replace(each, object="Cell", part="wall") for each in rows(2)])
    table.names.set_vocabulary({"object": ("bacterium",), "part": ()})
    index = table.model().index(0, COLUMNS.index("object"))
    editor = table.itemDelegate().createEditor(table.viewport(), QStyleOptionViewItem(), index)
    offered = editor.completer().model()
    assert offered.stringList() == ["bacterium", "Cell", "nucleus"]
    assert table.names.names("part") == ["wall"]
    editor.completer().setCompletionPrefix("ELL")
    assert editor.completer().currentCompletion() == "Cell"


def test_names_of_the_checkpoint_are_suggested(started, own_checkpoint):
    (mine,) = [each for each in list_checkpoints() if each.name == "mine"]
    assert set(names.vocabulary_of(mine).values()) == {()}
    record = read_metadata(mine.path)
    named = replace(record, object_vocabulary=("cell",), part_vocabulary=("nucleus", "wall"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "read_metadata", lambda _: named)
        started.source.list_checkpoints()
    started.model.setCurrentText("mine")
    assert "knows 3 names" in started.description.text()
    started.annotator.model = replace(started.annotator.model, checkpoint="mine")
    started.annotator.changed.emit()
    assert started.review.table.names.names("part") == ["nucleus", "wall"]


def test_a_name_being_typed_survives_other_changes(table, qtbot):
    table.show_rows(rows(3))
    table.select({(2, 1)})
    table.edit_name()
    editor = table.findChild(QLineEdit)
    qtbot.keyClicks(editor, "ce")
    table.show_rows([replace(each, area=99) for each in rows(3)])
    assert table.findChild(QLineEdit) is editor
    assert editor.text() == "ce"


def test_enter_and_a_double_click_move_the_camera(kept, viewer, qtbot):
    table, camera = kept.review.table, viewer.scene.camera
    select(kept, (2, 2))
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert camera.center[-2:] == pytest.approx((30, 60), abs=0.6)
    camera.center = (0, 0, 0)
    place = table.visualRect(table.model().index(2, 0)).center()
    # A double click of the test library leaves the button pressed, for all tests to come.
    for act in (qtbot.mouseClick, qtbot.mouseDClick, qtbot.mouseRelease):
        act(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    assert camera.center[-2:] == pytest.approx((30, 25), abs=0.6)


def test_deleting_is_undone(kept, qtbot):
    select(kept, (2, 1), (3, 1))
    qtbot.keyClick(kept.review.table, Qt.Key.Key_Delete)
    assert labels(kept).keys() == {(2, 2)}
    kept.steps.undo_button.click()
    assert labels(kept).keys() == {(2, 1), (2, 2), (3, 1)}
    assert kept.review.table.model().rowCount() == 3


def test_the_level_is_changed(kept):
    select(kept, (3, 1))
    menu = kept.review.buttons["move"].menu()
    assert [action.text() for action in menu.actions()] == ["Level 1", "Level 2", "Level 3"]
    menu.actions()[0].trigger()
    assert labels(kept).keys() == {(1, 1), (2, 1), (2, 2)}
    assert labels(kept)[1, 1].area == 81


def test_objects_are_merged_and_split(kept):
    select(kept, (2, 1), (2, 2))
    kept.review.buttons["merge"].click()
    merged = [row for row in labels(kept).values() if row.level == 2]
    assert [row.area for row in merged] == [882]
    select(kept, (2, merged[0].index))
    kept.review.buttons["split"].click()
    assert [row.area for row in labels(kept).values() if row.level == 2] == [441, 441]


def test_objects_of_two_levels_are_not_merged(kept):
    select(kept, (2, 1), (3, 1))
    before = labels(kept)
    kept.review.buttons["merge"].click()
    assert "one level" in messages()[-1]
    assert labels(kept) == before


def test_an_object_is_cleaned_up(kept, viewer):
    layer = viewer.layers["cells · level 2"]
    with layer.block_history():
        layer.brush_size = 1
        layer.paint((30, 25), 0)
    assert labels(kept)[2, 1].area == 440
    kept.options.fill_holes.setChecked(True)
    select(kept, (2, 1))
    kept.review.buttons["clean"].click()
    assert labels(kept)[2, 1].area == 441


def test_a_label_is_refined(kept):
    select(kept, (2, 1))
    kept.review.buttons["refine"].click()
    session = kept.annotator.session
    assert [prompt.kind for prompt in session.groups[session.active]] == ["label"]


def test_nothing_can_be_done_with_nothing(kept):
    kept.review.table.clearSelection()
    assert not any(each.isEnabled() for each in kept.review.buttons.values())
    select(kept, (2, 1))
    assert not kept.review.buttons["merge"].isEnabled()
    assert kept.review.buttons["delete"].isEnabled()


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_sorts_thousands_of_rows(table, column):
    many = rows(2000)
    many[5] = replace(many[5], object="b", predicted_iou=0.5)
    many[9] = replace(many[9], object="A", predicted_iou=0.4)
    table.show_rows(many)
    assert texts(table, "level")[:700] == ["1"] * 666 + ["2"] * 34
    place = COLUMNS.index(column)
    table.sortByColumn(place, Qt.SortOrder.DescendingOrder)
    found = texts(table, column)
    table.sortByColumn(place, Qt.SortOrder.AscendingOrder)
    assert len(found) == 2000
    assert sorted(found) == sorted(texts(table, column))
    if column in ("object", "predicted_iou"):
        assert found[:2] in (["b", "A"], ["0.50", "0.40"])
    if column == "index":
        assert found == [str(each) for each in range(2000, 0, -1)]


def test_a_selection_survives_new_rows_and_another_order(table):
    table.show_rows(rows(9))
    table.select({(2, 4), (1, 3)})
    table.show_rows(rows(12))
    assert {(row.level, row.index) for row in table.selected} == {(2, 4), (1, 3)}
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert [(row.level, row.index) for row in table.selected] == [(2, 4), (1, 3)]


def test_thousands_of_rows_are_selected_and_read_at_once(table, monkeypatch):
    looked, told, listed = [], [], ReviewModel.rows.fget
    monkeypatch.setattr(ReviewModel, "rows", property(lambda m: looked.append(m) or listed(m)))
    table.show_rows(rows(3000))
    table.selectionModel().selectionChanged.connect(lambda *_: told.append(len(table.selected)))
    looked.clear()
    table.select({(1 + index % 3, index) for index in range(1, 3001, 2)})
    assert told == [1500]
    assert len(looked) == 2  # to find them, and to tell which they are


def test_the_same_rows_change_nothing(table):
    model, many = ReviewModel(table), rows(2000)
    model.set_rows(many)
    told = []
    model.modelReset.connect(lambda: told.append("reset"))
    model.dataChanged.connect(lambda *_: told.append("data"))
    model.set_rows(list(many))
    assert told == []
    model.set_rows([replace(many[0], object="cell"), *many[1:]])
    assert told == ["data"]
    model.set_rows(many[1:])
    assert told == ["data", "reset"]


def test_what_next_walks_to_regions_without_labels(started, viewer, qtbot):
    centres = []
    review, camera = started.review, viewer.scene.camera
    review.next_button.click()
    qtbot.waitUntil(lambda: started.annotator.next_region.progress is None)
    for _ in range(3):
        assert not review.region.isHidden()
        assert "Unclear region" in review.region.text()
        centres.append(camera.center[-2:])
        review.next_button.click()
    assert len(set(centres)) == 3
    layer_centre = np.array(centres[0])
    assert (layer_centre >= 0).all()


def test_what_next_says_when_all_is_labelled(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    layer.data = np.ones_like(layer.data)
    started.review.next_button.click()
    qtbot.waitUntil(lambda: "No unlabelled region" in "".join(messages()))
    assert started.review.region.isHidden()


def test_looking_for_regions_can_be_stopped(started, qtbot, predictor):
    predictor.gate.clear()
    started.review.next_button.click()
    assert started.review.next_button.isHidden()
    assert not started.review.stop_button.isHidden()
    started.review.stop_button.click()
    predictor.gate.set()
    assert not started.review.next_button.isHidden()
    assert started.annotator.next_region.progress is None
    click(started, qtbot, 30, 40)
    assert started.review.region.text() == ""


def test_a_model_without_clicks_cannot_look_around(panel, qtbot, predictor):
    del predictor.model.config.prompt_types["click"]
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    panel.review.next_button.click()
    assert "takes no clicks" in messages()[-1]
    assert predictor.asked == []
