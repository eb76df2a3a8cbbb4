"""The annotation state, without a viewer: prompts, candidates and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest
from sessions import SHAPE, candidate, click, combined, facts

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.found import FoundCandidates
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt

CLICK, OTHER = click(5, 5), click(15, 20)
BOX = Prompt("box", (1.0, 2.0, 9.0, 12.0))
WHOLE = candidate((0, 0, 10, 10), level=2, predicted_iou=0.6)
MIDDLE = candidate((2, 2, 8, 8), level=3, predicted_iou=0.5)
PART = candidate((4, 4, 7, 7), level=5, predicted_iou=0.9)
FOUND = combined(WHOLE, MIDDLE, PART)


@pytest.fixture
def session():
    return AnnotationSession(LevelLabels(SHAPE))


@pytest.fixture
def clicked(session):
    session.set_prompts({1: (CLICK,)})
    session.receive(1, (CLICK,), FOUND)
    return session


def test_a_new_prompt_is_active_and_waits(session):
    session.set_prompts({1: (CLICK,), 2: (OTHER,)})
    assert session.groups == session.waiting == {1: (CLICK,), 2: (OTHER,)}
    assert session.active == 2
    assert session.current.candidates is None
    assert session.current.shown is None
    assert session.history.undo_text == "change prompts"


def test_the_most_promising_candidate_is_shown_first(clicked):
    assert clicked.waiting == {}
    assert clicked.current.shown is PART
    assert clicked.current.index == 2


def test_walking_stops_at_both_ends(clicked):
    clicked.show(7)
    assert clicked.current.shown is PART
    clicked.show(-1)
    assert clicked.current.shown is WHOLE
    assert clicked.history.undo_text == "show level 2"


def test_a_walk_through_the_candidates_is_one_step(clicked):
    clicked.show(0)
    clicked.show(2)
    clicked.show(1)
    assert clicked.history.undo_text == "show level 3"
    clicked.undo()
    assert clicked.current.shown is PART
    assert clicked.history.undo_text == "add click"
    clicked.redo()
    assert clicked.current.shown is MIDDLE
    clicked.show(0)
    clicked.show(2)
    assert clicked.history.undo_text == "add click"  # back where it began


def test_marks_and_other_objects_end_a_walk(clicked):
    clicked.show(1)
    clicked.mark(0, True)
    clicked.show(2)
    clicked.set_prompts({1: (CLICK,), 2: (OTHER,)})
    clicked.receive(2, (OTHER,), FOUND)
    clicked.show(1)
    clicked.activate(1)
    clicked.show(0)
    texts = []
    while step := clicked.undo():
        texts.append(step.text)
    assert texts == [
        "show level 2",
        "show level 3",
        "add click",
        "show level 5",
        "mark level 2",
        "show level 3",
        "add click",
    ]


def test_candidates_of_many_objects_do_not_fill_the_memory():
    found = FoundCandidates(limit_bytes=2 * FOUND.nbytes)
    for group in range(1, 5):
        found.put(group, FOUND, active=1)
    assert [group for group in range(1, 5) if found.get(group)] == [1, 4]
    assert found.missing([1, 2, 3, 4, 5], active=1) == [5]
    assert found.missing([1, 2, 3, 4, 5], active=2) == [2, 5]
    found.forget(3)
    assert found.missing([1, 3, 4], active=1) == [3]


def test_groups_that_stay_keep_their_state(clicked):
    clicked.show(0)
    clicked.set_prompts({1: (CLICK,), 2: (OTHER,)})
    clicked.set_prompts({1: (CLICK,)})
    assert clicked.active == 1
    assert clicked.current.shown is WHOLE


def test_an_object_begun_anew_shows_the_most_promising_candidate(clicked):
    best = clicked.current.shown
    clicked.show(0)
    assert clicked.current.shown is not best
    clicked.set_prompts({})
    clicked.set_prompts({1: (OTHER,)})
    clicked.receive(1, (OTHER,), FOUND)
    assert clicked.current.shown is best


def test_another_prompt_in_a_group_asks_for_candidates_anew(clicked):
    clicked.show(0)
    clicked.set_prompts({1: (CLICK, click(9, 9, positive=False))})
    assert clicked.waiting == {1: (CLICK, click(9, 9, positive=False))}
    assert clicked.history.undo_text == "add negative click"
    clicked.receive(1, (CLICK,), FOUND)  # too late
    assert clicked.current.candidates is None
    clicked.receive(1, clicked.groups[1], FOUND)
    assert clicked.current.index == 0  # near the level that the user had gone to


def test_undoing_a_prompt_brings_the_choice_back(clicked):
    clicked.show(0)
    clicked.mark(1, True)
    clicked.set_prompts({1: (CLICK, OTHER)})
    clicked.undo()
    assert clicked.waiting == {1: (CLICK,)}
    clicked.receive(1, (CLICK,), FOUND)
    assert (clicked.current.index, clicked.current.marked) == (0, {1})


def test_results_of_a_removed_prompt_are_dropped(session):
    session.set_prompts({1: (CLICK,)})
    session.set_prompts({1: ()})
    session.receive(1, (CLICK,), FOUND)
    assert session.groups == {}
    assert session.active is None
    assert session.current.shown is None


def test_a_group_may_give_nothing(session):
    session.set_prompts({1: (CLICK,)})
    session.receive(1, (CLICK,), combined())
    session.show(1)
    session.mark(0, True)
    assert session.waiting == {}
    assert session.current.shown is None
    assert session.preview() == ()
    with pytest.raises(UserError, match="click on a structure"):
        session.keep()


def test_prompts_that_do_not_change_are_no_step(clicked):
    before = clicked.history.nbytes
    clicked.set_prompts(clicked.groups)
    clicked.show(clicked.current.index)
    clicked.mark(0, False)
    assert clicked.history.nbytes == before


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ((), (CLICK,), "add click"),
        ((CLICK,), (), "remove click"),
        ((CLICK,), (OTHER,), "move click"),
        ((CLICK,), (click(5, 5, positive=False),), "flip click"),
        ((CLICK,), (BOX,), "change prompts"),
        ((CLICK, OTHER), (), "remove 2 prompts"),
    ],
)
def test_what_was_done_to_prompts_is_told(session, before, after, text):
    session.set_prompts({1: before})
    session.set_prompts({1: after})
    assert session.history.undo_text == text


def test_the_next_object_is_a_group_of_its_own(clicked):
    assert clicked.group_for_next() == 1
    assert clicked.next_object() == clicked.next_object() == 2
    assert clicked.active == clicked.group_for_next() == 2
    assert clicked.current.shown is None
    clicked.activate(1)
    assert clicked.current.shown is PART
    clicked.activate(9)
    assert clicked.active == 1


def test_positive_prompts_may_be_objects_of_their_own(clicked):
    clicked.separate = True
    assert clicked.group_for_next() == 2
    assert clicked.group_for_next(positive=False) == 1


def test_an_object_is_finished_when_it_is_kept(clicked):
    clicked.keep()
    assert clicked.group_for_next() == 2
    assert clicked.group_for_next(positive=False) == 1
    clicked.undo()
    assert clicked.group_for_next() == 1


def test_keeping_writes_one_row_with_its_parent(clicked):
    clicked.show(0)
    clicked.keep()
    clicked.show(2)
    (row,) = clicked.keep()
    assert (row.level, row.index, row.area, row.source) == (5, 1, 9, "click")
    assert (row.parent_level, row.parent) == (2, 1)
    assert (row.predicted_iou, row.stability) == (0.9, 0.7)
    assert clicked.current.shown_is_kept
    assert clicked.levels.levels == [2, 5]


def test_undoing_the_first_mask_of_a_level_removes_the_level(clicked):
    clicked.keep()
    assert clicked.levels.levels == [5]
    clicked.undo()
    assert clicked.levels.levels == []
    clicked.redo()
    assert clicked.levels.row(5, 1).area == PART.area
    clicked.undo()
    array = np.zeros(SHAPE, dtype=np.int32)
    array[15, 25] = 1
    clicked.redo()
    clicked.adopt(5, array)  # labels that nobody has seen before are not removed along
    clicked.undo()
    assert [(row.index, row.area) for row in clicked.levels.rows(5)] == [(1, 1)]


def test_several_levels_are_kept_in_one_step_with_their_parents(clicked):
    clicked.mark(0, True)
    clicked.mark(1, True)
    rows = clicked.keep()
    assert [(row.level, row.parent_level, row.parent) for row in rows] == [
        (2, 0, 0),
        (3, 2, 1),
        (5, 3, 1),
    ]
    assert clicked.history.undo_text == "keep levels 2, 3 and 5"
    assert list(clicked.current.kept.values()) == rows
    assert clicked.current.marked == frozenset()
    clicked.undo()
    assert [clicked.levels.rows(level) for level in (2, 3, 5)] == [[], [], []]
    assert clicked.current.kept == {}
    assert clicked.current.marked == {0, 1}


def test_how_labels_were_computed_is_noted(clicked):
    steps = []
    clicked.listeners.append(lambda event, step: steps.append(step))
    clicked.mark(0, True)
    clicked.keep()
    assert steps[-1].origin == {
        "act": "keep",
        "group": 1,
        "prompts": (CLICK,),
        "rule": "keep",
        "cleanup": CleanUp(),
        "labels": (
            {"candidate": 0, "level": 2, "index": 1},
            {"candidate": 2, "level": 5, "index": 1},
        ),
    }


def test_only_the_mask_on_display_goes_to_the_chosen_level(clicked):
    clicked.mark(0, True)
    clicked.target_level = 4
    assert [row.level for row in clicked.keep()] == [2, 4]
    assert clicked.history.undo_text == "keep levels 2 and 4"


def test_a_level_that_several_masks_go_to_is_named_once(clicked):
    clicked.options = KeepOptions("replace")
    clicked.mark(0, True)
    clicked.target_level = 2
    assert [row.level for row in clicked.keep()] == [2, 2]
    assert clicked.history.undo_text == "keep level 2"


def test_masks_are_tidied_before_they_are_kept(session):
    mask = candidate((0, 0, 8, 8), level=2)
    mask.crop[3:5, 3:5] = False
    session.set_prompts({1: (CLICK,)})
    session.receive(1, (CLICK,), combined(mask))
    assert session.tidied(mask) is mask
    session.options = KeepOptions(cleanup=CleanUp(fill_holes=True))
    assert session.tidied(mask) is session.tidied(mask)
    (planned,) = session.preview()
    (row,) = session.keep()
    assert planned.mask.area == row.area == 64
    assert session.preview() == ()


def test_a_preview_makes_no_level(clicked):
    assert [plan.level for plan in clicked.preview()] == [5]
    assert clicked.levels.levels == []


def test_what_was_kept_is_not_written_again(clicked):
    clicked.keep()
    before = facts(clicked)
    with pytest.raises(UserError, match="it is label 1 of level 5"):
        clicked.keep()
    assert facts(clicked) == before


def test_a_label_that_is_gone_is_no_longer_kept(clicked):
    clicked.keep()
    clicked.record_stroke(5, (4, 4, 7, 7), np.ones((3, 3), int), np.zeros((3, 3), int))
    assert not clicked.current.shown_is_kept
    clicked.set_prompts({1: (CLICK,), 2: (OTHER,)})
    clicked.receive(2, (OTHER,), combined(candidate((12, 12, 15, 15), level=5)))
    assert clicked.keep()[0].index == 1  # the same number as the one that is gone
    assert not clicked.state(1).shown_is_kept


def test_candidates_follow_labels_that_are_moved_or_merged(clicked):
    clicked.keep()
    moved = clicked.move(5, 1, 6)
    assert clicked.current.kept == {2: moved}
    clicked.levels.paste(6, (15, 15, 17, 17), np.full((2, 2), 8))
    merged = clicked.merge(6, [8, 1])
    assert clicked.current.kept == {2: merged}
    clicked.undo()
    clicked.undo()
    assert clicked.current.kept[2].level == 5
    clicked.delete(5, 1)
    assert clicked.current.kept == {}
    clicked.undo()
    assert clicked.current.shown_is_kept


@pytest.mark.parametrize(
    ("prompt", "source"),
    [(CLICK, "click"), (BOX, "box"), (Prompt("lasso", (1.0, 1.0, 9.0, 1.0, 9.0, 9.0)), "box")],
)
def test_what_the_network_was_asked_is_the_source(session, prompt, source):
    session.set_prompts({1: (prompt,)})
    session.receive(1, (prompt,), combined(WHOLE))
    assert session.keep()[0].source == source


def test_nothing_is_overwritten(clicked):
    labels = clicked.levels.array(5)
    clicked.levels.paste(5, (5, 0, 6, 30), np.full((1, 30), 8))
    (row,) = clicked.keep()
    assert row.area == 6
    assert (labels[5, :] == 8).all()
    assert clicked.notice == ""


def test_nothing_free_is_refused(clicked):
    clicked.levels.paste(5, (0, 0, *SHAPE), np.full(SHAPE, 8))
    before = facts(clicked)
    with pytest.raises(UserError, match="level 5 has labels already"):
        clicked.keep()
    assert facts(clicked) == before


@pytest.mark.parametrize(
    ("rule", "free", "area"), [("keep", 4, 0), ("keep", 6, 6), ("fill", 4, 4), ("replace", 4, 100)]
)
def test_of_an_object_kept_before_no_rim_is_kept(clicked, rule, free, area):
    clicked.show(0)
    clicked.options = KeepOptions(rule)
    clicked.levels.paste(2, (0, 0, *SHAPE), np.full(SHAPE, 8))
    clicked.levels.paste(2, (5, 2, 6, 2 + free), np.zeros((1, free), int))
    if area:
        assert clicked.keep()[0].area == area
    else:
        with pytest.raises(UserError, match="nearly"):
            clicked.keep()
        assert clicked.levels.areas(2).keys() == {8}


def test_a_mask_without_room_is_told(clicked):
    clicked.mark(0, True)
    clicked.target_level = 2
    (row,) = clicked.keep()
    assert row.area == WHOLE.area
    assert clicked.notice == "In level 2 (nearly) nothing under the mask was free."


def test_several_levels_are_kept_together_or_not_at_all(clicked):
    full = np.zeros(SHAPE, dtype=np.uint8)
    full[19, 29] = 255
    clicked.replace_level(5, full)
    clicked.mark(0, True)
    before = facts(clicked)
    with pytest.raises(UserError, match=r"level 5 are uint8.*beyond 255"):
        clicked.keep()
    assert facts(clicked) == before


def test_overwriting_is_told(clicked):
    clicked.levels.paste(5, (4, 4, 5, 7), np.full((1, 3), 8))
    clicked.levels.paste(5, (6, 0, 7, 30), np.full((1, 30), 9))
    before = facts(clicked)
    clicked.options = KeepOptions("replace")
    (row,) = clicked.keep()
    assert row.area == 9
    assert clicked.notice == "In level 5, label 8 is gone, label 9 lost 3 pixels."
    clicked.undo()
    assert facts(clicked) == before
    assert clicked.notice == ""


@pytest.mark.parametrize(("prompt", "columns"), [(click(5, 4), slice(4, 5)), (BOX, slice(6, 9))])
def test_filling_takes_only_the_piece_that_is_meant(session, prompt, columns):
    session.levels.paste(3, (0, 5, 20, 6), np.full((20, 1), 7))  # a wall
    session.options = KeepOptions("fill")
    session.set_prompts({1: (prompt,)})
    session.receive(1, (prompt,), combined(candidate((4, 4, 8, 9), level=3)))
    (row,) = session.keep()
    expected = np.zeros(SHAPE, dtype=bool)
    expected[4:8, columns] = True
    np.testing.assert_array_equal(session.levels.array(3) == row.index, expected)


def test_a_prompt_on_a_label_fills_nothing(session):
    session.levels.paste(3, (5, 5, 6, 6), np.array([[7]]))
    session.options = KeepOptions("fill")
    session.set_prompts({1: (CLICK,)})
    session.receive(1, (CLICK,), combined(candidate((4, 4, 8, 9), level=3)))
    with pytest.raises(UserError, match="Nothing was kept"):
        session.keep()


def test_a_label_is_refined_in_its_place(clicked):
    first = clicked.keep()[0]
    clicked.rename(5, first.index, object="cell", part="nucleolus")
    clicked.levels.paste(5, (4, 7, 7, 8), np.full((3, 1), 9))  # a neighbour
    prompt = clicked.label_prompt(5, first.index)
    assert prompt == Prompt("label", (5, 1, 5, 5))
    clicked.check(prompt)
    clicked.set_prompts({1: (CLICK,), 2: (prompt,)})
    better = candidate((5, 4, 10, 10), level=2, predicted_iou=0.8)
    clicked.receive(2, (prompt,), combined(better))
    before = facts(clicked)
    (row,) = clicked.keep()
    assert (row.level, row.index, row.object, row.part) == (5, 1, "cell", "nucleolus")
    assert (row.area, row.predicted_iou, row.source) == (28, 0.8, "box")
    assert clicked.levels.array(5)[4, 4] == 0
    assert clicked.levels.row(5, 9).area == 3
    clicked.undo()
    assert facts(clicked) == before


def test_a_label_that_refining_leaves_as_it_is_is_told_of(clicked):
    clicked.keep()
    prompt = clicked.label_prompt(5, 1)
    clicked.set_prompts({1: (CLICK,), 2: (prompt,)})
    clicked.receive(2, (prompt,), combined(clicked.state(1).shown))
    with pytest.raises(UserError, match="would stay as it is"):
        clicked.keep()


def test_a_label_that_is_gone_cannot_be_refined(session):
    with pytest.raises(UserError, match="Level 5 has no label 1"):
        session.check(Prompt("label", (5.0, 1.0, 2.0, 2.0)))


@pytest.mark.parametrize(
    ("kinds", "prompt", "message"),
    [(("click",), BOX, "takes no boxes"), (("box",), CLICK, "takes no clicks")],
)
def test_kinds_the_model_does_not_take_are_refused(kinds, prompt, message):
    session = AnnotationSession(LevelLabels(SHAPE), kinds)
    with pytest.raises(UserError, match=message):
        session.check(prompt)


def test_the_model_is_asked_about_negative_clicks_but_not_about_negative_boxes():
    session = AnnotationSession(LevelLabels(SHAPE), ("box",))
    with pytest.raises(UserError, match="takes no clicks"):
        session.check(click(5, 5, positive=False))
    session = AnnotationSession(LevelLabels(SHAPE), ("click",))
    session.check(Prompt("box", BOX.coordinates, positive=False))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (click(-3, 4), "outside"),
        (click(4, 30), "outside"),
        (Prompt("box", (4.0, 4.0, 4.0, 9.0)), "no area"),
        (Prompt("box", (4.0, 40.0, 9.0, 50.0)), "no area"),
        (Prompt("scribble", (-9.0, 40.0, -9.0, 50.0)), "outside"),
        (Prompt("lasso", (40.0, 40.0, 41.0, 50.0, 42.0, 40.0)), "covers no pixel"),
    ],
)
def test_prompts_that_cannot_be_used_are_refused(session, prompt, message):
    with pytest.raises(UserError, match=message):
        session.check(prompt)


def test_prompts_up_to_the_edge_are_fine(session):
    session.check(Prompt("click", (-0.4, 29.4)))
    session.check(Prompt("box", (-2.0, -2.0, 50.0, 50.0)))
