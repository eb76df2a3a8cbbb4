"""The tree of kept objects."""

from __future__ import annotations

import numpy as np
import pytest
from panel_actions import click, messages
from qtpy.QtCore import QModelIndex, Qt

from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.widgets.automatic.tree_model import COLUMNS
from napari_semantic_sam.widgets.automatic.tree_view import TreeView


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def levels():
    """Two cells, one with two nuclei, one of those with a nucleolus."""
    levels = LevelLabels((40, 50))
    cells, nuclei, nucleoli = np.zeros((3, 40, 50), np.int32)
    cells[2:22, 2:22], cells[2:22, 25:45] = 1, 2
    nuclei[5:10, 5:10], nuclei[12:16, 12:16] = 1, 2
    nucleoli[6:8, 6:8] = 1
    levels.attach(1, cells, [LabelRow(1, 1, object="cell", predicted_iou=0.75)])
    levels.attach(2, nuclei)
    levels.attach(4, nucleoli)
    return levels


@pytest.fixture
def view(qtbot, levels):
    view = TreeView()
    qtbot.addWidget(view)
    view.show_levels(levels)
    return view


@pytest.fixture
def kept(kept):
    """The panel with three kept objects, as a tree."""
    kept.sections["review"].content.setCurrentWidget(kept.tree)
    return kept


def texts(model, column, parent=None):
    parent = QModelIndex() if parent is None else parent
    place = COLUMNS.index(column)
    return [model.index(row, place, parent).data() for row in range(model.rowCount(parent))]


def rows(panel):
    levels = panel.annotator.session.levels
    return {(row.level, row.index): row for each in levels.levels for row in levels.rows(each)}


def test_the_model_keeps_to_the_rules_of_qt(levels, qtmodeltester, qtbot, view):
    qtmodeltester.check(view.model())


def test_objects_are_below_what_contains_them(view):
    model = view.model()
    assert texts(model, "object") == ["level 1 · 1 · cell", "level 1 · 2"]
    assert texts(model, "inside") == ["2 × 2, 4 × 1", ""]
    assert texts(model, "area") == ["400", "400"]
    assert texts(model, "predicted_iou") == ["0.75", ""]
    first = model.index(0, 0)
    assert texts(model, "object", first) == ["level 2 · 1", "level 2 · 2"]
    assert model.parent(model.index(1, 0, first)) == first
    assert texts(model, "object", model.index(0, 0, first)) == ["level 4 · 1"]
    assert model.headerData(1, Qt.Orientation.Horizontal) == "Contains"


def test_what_is_unfolded_and_selected_stays_so(view, levels):
    view.expand(view.model().place((1, 1)))
    view.select([(2, 2)])
    told = []
    view.chosen.connect(lambda: told.append(view.selected))
    added = levels.array(2).copy()
    added[15:20, 30:35] = 3
    levels.attach(2, added, levels.rows(2))
    view.show_levels(levels)
    assert view.isExpanded(view.model().place((1, 1)))
    assert view.selected == [(2, 2)]
    assert view.tree.children[1, 2] == ((2, 3),)
    assert told == []


def test_several_objects_are_selected_at_once(view):
    view.select([(1, 2)])
    told = []
    view.chosen.connect(lambda: told.append(view.selected))
    view.select([(1, 1), (2, 1), (2, 2), (2, 9), (4, 1)])
    assert told == [[(1, 1), (2, 1), (2, 2), (4, 1)]]


def test_other_facts_do_not_reset_the_tree(view, levels):
    model, told = view.model(), []
    model.modelReset.connect(lambda: told.append("reset"))
    model.dataChanged.connect(lambda *_: told.append("data"))
    view.show_levels(levels)
    assert told == []
    levels.learn(2, [LabelRow(1, 2, part="nucleus")])
    view.show_levels(levels)
    assert set(told) == {"data"}
    assert texts(model, "object", model.index(0, 0))[0] == "level 2 · 1 · nucleus"


def test_thousands_of_objects(qtbot, qtmodeltester):
    levels, view = LevelLabels((600, 600)), TreeView()
    qtbot.addWidget(view)
    numbers = np.arange(1, 5001).reshape(50, 100)
    levels.attach(3, np.kron(numbers, np.ones((12, 6), int)))
    view.show_levels(levels)
    assert view.model().rowCount() == 5000
    view.select([(3, 4999)])
    assert view.selected == [(3, 4999)]


def test_the_panel_shows_the_tree_of_what_was_kept(kept):
    model = kept.tree.view.model()
    assert texts(model, "object") == ["level 2 · 1", "level 2 · 2"]
    assert texts(model, "object", model.index(0, 0)) == ["level 3 · 1"]


def test_selecting_an_object_selects_its_label(kept, viewer):
    viewer.scene.camera.center = (0, 500, 500)
    kept.tree.view.select([(2, 2)])
    assert viewer.layers["cells · level 2"].selected_label == 2
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (30, 60), atol=1)


def test_enter_goes_to_an_object(kept, viewer, qtbot):
    kept.tree.view.select([(3, 1)])
    viewer.scene.camera.center = (0, 0, 0)
    qtbot.keyClick(kept.tree.view, Qt.Key.Key_Return)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (30, 25), atol=1)


def test_an_object_is_deleted_with_all_in_it_as_one_step(kept, qtbot):
    kept.tree.view.select([(2, 1)])
    qtbot.keyClick(kept.tree.view, Qt.Key.Key_Delete)
    assert set(rows(kept)) == {(2, 2)}
    assert kept.tree.view.model().rowCount() == 1
    kept.annotator.undo()
    assert set(rows(kept)) == {(2, 1), (2, 2), (3, 1)}


def test_objects_are_moved_a_level_as_one_step(kept):
    kept.tree.view.select([(2, 1), (2, 2)])
    kept.tree.buttons["tree_coarser"].click()
    assert sorted(level for level, _ in rows(kept)) == [1, 1, 3]
    assert rows(kept)[3, 1].parent_level == 1
    kept.annotator.undo()
    assert sorted(level for level, _ in rows(kept)) == [2, 2, 3]


def test_finer_takes_along_what_is_inside(kept):
    kept.tree.view.select([(2, 1)])
    kept.tree.buttons["tree_finer"].click()
    assert "Level 3 has no finer one" in messages()[-1]
    assert sorted(level for level, _ in rows(kept)) == [2, 2, 3]
    kept.tree.view.select([(2, 2)])
    kept.tree.buttons["tree_finer"].click()
    assert sorted(level for level, _ in rows(kept)) == [2, 3, 3]


def test_buttons_wait_for_a_selection(kept):
    buttons = kept.tree.buttons
    of_selected = [f"tree_{each}" for each in ("go_to", "coarser", "finer", "delete", "hide")]
    for selected in ([], [(2, 1)]):
        kept.tree.view.select(selected)
        assert {buttons[each].isEnabled() for each in of_selected} == {bool(selected)}
    assert buttons["measure"].isEnabled()


def test_measurements_appear_sorted_and_are_saved(kept, viewer, qtbot, tmp_path):
    kept.annotator.image.scale = (0.5, 0.5)
    kept.annotator.image.units = ("micrometer", "micrometer")
    window = kept.measure()
    qtbot.addWidget(window)
    qtbot.waitUntil(lambda: window.save_button.isEnabled())
    assert window.status.text() == "3 rows, in micrometres."
    columns = window.model.table.columns
    window.table.sortByColumn(columns.index("area_um2"), Qt.SortOrder.DescendingOrder)
    place = columns.index("area_um2")
    areas = [window.model.index(row, place).data() for row in range(3)]
    assert areas == ["110.2", "110.2", "20.25"]
    window.what.setCurrentIndex(1)
    assert window.status.text() == "2 rows, in micrometres."
    window.save(str(tmp_path / "inside.csv"))
    lines = (tmp_path / "inside.csv").read_text().splitlines()
    assert lines[0].startswith("level,index,inside_level,inside_count")
    assert [line.split(",")[3] for line in lines[1:]] == ["1", "0"]


def test_a_window_closed_while_it_measures_is_forgotten(kept, qtbot):
    window = kept.measure()
    window.close()
    kept.annotator.undo()
    assert kept.annotator.session is not None


def colours(viewer, level, index):
    """Return the colour that a label is drawn in."""
    return viewer.layers[f"cells · level {level}"].get_color(index)


def is_drawn(viewer, level, index):
    colour = colours(viewer, level, index)
    return colour is not None and colour[3] > 0


def test_an_object_is_hidden_with_all_in_it_and_shown_again(kept, viewer, qtbot):
    before = [colours(viewer, *label) for label in ((2, 1), (2, 2), (3, 1))]
    can_undo = kept.annotator.session.history.undo_text
    kept.tree.view.select([(2, 1)])
    kept.tree.buttons["tree_hide"].click()
    assert not is_drawn(viewer, 2, 1)
    assert not is_drawn(viewer, 3, 1)
    np.testing.assert_allclose(colours(viewer, 2, 2), before[1])
    model = kept.tree.view.model()
    assert texts(model, "object") == ["○ level 2 · 1", "level 2 · 2"]
    assert "press H" in model.index(0, 0).data(Qt.ItemDataRole.AccessibleDescriptionRole)
    assert model.index(1, 0).data(Qt.ItemDataRole.FontRole) is None
    assert kept.tree.buttons["tree_hide"].text() == "Show"
    assert kept.annotator.session.history.undo_text == can_undo
    assert set(rows(kept)) == {(2, 1), (2, 2), (3, 1)}
    kept.tree.buttons["tree_hide"].click()
    after = [colours(viewer, *label) for label in ((2, 1), (2, 2), (3, 1))]
    np.testing.assert_allclose(after, before)


def test_keys_hide_show_and_move(kept, viewer, qtbot):
    view = kept.tree.view
    view.select([(2, 2)])
    qtbot.keyClick(view, Qt.Key.Key_H)
    assert not is_drawn(viewer, 2, 2)
    view.select([(2, 1)])
    qtbot.keyClick(view, Qt.Key.Key_H)
    assert not is_drawn(viewer, 3, 1)
    qtbot.keyClick(view, Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    assert all(is_drawn(viewer, *label) for label in ((2, 1), (2, 2), (3, 1)))
    assert not kept.tree.buttons["tree_show_all"].isEnabled()
    qtbot.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert (1, 1) in rows(kept)
    kept.annotator.undo()
    view.select([(2, 2)])
    qtbot.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert sorted(level for level, _ in rows(kept)) == [2, 3, 3]
    kept.annotator.undo()
    assert sorted(level for level, _ in rows(kept)) == [2, 2, 3]


def test_new_labels_are_drawn_while_others_are_hidden(kept, viewer, qtbot):
    kept.tree.view.select([(2, 1)])
    kept.tree.buttons["tree_hide"].click()
    click(kept, qtbot, 10, 10)
    kept.annotator.show(1)
    kept.annotator.keep()
    assert is_drawn(viewer, 2, 3)
    assert not is_drawn(viewer, 2, 1)
    kept.annotator.delete_all([(2, 1)])
    kept.annotator.undo()  # what comes back is drawn
    assert is_drawn(viewer, 2, 1)
    assert not is_drawn(viewer, 3, 1)


def test_a_session_that_ends_draws_everything(kept, viewer):
    colour = colours(viewer, 2, 1)
    kept.tree.view.select([(2, 1)])
    kept.tree.buttons["tree_hide"].click()
    kept.annotator.stop()
    np.testing.assert_allclose(colours(viewer, 2, 1), colour)
