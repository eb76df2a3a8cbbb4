"""Edits of labels, each of which can be taken back."""

from __future__ import annotations

import numpy as np
import pytest
from sessions import SHAPE, candidate, facts

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.editing import LabelEditing
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels


@pytest.fixture
def session():
    """Two labels of level 2, of which the first holds the only one of level 4."""
    levels = LevelLabels(SHAPE)
    levels.add(candidate((0, 0, 10, 10), level=2), 2, "click")
    levels.add(candidate((0, 10, 10, 20), level=2), 2, "box")
    levels.add(candidate((2, 2, 6, 6), level=4), 4, "click")
    return AnnotationSession(levels)


def done_and_undone(session, before, event="step"):
    """Undo and redo the last step and check that both are exact."""
    after = facts(session)
    assert after != before
    session.undo()
    assert facts(session) == before
    session.redo()
    assert facts(session) == after


def parent(session, level, index):
    row = session.levels.row(level, index)
    return row.parent_level, row.parent


def test_a_label_is_deleted(session):
    before = facts(session)
    session.delete(2, 1)
    assert [row.index for row in session.levels.rows(2)] == [2]
    assert parent(session, 4, 1) == (0, 0)
    assert session.history.undo_text == "delete label 1 of level 2"
    done_and_undone(session, before)
    session.undo()
    assert parent(session, 4, 1) == (2, 1)


def test_a_label_is_renamed(session):
    before = facts(session)
    session.rename(2, 1, object="cell")
    session.rename(2, 1, part="membrane")
    row = session.levels.row(2, 1)
    assert (row.object, row.part, row.area) == ("cell", "membrane", 100)
    session.undo()
    session.undo()
    assert facts(session) == before


def test_the_score_of_a_name_goes_with_it(session):
    known = LabelRow(1, 2, object="cell", object_score=0.5, part="rim", part_score=0.25)
    session.levels.learn(2, [known])
    session.rename(2, 1, object="cell", part="")
    row = session.levels.row(2, 1)
    assert (row.object_score, row.part) == (0.5, "")
    assert np.isnan(row.part_score)
    session.undo()
    assert session.levels.row(2, 1).part_score == 0.25


def test_a_name_it_has_already_is_no_step(session):
    session.rename(2, 1, object="")
    assert not session.history.undo_text


def test_a_label_is_moved_with_its_facts(session):
    session.rename(4, 1, object="nucleus")
    before = facts(session)
    row = session.move(4, 1, 5)
    assert (row.level, row.index, row.object, row.area, row.source) == (
        5,
        1,
        "nucleus",
        16,
        "click",
    )
    assert (row.parent_level, row.parent) == (2, 1)
    assert session.levels.rows(4) == []
    done_and_undone(session, before)


def test_moving_covers_only_what_is_free(session):
    session.levels.paste(5, (0, 0, 4, 30), np.full((4, 30), 3))
    row = session.move(4, 1, 5)
    assert (row.index, row.area) == (4, 8)
    assert session.notice == "Of its 16 pixels only 8 were free in level 5."
    with pytest.raises(UserError, match="level 2 has labels already"):
        session.move(5, 4, 2)


def test_moving_may_replace(session):
    before = facts(session)
    session.options = KeepOptions("replace")
    session.move(4, 1, 2)
    assert session.levels.row(2, 3).area == 16
    assert session.notice == "In level 2, label 1 lost 16 pixels."
    done_and_undone(session, before)


def test_labels_are_merged(session):
    session.rename(2, 2, object="cell")
    before = facts(session)
    row = session.merge(2, [2, 1])
    assert (row.index, row.area, row.object, row.source) == (2, 200, "cell", "box")
    assert [each.index for each in session.levels.rows(2)] == [2]
    assert parent(session, 4, 1) == (2, 2)
    done_and_undone(session, before)


def test_a_label_is_split_into_its_pieces(session):
    session.rename(2, 1, object="cell")
    cut = session.levels.array(2)[0:10, 2:4].copy()
    session.record_stroke(2, (0, 2, 10, 4), cut, np.zeros((10, 2), int))
    before = facts(session)
    large, small = session.split(2, 1)
    assert (large.index, large.area, small.index, small.area) == (1, 60, 3, 20)
    assert small.object == "cell"
    assert session.levels.array(2)[0, 0] == 3
    done_and_undone(session, before)


def test_pieces_that_touch_at_a_corner_are_one(session):
    session.levels.paste(6, (0, 0, 2, 2), np.eye(2, dtype=int))
    with pytest.raises(UserError, match="in one piece"):
        session.split(6, 1)


def test_pieces_that_cannot_be_counted_are_refused(session):
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[0, :6:2] = 254
    session.replace_level(6, array)
    before = facts(session)
    with pytest.raises(UserError, match="cannot count beyond 255"):
        session.split(6, 254)
    assert facts(session) == before


def test_a_label_is_tidied_without_touching_others(session):
    array = session.levels.array(2)
    session.levels.paste(2, (3, 3, 5, 7), np.array([[0, 0, 2, 2]] * 2))
    before = facts(session)
    row = session.clean(2, 1, CleanUp(fill_holes=True))
    assert row.area == 96
    assert (array[3:5, 5:7] == 2).all()
    done_and_undone(session, before)
    with pytest.raises(UserError, match="nothing to clean up in label 1 of level 2"):
        session.clean(2, 1, CleanUp(fill_holes=True))


@pytest.mark.parametrize("written", [True, False])
def test_strokes_are_steps(session, written):
    before = facts(session)
    old = session.levels.array(2)[0:12, 8:12].copy()
    new = old.copy()
    new[2:, :2], new[2:, 2:] = 0, 9
    if written:
        session.levels.array(2)[0:12, 8:12] = new
    session.record_stroke(2, (0, 8, 12, 12), old, new)
    assert [(row.index, row.area, row.source) for row in session.levels.rows(2)] == [
        (1, 84, "click"),
        (2, 84, "box"),
        (9, 20, "painted"),
    ]
    done_and_undone(session, before)


def test_a_stroke_that_changes_nothing_is_no_step(session):
    pixels = session.levels.array(2)[0:5, 0:5].copy()
    session.record_stroke(2, (0, 0, 5, 5), pixels, pixels)
    assert not session.history.undo_text


def test_a_level_is_given_other_labels(session):
    session.rename(2, 1, object="cell")
    before = facts(session)
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[0:5, 0:10], array[12:14, 0:5] = 1, 200
    session.replace_level(2, array, [LabelRow(200, 2, object="debris", source="batch")])
    assert session.levels.array(2) is array
    assert [(row.index, row.object, row.area) for row in session.levels.rows(2)] == [
        (1, "cell", 50),
        (200, "debris", 10),
    ]
    assert parent(session, 4, 1) == (0, 0)
    done_and_undone(session, before)
    assert session.levels.array(2) is array


def test_labels_too_large_for_the_new_array_come_back(session):
    session.levels.paste(2, (19, 0, 20, 2), np.array([[1000, 1000]]))
    before = facts(session)
    session.replace_level(2, np.ones(SHAPE, dtype=np.uint8))
    done_and_undone(session, before)
    session.undo()
    assert session.levels.array(2).max() == 1000


def test_labels_of_any_size_come_back(session):
    array = np.zeros(SHAPE, dtype=np.uint64)
    array[1, 1] = 2**63 + 9
    session.replace_level(2, array)
    session.replace_level(2, np.zeros(SHAPE, dtype=np.int32))
    session.undo()
    assert session.levels.array(2).dtype == np.uint64
    assert int(session.levels.array(2)[1, 1]) == 2**63 + 9


def test_a_level_that_turns_up_is_a_step(session):
    before = facts(session)
    session.replace_level(3, np.full(SHAPE, 7, dtype=np.uint16))
    assert parent(session, 4, 1) == (3, 7)
    done_and_undone(session, before)
    session.undo()
    assert session.levels.levels == [2, 4]


def test_the_same_labels_again_are_no_step(session):
    rows = [LabelRow(1, 2, predicted_iou=0.5, stability=0.7, part_score=float("nan"))]
    session.replace_level(2, session.levels.array(2).copy())
    assert not session.history.undo_text
    session.replace_level(2, session.levels.array(2).copy(), rows)
    assert session.levels.row(2, 1).source == "painted"  # that is new
    session.undo()
    assert session.levels.row(2, 1).source == "click"


def test_an_array_that_does_not_fit_changes_nothing(session):
    before = facts(session)
    with pytest.raises(ValueError, match="need integers of shape"):
        session.replace_level(2, np.zeros((3, 3), dtype=int))
    assert facts(session) == before


def test_a_level_is_removed_and_comes_back(session):
    before = facts(session)
    session.remove_level(2)
    assert session.levels.levels == [4]
    assert parent(session, 4, 1) == (0, 0)
    done_and_undone(session, before)
    assert session.levels.levels == [4]
    session.undo()
    assert session.levels.levels == [2, 4]


def test_removing_a_level_again_spares_labels_that_came_since(session):
    session.remove_level(4)
    session.undo()
    array = session.levels.array(4).copy()
    array[15, 25] = 7
    session.adopt(4, array)
    session.redo()
    assert [(row.index, row.area) for row in session.levels.rows(4)] == [(7, 1)]


def test_only_labels_of_a_level_that_is_there_are_adopted(session):
    with pytest.raises(ValueError, match="no level 3"):
        session.adopt(3, np.zeros(SHAPE, dtype=int))
    assert session.levels.levels == [2, 4]


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize(
    "act",
    [
        lambda session, level: session.delete(level, 8),
        lambda session, level: session.rename(level, 8, object="cell"),
        lambda session, level: session.move(level, 8, 5),
        lambda session, level: session.merge(level, [8, 9]),
        lambda session, level: session.split(level, 8),
        lambda session, level: session.clean(level, 8, CleanUp(smooth=1)),
        lambda session, level: session.mask_of(level, 8),
    ],
)
def test_labels_that_do_not_exist_are_refused(session, act, level):
    before = facts(session)
    with pytest.raises(UserError, match=f"Level {level} has no label 8"):
        act(session, level)
    assert facts(session) == before
    assert not session.history.undo_text


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda session: session.move(2, 1, 2), "in level 2 already"),
        (lambda session: session.merge(2, [1, 1]), "at least two labels"),
        (lambda session: session.merge(2, []), "at least two labels"),
        (lambda session: session.clean(2, 1, CleanUp()), "nothing to clean up"),
        (lambda session: session.remove_level(3), "no level 3"),
    ],
)
def test_edits_that_make_no_sense_are_refused(session, act, message):
    with pytest.raises(UserError, match=message):
        act(session)
    assert not session.history.undo_text


def test_an_edit_that_fails_half_way_changes_nothing(session):
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[19, 29] = 255
    session.replace_level(5, array)
    before = facts(session)
    with pytest.raises(UserError, match="cannot count beyond 255"):
        session.move(4, 1, 5)
    assert facts(session) == before


def test_the_pixel_of_a_label_prompt_is_the_deepest(session):
    session.levels.paste(6, (10, 0, 20, 30), np.ones((10, 30), int))
    session.levels.paste(6, (10, 7, 20, 30), np.zeros((10, 23), int))
    assert session.label_prompt(6, 1).coordinates == (6, 1, 13, 3)


def test_listeners_are_told_after_each_act(session):
    told = []
    session.listeners.append(
        lambda event, step: told.append((event, step.text, len(session.levels.rows(2))))
    )
    session.delete(2, 1)
    session.undo()
    session.redo()
    session.undo()
    session.undo()
    session.adopt(4, np.zeros(SHAPE, dtype=int))
    text = "delete label 1 of level 2"
    assert told == [
        ("step", text, 1),
        ("undo", text, 2),
        ("redo", text, 1),
        ("undo", text, 2),
        ("adopt", "adopt level 4", 2),
    ]


def test_recorded_steps_make_the_same_elsewhere(session):
    steps = []
    other = LabelEditing(LevelLabels(SHAPE))
    for level in session.levels.levels:
        other.levels.attach(level, session.levels.array(level).copy(), session.levels.rows(level))
    session.listeners.append(lambda event, step: steps.append(step))
    session.rename(4, 1, object="nucleus")
    session.merge(2, [1, 2])
    session.remove_level(4)
    for step in steps:
        other.perform(step)
    assert repr(other.levels.rows(2)) == repr(session.levels.rows(2))
    assert other.levels.levels == session.levels.levels
    np.testing.assert_array_equal(other.levels.array(2), session.levels.array(2))
    other.undo()
    assert other.levels.row(4, 1).object == "nucleus"
