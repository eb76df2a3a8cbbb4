"""What the user does to a session while something takes long, or between two clicks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sessions import SHAPE, candidate, click, combined

from napari_semantic_sam.annotation.propagating import Followed
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.annotation.step_codec import decode_step, encode_step
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.propagation import Propagated

BOX = (2, 2, 8, 8)


@pytest.fixture
def stack():
    """A session on a stack with label 1 of level 2 in plane 1."""
    session = AnnotationSession(LevelLabels(SHAPE, (4,)))
    session.go((1,))
    keep(session, BOX)
    return session


def keep(session, box):
    group = session.next_object()
    prompts = (click(5, 5),)
    session.set_prompts({**session.groups, group: prompts})
    session.receive(group, prompts, combined(candidate(box, 2)))
    session.keep()


def draw(session, plane, box, index):
    session.go(plane)
    y0, x0, y1, x1 = box
    before = session.levels.pixels(2, box)
    session.record_stroke(2, box, before, np.full((y1 - y0, x1 - x0), index))


def found_everywhere(start):
    slices = tuple(
        Propagated(index, candidate(BOX, 2), 0.9, "") for index in range(4) if index != 1
    )
    return Followed(start, slices)


def test_what_was_found_is_not_written_into_another_label_of_that_number(stack):
    start = stack.begin_following(2, 1)
    stack.undo()
    keep(stack, (12, 12, 18, 18))
    with pytest.raises(UserError, match="changed"):
        stack.take_followed(found_everywhere(start))
    assert stack.levels.planes_of(2, 1) == [(1,)]


def test_a_slice_that_was_corrected_meanwhile_stays(stack):
    start = stack.begin_following(2, 1)
    draw(stack, (2,), (12, 12, 18, 18), 1)
    stack.take_followed(found_everywhere(start))
    assert stack.levels.planes_of(2, 1) == [(0,), (1,), (2,), (3,)]
    stack.go((2,))
    assert stack.mask_of(2, 1).box == (12, 12, 18, 18)


def test_a_stack_of_one_slice_has_nowhere_to_go():
    session = AnnotationSession(LevelLabels(SHAPE, (1,)))
    keep(session, BOX)
    with pytest.raises(UserError, match="only one slice"):
        session.begin_following(2, 1)


CANDIDATES = (candidate((0, 0, 20, 20), 1), candidate(BOX, 3, 0.9), candidate((3, 3, 6, 6), 5))


def clicked(session, *prompts, candidates=CANDIDATES):
    session.set_prompts({1: prompts})
    session.receive(1, prompts, combined(*candidates))


@pytest.fixture
def session():
    session = AnnotationSession(LevelLabels(SHAPE))
    clicked(session, click(5, 5))
    return session


def test_a_further_click_stays_near_the_level_that_the_user_went_to(session):
    session.show(2)
    clicked(session, click(5, 5), click(6, 6))
    assert session.current.shown.level == 5
    clicked(session, click(5, 5), click(6, 6), click(7, 7), candidates=CANDIDATES[:2])
    assert session.current.shown.level == 3
    clicked(session, click(5, 5), click(6, 6), candidates=CANDIDATES)
    assert session.current.shown.level == 5


def test_a_further_click_shows_the_best_mask_if_the_user_went_nowhere(session):
    clicked(session, click(5, 5), click(6, 6), candidates=CANDIDATES[::2])
    assert session.current.index == 0
    clicked(session, click(5, 5), click(6, 6), click(7, 7))
    assert session.current.shown.level == 3


def test_the_level_gone_to_is_part_of_steps(session):
    session.show(2)
    steps = []
    session.listeners.append(lambda event, step: steps.append(step))
    clicked(session, click(5, 5), click(6, 6))
    (step,) = steps
    again = AnnotationSession(LevelLabels(SHAPE))
    clicked(again, click(5, 5))
    again.show(2)
    again.perform(decode_step(json.loads(json.dumps(encode_step(step)))))
    again.receive(1, (click(5, 5), click(6, 6)), combined(*CANDIDATES))
    assert again.current.shown.level == 5
    again.undo()
    again.receive(1, (click(5, 5),), combined(*CANDIDATES))
    assert again.current.shown.level == 5
