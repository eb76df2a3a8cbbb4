"""The annotation state, without a viewer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.annotation.session import AnnotationSession, Prompt
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.results import Candidate

SHAPE = (20, 30)
CLICK = Prompt("click", (5.0, 5.0))
OTHER = Prompt("click", (15.0, 20.0))
BOX = Prompt("box", (1.0, 2.0, 9.0, 12.0))


def candidate(box, level, predicted_iou=0.5):
    y0, x0, y1, x1 = box
    crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Candidate(box, crop, SHAPE, level - 1, level, predicted_iou, 0.7)


WHOLE = candidate((0, 0, 10, 10), level=2, predicted_iou=0.6)
PART = candidate((4, 4, 7, 7), level=5, predicted_iou=0.9)


@pytest.fixture
def session():
    return AnnotationSession(LevelLabels(SHAPE))


@pytest.fixture
def clicked(session):
    session.set_prompts("click", [CLICK.coordinates])
    session.receive({CLICK: (WHOLE, PART)})
    return session


def test_a_new_prompt_is_active_and_waits(session):
    session.set_prompts("click", [CLICK.coordinates, OTHER.coordinates])
    assert session.prompts == session.waiting == (CLICK, OTHER)
    assert session.active == OTHER
    assert session.current.candidates is None
    assert session.current.shown is None


def test_the_most_promising_candidate_is_shown_first(clicked):
    assert clicked.waiting == ()
    assert clicked.current.shown == PART
    assert clicked.current.index == 1


def test_walking_stops_at_both_ends(clicked):
    clicked.current.show(7)
    assert clicked.current.shown == PART
    clicked.current.show(-1)
    assert clicked.current.shown == WHOLE


def test_prompts_that_stay_keep_their_state(clicked):
    clicked.current.show(0)
    clicked.set_prompts("click", [CLICK.coordinates, OTHER.coordinates])
    clicked.set_prompts("click", [CLICK.coordinates])
    assert clicked.active == CLICK
    assert clicked.current.shown == WHOLE


def test_kinds_do_not_disturb_each_other(clicked):
    clicked.set_prompts("box", [BOX.coordinates])
    assert clicked.prompts == (CLICK, BOX)
    assert clicked.active == BOX
    clicked.set_prompts("box", [])
    assert clicked.active == CLICK


def test_results_of_a_removed_prompt_are_dropped(session):
    session.set_prompts("click", [CLICK.coordinates])
    session.set_prompts("click", [])
    session.receive({CLICK: (WHOLE,)})
    assert session.prompts == ()
    assert session.current.shown is None


def test_a_prompt_may_give_nothing(session):
    session.set_prompts("click", [CLICK.coordinates])
    session.receive({CLICK: ()})
    assert session.waiting == ()
    assert session.current.shown is None
    with pytest.raises(UserError, match="click on a structure"):
        session.keep()


def test_keeping_writes_one_row_with_its_parent(clicked):
    clicked.current.show(0)
    clicked.keep()
    clicked.current.show(1)
    row = clicked.keep()
    assert (row.level, row.index, row.area, row.source) == (5, 1, 9, "click")
    assert (row.parent_level, row.parent) == (2, 1)
    assert (row.predicted_iou, row.stability) == (0.9, 0.7)
    assert clicked.shown_is_kept
    assert clicked.levels.levels == [2, 5]


def test_a_label_that_is_gone_is_no_longer_kept(clicked):
    clicked.keep()
    clicked.levels.array(5)[:] = 0
    clicked.levels.refresh(5)
    assert not clicked.shown_is_kept
    clicked.levels.add(candidate((12, 2, 15, 5), level=5, predicted_iou=0.2), 5, "click")
    assert not clicked.shown_is_kept  # though that label has the same number
    clicked.keep()
    assert clicked.shown_is_kept
    clicked.levels.detach(5)
    assert not clicked.shown_is_kept


@pytest.mark.parametrize(
    ("kinds", "prompt", "message"),
    [(("click",), BOX, "takes no boxes"), (("box",), CLICK, "takes no clicks")],
)
def test_kinds_the_model_does_not_take_are_refused(kinds, prompt, message):
    session = AnnotationSession(LevelLabels(SHAPE), kinds)
    with pytest.raises(UserError, match=message):
        session.check(prompt)


def test_a_box_is_named_as_source(session):
    session.set_prompts("box", [BOX.coordinates])
    session.receive({BOX: (WHOLE,)})
    assert session.keep().source == "box"


def test_nothing_is_overwritten(clicked):
    labels = clicked.levels.array(5)
    labels[5, :] = 8
    row = clicked.keep()
    assert row.area == 6
    assert (labels[5, :] == 8).all()


def test_keeping_nothing_is_refused(clicked):
    clicked.keep()
    before = clicked.levels.array(5).copy()
    with pytest.raises(UserError, match="level 5 has labels already"):
        clicked.keep()
    np.testing.assert_array_equal(clicked.levels.array(5), before)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt("click", (-3.0, 4.0)), "outside"),
        (Prompt("click", (4.0, 30.0)), "outside"),
        (Prompt("box", (4.0, 4.0, 4.0, 9.0)), "no area"),
        (Prompt("box", (4.0, 40.0, 9.0, 50.0)), "no area"),
    ],
)
def test_prompts_that_cannot_be_used_are_refused(session, prompt, message):
    with pytest.raises(UserError, match=message):
        session.check(prompt)


def test_prompts_up_to_the_edge_are_fine(session):
    session.check(Prompt("click", (-0.4, 29.4)))
    session.check(Prompt("box", (-2.0, -2.0, 50.0, 50.0)))
