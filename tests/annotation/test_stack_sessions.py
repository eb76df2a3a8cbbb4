"""Annotating stacks: one plane after the other, with labels that reach through several."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sessions import candidate, click, combined

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.journal import Journal
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.annotation.recording import read_journal, restore
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import level_labels
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.label_runs import find_parents
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels

SHAPE, STACK = (20, 30), (4,)


def new_session():
    return AnnotationSession(LevelLabels(SHAPE, STACK))


@pytest.fixture
def session():
    return new_session()


def answer(session, *candidates):
    """Click in this plane, get candidates, and keep the one on display."""
    group = session.next_object()
    prompts = (click(5, 5),)
    session.set_prompts({**session.groups, group: prompts})
    session.receive(group, prompts, combined(*candidates))
    return group


def keep(session, plane, box, level=2):
    session.go(plane)
    answer(session, candidate(box, level))
    (row,) = session.keep()
    return row


def draw(session, plane, box, index, level=2):
    session.go(plane)
    y0, x0, y1, x1 = box
    before = session.levels.pixels(level, box)
    session.record_stroke(level, box, before, np.full((y1 - y0, x1 - x0), index))


def contents(session):
    """Everything a user made, over all planes."""
    levels = session.levels
    filled = [level for level in levels.levels if levels.rows(level)]
    return repr(
        (
            {level: levels.array(level).tolist() for level in filled},
            {level: levels.rows(level) for level in filled},
            session.everywhere,
        )
    )


def test_masks_are_kept_in_their_plane_with_numbers_of_the_stack(session):
    first = keep(session, (1,), (2, 2, 8, 8))
    second = keep(session, (3,), (2, 2, 8, 8))
    assert (first.index, second.index) == (1, 2)
    array = session.levels.array(2)
    assert array.shape == (4, 20, 30)
    assert [np.unique(plane).tolist() for plane in array] == [[0], [0, 1], [0], [0, 2]]
    assert session.levels.planes_of(2, 2) == [(3,)]


def test_each_plane_has_its_own_objects_and_candidates(session):
    session.go((1,))
    first = answer(session, candidate((2, 2, 8, 8), 2))
    session.go((2,))
    assert session.groups == {}
    assert session.active is None
    assert session.current.candidates == ()
    second = answer(session, candidate((4, 4, 9, 9), 3))
    assert second != first
    assert set(session.everywhere) == {(1,), (2,)}
    session.go((1,))
    assert session.active == first
    assert session.current.shown.box == (2, 2, 8, 8)


def test_what_is_found_for_another_plane_is_not_lost(session):
    session.go((1,))
    group = session.next_object()
    session.set_prompts({group: (click(5, 5),)})
    assert list(session.waiting) == [group]
    session.go((2,))
    assert not session.waiting
    session.receive(group, (click(5, 5),), combined(candidate((2, 2, 8, 8), 2)))
    session.go((1,))
    assert session.current.shown.box == (2, 2, 8, 8)


def test_a_group_stays_in_its_plane(session):
    group = answer(session, candidate((2, 2, 8, 8), 2))
    session.go((2,))
    with pytest.raises(ValueError, match="one plane"):
        session.set_prompts({group: (click(1, 1),)})


def test_undo_goes_to_the_plane_it_is_about(session):
    keep(session, (1,), (2, 2, 8, 8))
    keep(session, (3,), (2, 2, 8, 8))
    session.go((0,))
    session.undo()
    assert session.plane == (3,)
    assert not session.levels.areas(2)
    session.undo()
    session.go((0,))
    session.undo()
    assert session.plane == (1,)
    session.go((2,))
    session.redo()
    assert session.plane == (1,)
    assert session.levels.areas(2) == {1: 36}


def test_a_label_has_one_row_over_all_planes(session):
    row = keep(session, (1,), (2, 2, 8, 8))
    draw(session, (2,), (2, 2, 8, 6), row.index)
    assert session.levels.row(2, 1).area == 36 + 24
    assert session.levels.row(2, 1).predicted_iou == 0.5
    draw(session, (1,), (2, 2, 8, 8), 0)
    assert session.levels.row(2, 1).area == 24
    session.undo()
    assert session.levels.row(2, 1).area == 60


def test_the_parent_covers_most_of_a_label_over_all_planes(session):
    draw(session, (1,), (0, 0, 10, 10), 1, level=1)
    draw(session, (1,), (2, 2, 6, 6), 1, level=2)
    assert session.levels.row(2, 1).parent == 1
    draw(session, (2,), (2, 2, 6, 6), 1, level=2)  # where the parent is not
    assert session.levels.row(2, 1).parent == 0
    draw(session, (2,), (0, 0, 10, 10), 1, level=1)
    assert session.levels.row(2, 1).parent == 1
    session.undo()
    assert session.levels.row(2, 1).parent == 0


@pytest.fixture
def column(session):
    """A session with a label 1 in two pieces through two planes, and a label 2 beside it."""
    for plane in ((1,), (2,)):
        draw(session, plane, (2, 2, 5, 5), 1)
        draw(session, plane, (10, 10, 13, 12), 1)
    draw(session, (2,), (2, 20, 5, 23), 2)
    session.rename(2, 1, object="cell")
    session.go((0,))
    return session


ACTS = {
    "delete": lambda session: session.delete(2, 1),
    "delete all": lambda session: session.delete_all([(2, 1), (2, 2)]),
    "move": lambda session: session.move(2, 1, 3),
    "move all": lambda session: session.move_all({(2, 1): 3, (2, 2): 1}),
    "merge": lambda session: session.merge(2, [1, 2]),
    "split": lambda session: session.split(2, 1),
    "clean": lambda session: session.clean(2, 1, CleanUp(drop_islands=True)),
    "rename": lambda session: session.rename(2, 1, object="nucleus"),
    "remove level": lambda session: session.remove_level(2),
    "replace level": lambda session: session.replace_level(
        2, np.where(session.levels.array(2) == 1, 5, 0), [LabelRow(5, 2, "x")]
    ),
    "new level": lambda session: session.replace_level(4, session.levels.array(2).copy()),
}


@pytest.mark.parametrize("act", ACTS)
def test_acts_on_labels_concern_all_planes_and_can_be_undone(column, act):
    before = contents(column)
    ACTS[act](column)
    after = contents(column)
    assert after != before
    column.go((3,))
    column.undo()
    assert contents(column) == before
    column.redo()
    assert contents(column) == after


def test_what_acts_do_in_all_planes(column):
    column.merge(2, [1, 2])
    assert column.levels.row(2, 1).area == 2 * 15 + 9
    column.undo()
    rows = column.split(2, 1)
    assert [(row.index, row.area, row.object) for row in rows] == [(1, 18, "cell"), (3, 12, "cell")]
    column.undo()
    moved = column.move(2, 1, 3)
    assert (moved.level, moved.area, moved.object) == (3, 30, "cell")
    assert column.levels.planes_of(3, moved.index) == [(1,), (2,)]
    column.delete(3, moved.index)
    assert not column.levels.rows(3)


def test_a_label_is_sought_in_the_nearest_plane(column):
    column.seek(2, 1)
    assert column.plane == (1,)
    assert column.mask_of(2, 1).area == 15
    column.go((3,))
    with pytest.raises(UserError, match="not in this slice"):
        column.mask_of(2, 1)
    column.seek(2, 1)
    assert column.plane == (2,)


def test_a_brush_that_reaches_through_planes_is_one_step(session):
    before = np.zeros((2, 3, 3), dtype=int)
    session.record_stroke(2, (4, 4, 7, 7), before, before + 5, (1,))
    assert session.levels.row(2, 5).area == 18
    assert session.levels.planes_of(2, 5) == [(1,), (2,)]
    session.undo()
    assert not session.levels.rows(2)


def test_replacing_says_what_is_lost_in_this_plane_only(session):
    keep(session, (1,), (2, 2, 8, 8))
    draw(session, (2,), (2, 2, 8, 8), 1)
    session.options = KeepOptions("replace")
    keep(session, (1,), (2, 2, 8, 8))
    assert session.notice == "In level 2, label 1 lost 36 pixels."
    assert session.levels.row(2, 1).area == 36


def header(**facts):
    known = {
        "image": "stack",
        "image_hash": "0",
        "shape": SHAPE,
        "checkpoint": "tiny",
        "checkpoint_hash": "0",
        "level_order": (0, 1),
        "preparation_hash": "0",
        "contrast_limits": None,
        "device": "cpu",
        "package": "1",
        "torch": "2",
        "started": "2026-01-01T00:00:00+00:00",
    }
    return Header(**{**known, **facts})


def test_a_journal_brings_a_stack_back_with_its_undo(tmp_path):
    session = new_session()
    session.levels.attach(1, np.zeros((*STACK, *SHAPE), dtype=np.uint16))
    session.levels.array(1)[2, :5, :5] = 3
    session.levels.attach(1, session.levels.array(1))
    path = tmp_path / "stack.jsonl"
    journal = Journal(
        path, session.levels, lambda: header(stack=STACK, axes="ZYX", plane=(1,)), pytest.fail
    )
    session.listeners.append(journal.write)
    keep(session, (1,), (2, 2, 8, 8))
    draw(session, (2,), (2, 2, 8, 8), 1)
    session.delete(2, 1)
    session.undo()
    session.go((3,))
    answer(session, candidate((4, 4, 9, 9), 2))
    journal.close()
    restored = new_session()
    restore(path, restored)
    assert contents(restored) == contents(session)
    assert restored.levels.array(1).dtype == np.uint16
    while session.history.undo_text:
        session.undo()
        restored.undo()
        assert contents(restored) == contents(session)
        assert restored.plane == session.plane
    assert read_journal(path).header.plane == (1,)
    with pytest.raises(UserError, match="another size"):
        restore(path, AnnotationSession(LevelLabels(SHAPE)))


def test_a_journal_of_the_first_version_is_still_read():
    old = header(journal=1).to_plain()
    for name in ("stack", "axes", "channels", "plane"):
        del old[name]
    read = Header.from_plain(json.loads(json.dumps(old)))
    assert (read.shape, read.stack, read.plane) == (SHAPE, (), ())


def test_levels_of_a_large_stack_take_no_memory_where_nothing_is(session):
    labels = LevelLabels((2048, 2048), (500,))
    array = labels.array(1)
    assert array.nbytes > 8e9
    labels.plane = (250,)
    labels.paste(1, (0, 0, 10, 10), np.ones((10, 10), dtype=int))
    assert labels.rows(1)[0].area == 100


def test_a_level_that_cannot_be_made_is_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"needs up to .* GB"):
        LevelLabels((2**20, 2**20), (2**20,)).array(1)


def test_parents_of_a_label_in_many_slices_are_looked_for_once(monkeypatch):
    looked = []

    def counted(*arguments):
        looked.append(arguments)
        return find_parents(*arguments)

    def looked_for(slices, act):
        session = AnnotationSession(LevelLabels(SHAPE, (slices,)))
        for level, (y0, y1) in ((1, (2, 18)), (2, (4, 8))):
            array = np.zeros((slices, *SHAPE), dtype=np.int32)
            array[:, y0:y1, y0:y1] = 1
            session.replace_level(level, array)
        looked.clear()
        act(session)
        session.undo()
        assert (session.levels.row(2, 1).parent_level, session.levels.row(2, 1).parent) == (1, 1)
        return len(looked)

    monkeypatch.setattr(level_labels, "find_parents", counted)
    for act in (
        lambda session: session.delete(2, 1),
        lambda session: session.move(2, 1, 3),
        lambda session: session.delete(1, 1),
    ):
        assert looked_for(3, act) == looked_for(9, act)
