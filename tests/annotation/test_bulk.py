"""Many labels, written patch by patch as one step, and acts on several labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sessions import SHAPE, candidate, facts

from napari_semantic_sam.annotation.bulk import patches_of
from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels


def labels_of(boxes, level=2, shape=SHAPE):
    """Return labels found by a run: a rectangle each."""
    found, array = LevelLabels(shape), np.zeros(shape, np.int32)
    for index, (y0, x0, y1, x1) in enumerate(boxes, 1):
        array[y0:y1, x0:x1] = index
    rows = [
        LabelRow(index, level, predicted_iou=0.5 + index / 100, source="automatic")
        for index in range(1, len(boxes) + 1)
    ]
    found.attach(level, array, rows)
    return found


def add(session, found):
    session.begin_adding(patches_of(found))
    return session.settle()


@pytest.fixture
def session():
    return AnnotationSession(LevelLabels(SHAPE))


def areas(session, level=2):
    return {row.index: row.area for row in session.levels.rows(level)}


def test_labels_become_one_step(session):
    before = facts(session)
    assert add(session, labels_of([(1, 1, 5, 5), (8, 8, 12, 20)])) == {2}
    assert areas(session) == {1: 16, 2: 48}
    rows = session.levels.rows(2)
    assert [row.source for row in rows] == ["automatic"] * 2
    assert [row.predicted_iou for row in rows] == [0.51, 0.52]
    assert session.history.undo_text == "segment the image"
    after = facts(session)
    session.undo()
    assert facts(session) == before
    assert not session.history.undo_text
    session.redo()
    assert facts(session) == after


def test_existing_labels_stay_and_what_they_mostly_cover_is_left_out(session):
    session.levels.add(candidate((0, 0, 10, 10), 2), 2, "click")
    add(session, labels_of([(0, 0, 10, 11), (0, 12, 10, 20), (5, 0, 20, 10)]))
    array = session.levels.array(2)
    assert (array[:10, :10] == 1).all()
    assert areas(session) == {1: 100, 2: 80, 3: 100}
    assert session.notice.startswith("1 object was left out")


def test_the_rule_replace_writes_over_labels(session):
    session.levels.add(candidate((0, 0, 10, 10), 2), 2, "click")
    session.options = KeepOptions("replace")
    add(session, labels_of([(0, 0, 10, 11)]))
    assert areas(session) == {2: 110}
    assert session.notice.startswith("1 label is gone")
    session.undo()
    assert areas(session) == {1: 100}


def test_the_rule_fill_writes_the_largest_piece(session):
    session.levels.add(candidate((0, 10, 10, 12), 2), 2, "click")
    session.options = KeepOptions("fill")
    add(session, labels_of([(0, 2, 10, 30)]))
    assert areas(session) == {1: 20, 2: 180}


def test_nothing_written_is_no_step(session):
    session.levels.add(candidate((0, 0, 10, 10), 2), 2, "click")
    add(session, labels_of([(0, 0, 9, 9)]))
    assert not session.history.undo_text
    assert "left out" in session.notice


def test_levels_come_coarse_to_fine_with_their_parents(session):
    found = labels_of([(0, 0, 20, 30)], level=1)
    fine = labels_of([(2, 2, 6, 6), (10, 10, 14, 14)], level=3)
    found.attach(3, fine.array(3), fine.rows(3))
    patches = patches_of(found)
    assert [patch.level for patch in patches] == [1, 3]
    session.begin_adding(patches)
    assert session.write_some() == 1
    assert not session.history.undo_text
    assert session.write_some() == 3
    assert session.history.undo_text
    assert session.write_some() is None
    assert {(row.parent_level, row.parent) for row in session.levels.rows(3)} == {(1, 1)}


def test_other_acts_wait_until_all_is_written(session):
    session.levels.add(candidate((15, 15, 20, 20), 4), 4, "click")
    found = labels_of([(0, 0, 3, 3)], level=1)
    found.attach(2, labels_of([(5, 5, 9, 9)]).array(2))
    session.begin_adding(patches_of(found))
    session.write_some()
    session.delete(4, 1)
    assert areas(session, 1) == {1: 9}
    assert areas(session, 2) == {1: 16}
    assert session.history.undo_text.startswith("delete")
    session.undo()
    session.undo()
    assert not areas(session, 1)
    assert not areas(session, 2)


def test_many_labels_fall_into_small_patches():
    shape = (700, 900)
    boxes = [(y, x, y + 6, x + 6) for y in range(0, 690, 10) for x in range(0, 890, 10)]
    found = labels_of([*boxes], shape=shape)
    patches = patches_of(found)
    assert len(patches) > 40
    assert max(len(patch.rows) for patch in patches) <= 100
    assert max(patch.numbers.size for patch in patches) <= 262**2
    session = AnnotationSession(LevelLabels(shape))
    add(session, found)
    np.testing.assert_array_equal(session.levels.array(2) > 0, found.array(2) > 0)
    assert len(areas(session)) == len(boxes)
    assert set(areas(session).values()) == {36}


def test_many_labels_are_taken_back_bit_by_bit():
    shape = (700, 900)
    boxes = [(y, x, y + 6, x + 6) for y in range(0, 690, 20) for x in range(0, 890, 20)]
    session = AnnotationSession(LevelLabels(shape))
    add(session, labels_of(boxes, shape=shape))
    session.undo()
    assert session.is_writing
    assert areas(session)
    while session.is_writing:
        assert session.write_some() == 2
    assert not areas(session)
    session.redo()
    assert session.is_writing
    session.undo()
    session.redo()
    session.settle()
    assert len(areas(session)) == len(boxes)


def test_few_but_large_labels_are_taken_back_bit_by_bit():
    shape = (1600, 1600)
    session = AnnotationSession(LevelLabels(shape))
    add(session, labels_of([(0, 0, 1500, 750), (0, 750, 1500, 1500)], shape=shape))
    session.undo()
    assert session.is_writing
    session.settle()
    assert not areas(session)


def test_labels_that_cannot_be_counted_leave_all_as_it_was(session):
    array = np.zeros(SHAPE, np.uint8)
    array[0, 0] = 250
    session.levels.attach(2, array)
    before = facts(session)
    session.begin_adding(patches_of(labels_of([(y, 4, y + 2, 9) for y in range(1, 19, 2)])))
    with pytest.raises(UserError, match="cannot count"):
        session.settle()
    assert facts(session) == before
    assert session.settle() == set()


@pytest.fixture
def several(session):
    add(session, labels_of([(0, 0, 4, 4), (6, 6, 10, 10), (12, 12, 16, 16)]))
    return session


def test_several_labels_are_deleted_as_one_step(several):
    several.delete_all([(2, 1), (2, 3)])
    assert areas(several) == {2: 16}
    assert several.history.undo_text == "delete 2 labels"
    several.undo()
    assert areas(several) == {1: 16, 2: 16, 3: 16}


@pytest.mark.parametrize("rule", ["keep", "replace"])
def test_distant_labels_take_no_more_memory_than_near_ones(rule, monkeypatch):
    shape = (900, 900)
    session = AnnotationSession(LevelLabels(shape))
    boxes = [(0, 0, 9, 9), (4, 9, 9, 19), (880, 0, 890, 10), (300, 880, 700, 890)]
    found = labels_of(boxes, shape=shape)
    session.levels.attach(2, found.array(2), found.rows(2))
    session.options = KeepOptions(rule=rule)
    labels, read, pixels = session.levels.array(2).copy(), [], LevelLabels.pixels
    monkeypatch.setattr(LevelLabels, "pixels", lambda *args: read.append(pixels(*args)) or read[-1])
    everything = [(2, index) for index in range(1, 5)]
    session.move_all(dict.fromkeys(everything, 3))
    assert max(each.size for each in read) == 400 * 10
    np.testing.assert_array_equal(session.levels.array(3), labels)
    assert not session.levels.array(2).any()
    read.clear()
    session.delete_all([(3, index) for _, index in everything])
    assert max(each.size for each in read) == 400 * 10
    assert not session.levels.array(3).any()
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.levels.array(2), labels)


def test_several_labels_are_renamed_as_one_step(several):
    several.rename_all([(2, 1), (2, 2)], object="cell")
    assert [row.object for row in several.levels.rows(2)] == ["cell", "cell", ""]
    several.undo()
    assert [row.object for row in several.levels.rows(2)] == ["", "", ""]


def test_several_labels_are_moved_as_one_step(several):
    several.rename(2, 3, object="cell")
    several.move_all(dict.fromkeys([(2, 1), (2, 3)], 4))
    assert areas(several) == {2: 16}
    assert [(row.area, row.object) for row in several.levels.rows(4)] == [(16, ""), (16, "cell")]
    assert several.history.undo_text == "move 2 labels"
    several.undo()
    assert areas(several) == {1: 16, 2: 16, 3: 16}


def test_labels_with_large_numbers_are_moved(several):
    third = several.levels.array(2) == 3
    several.replace_level(2, several.levels.array(2).astype(np.uint64) * 10**13)
    several.move_all(dict.fromkeys([(2, 10**13), (2, 3 * 10**13)], 4))
    assert areas(several) == {2 * 10**13: 16}
    assert areas(several, 4) == {1: 16, 2: 16}
    assert ((several.levels.array(4) == 2) == third).all()


def test_what_moving_labels_costs_is_told(several):
    several.levels.add(candidate((0, 0, 3, 4), 3), 3, "click")
    several.move_all(dict.fromkeys([(2, 1), (2, 3)], 3))
    assert several.notice == "1 label lost pixels that were not free there."
    several.undo()
    several.options = replace(several.options, rule="replace")
    several.move_all(dict.fromkeys([(2, 1), (2, 3)], 3))
    assert several.notice == "1 label in the way is gone."


def test_labels_without_room_stay_and_are_told_of(several):
    several.levels.add(candidate((0, 0, 10, 5), 3), 3, "click")
    several.move_all(dict.fromkeys([(2, 1), (2, 3)], 3))
    assert areas(several) == {1: 16, 2: 16}
    assert several.notice.startswith("1 label stayed")
    with pytest.raises(UserError, match="was not moved"):
        several.move_all({(2, 1): 3})


def test_a_whole_branch_moves_without_getting_into_its_own_way(several):
    several.levels.add(candidate((1, 1, 3, 3), 3), 3, "click")
    several.move_all({(2, 1): 3, (3, 1): 4})
    assert areas(several) == {2: 16, 3: 16}
    assert areas(several, 3) == {1: 16}
    assert areas(several, 4) == {1: 4}
    several.move_all({(3, 1): 2, (4, 1): 3})
    assert areas(several, 4) == {}
    assert areas(several, 3) == {1: 4}
    assert sorted(areas(several).values()) == [16, 16, 16]


def test_several_labels_are_split_and_cleaned_as_one_step(several):
    several.levels.array(2)
    several.merge(2, [1, 2])
    several.split_all([(2, 1), (2, 3)])
    assert sorted(areas(several).values()) == [16, 16, 16]
    several.undo()
    assert sorted(areas(several).values()) == [16, 32]
    several.clean_all([(2, 1), (2, 3)], CleanUp(drop_islands=True))
    assert sorted(areas(several).values()) == [16, 16]
    with pytest.raises(UserError, match="nothing to clean up"):
        several.clean_all([(2, 1), (2, 3)], CleanUp(drop_islands=True))


def test_an_act_on_a_label_that_is_missing_changes_nothing(several):
    before = facts(several)
    for act in (
        lambda: several.delete_all([(2, 1), (2, 9)]),
        lambda: several.rename_all([(2, 1), (2, 9)], object="x"),
        lambda: several.move_all(dict.fromkeys([(2, 1), (2, 9)], 3)),
    ):
        with pytest.raises(UserError, match="no label 9"):
            act()
        assert facts(several) == before
