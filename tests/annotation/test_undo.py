"""Any series of acts can be taken back and made again, exactly."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from sessions import SHAPE, candidate, click, combined, facts

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.history import History
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.level_labels import LevelLabels

ROUNDS = 60


class RandomUser:
    """Does what a user might do, at random."""

    def __init__(self, session, seed):
        self.session = session
        self.rng = np.random.default_rng(seed)
        self.acts = [
            self.prompt,
            self.prompt,
            self.unprompt,
            self.show,
            self.mark,
            self.keep,
            self.keep,
            self.keep,
            self.stroke,
            self.delete,
            self.rename,
            self.move,
            self.merge,
            self.split,
            self.clean,
            self.replace_level,
            self.remove_level,
        ]

    def act(self):
        self.answer()
        act = self.acts[self.rng.integers(len(self.acts))]
        with contextlib.suppress(UserError):  # some acts make no sense at the time
            act()
        self.answer()

    def answer(self):
        """Give candidates that depend on the prompts alone, like a network."""
        for group, prompts in self.session.waiting.items():
            rng = np.random.default_rng([*map(int, sum((p.coordinates for p in prompts), ()))])
            y, x = (int(value) for value in prompts[0].coordinates)
            levels = sorted(rng.choice(np.arange(1, 7), int(rng.integers(1, 5)), replace=False))
            masks = [
                candidate(self.around(y, x, 9 - level), int(level), float(rng.random()))
                for level in levels
            ]
            self.session.receive(group, prompts, combined(*masks))

    def around(self, y, x, radius):
        return (
            max(0, y - radius),
            max(0, x - radius),
            min(SHAPE[0], y + radius),
            min(SHAPE[1], x + radius),
        )

    def label(self):
        labels = [
            (level, row.index)
            for level in self.session.levels.levels
            for row in self.session.levels.rows(level)
        ]
        if not labels:
            raise UserError("There is nothing yet.")
        return labels[self.rng.integers(len(labels))]

    def level(self):
        return int(self.rng.integers(1, 7))

    def prompt(self):
        positive = self.rng.random() < 0.8
        group = self.session.group_for_next(positive)
        groups = dict(self.session.groups)
        where = (self.rng.integers(SHAPE[0]), self.rng.integers(SHAPE[1]))
        groups[group] = (*groups.get(group, ()), click(*where, positive))
        self.session.set_prompts(groups)

    def unprompt(self):
        groups = dict(self.session.groups)
        if groups:
            group = self.rng.choice(list(groups))
            groups[group] = groups[group][:-1]
            self.session.set_prompts(groups)

    def show(self):
        self.session.show(int(self.rng.integers(5)))

    def mark(self):
        self.session.mark(int(self.rng.integers(5)), bool(self.rng.random() < 0.7))

    def keep(self):
        cleanup = CleanUp(smooth=int(self.rng.integers(2)))
        self.session.options = KeepOptions(self.rng.choice(["keep", "replace", "fill"]), cleanup)
        self.session.keep()

    def stroke(self):
        level = self.level()
        y, x = (int(self.rng.integers(limit - 4)) for limit in SHAPE)
        array = self.session.levels.array(level)[y : y + 4, x : x + 4]
        before = array.copy()
        array[self.rng.random(array.shape) < 0.7] = self.rng.integers(5)
        self.session.record_stroke(level, (y, x, y + 4, x + 4), before, array.copy())

    def delete(self):
        self.session.delete(*self.label())

    def rename(self):
        name = str(self.rng.choice(["cell", "nucleus", ""]))
        self.session.rename(*self.label(), object=name)

    def move(self):
        self.session.move(*self.label(), self.level())

    def merge(self):
        level, index = self.label()
        rows = self.session.levels.rows(level)
        self.session.merge(level, [index, rows[0].index])

    def split(self):
        self.session.split(*self.label())

    def clean(self):
        self.session.clean(*self.label(), CleanUp(True, True, 1))

    def replace_level(self):
        array = np.zeros(SHAPE, dtype=self.rng.choice([np.uint8, np.uint16, np.int64]))
        array[5:9, 5:20] = self.rng.integers(1, 200)
        self.session.replace_level(self.level(), array)

    def remove_level(self):
        if self.session.levels.levels and self.rng.random() < 0.3:
            self.session.remove_level(int(self.rng.choice(self.session.levels.levels)))


@pytest.mark.parametrize("seed", range(10))
def test_everything_is_taken_back_and_made_again(seed):
    session = AnnotationSession(LevelLabels(SHAPE))
    user = RandomUser(session, seed)
    states, steps = [facts(session)], []

    def listen(event, step):
        steps.append(step)

    session.listeners.append(listen)
    for _ in range(ROUNDS):
        known = len(steps)
        user.act()
        if len(steps) > known:
            states.append(facts(session))
    session.listeners.clear()
    assert len(states) > ROUNDS / 3
    undone = [states[-1]]
    while session.undo():
        user.answer()
        undone.append(facts(session))
    assert undone[-1] == states[0]
    assert_only_walks_are_joined(states, undone, steps)
    for state in reversed(undone[:-1]):
        session.redo()
        user.answer()
        assert facts(session) == state
    assert session.redo() is None
    assert_repeatable(steps, states[-1])


def assert_only_walks_are_joined(states, undone, steps):
    """Every state is found again in turn, but for those within a walk."""
    earlier = iter(reversed(states))
    assert all(any(state == each for each in earlier) for state in undone)
    walks = sum(step.text.startswith("show") for step in steps)
    assert len(states) - walks <= len(undone) <= len(states)


def assert_repeatable(steps, end):
    """Steps make the same in another session, without a model."""
    other = AnnotationSession(LevelLabels(SHAPE))
    for step in steps:
        other.perform(step)
    RandomUser(other, 0).answer()
    assert facts(other) == end


def test_memory_is_bounded():
    session = AnnotationSession(LevelLabels(SHAPE), history=History(limit_bytes=20_000))
    user = RandomUser(session, seed=1)
    for _ in range(200):
        user.act()
        assert session.history.nbytes <= 20_000
    while session.undo():
        user.answer()
    assert session.history.redo_text
