"""Random acts of somebody who annotates, the same ones for the same seed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.journal import Journal
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.combination import Combined
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate

SHAPE = (60, 80)
HEADER = Header(
    image="cells",
    image_hash="a" * 64,
    shape=SHAPE,
    checkpoint="tiny",
    checkpoint_hash="b" * 64,
    level_order=(3, 2, 0, 4, 1, 5),
    preparation_hash="c" * 16,
    contrast_limits=None,
    device="cpu",
    package="0",
    torch="2",
    started="2026-11-23T10:12:00+01:00",
)


def new_session() -> AnnotationSession:
    return AnnotationSession(LevelLabels(SHAPE))


def open_journal(path, session, problems=None) -> Journal:
    """Start a journal of a session, or go on with it."""
    problems = [] if problems is None else problems
    journal = Journal(path, session.levels, lambda: HEADER, problems.append)
    session.listeners.append(journal.write)
    return journal


def answer(prompts) -> Combined:
    """Answer prompts with four nested discs, the second of which is the best."""
    first = prompts[0]
    y, x = first.coordinates[2:] if first.kind == "label" else first.coordinates[:2]
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(rows - y, columns - x) + (rows * columns) % 3
    found = []
    for token, radius in enumerate((18, 11, 7, 3)):
        mask = distance <= radius
        ys, xs = np.nonzero(mask)
        box = (int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1)
        crop = mask[box[0] : box[2], box[1] : box[3]]
        iou = 0.9 - 0.1 * abs(token - 1) + 1e-17 * token + y / 1e4
        found.append(Candidate(box, crop, SHAPE, token, token + 1, iou, 1 / (token + 3)))
    return Combined(tuple(found), 1, (1.0,) * 4)


def random_act(session: AnnotationSession, rng: np.random.Generator) -> None:
    """Do something; what is refused counts as done."""
    names = list(_ACTS)
    weights = np.array([_ACTS[name] for name in names], dtype=float)
    act = names[rng.choice(len(names), p=weights / weights.sum())]
    with suppress(UserError):
        act(session, rng)
    for group, prompts in session.waiting.items():
        session.receive(group, prompts, answer(prompts))


def facts(session: AnnotationSession) -> str:
    """Return everything a restored session must have in common with the one it is made from."""
    for group, prompts in session.waiting.items():
        session.receive(group, prompts, answer(prompts))
    states = {group: session.state(group) for group in session.groups}
    return repr(
        {
            "levels": {
                level: (session.levels.array(level).tolist(), session.levels.rows(level))
                for level in session.levels.levels
                if session.levels.array(level).any()
            },
            "groups": session.groups,
            "choices": {
                group: (state.index, sorted(state.marked), sorted(state.kept.items()))
                for group, state in states.items()
            },
            "undo": (session.history.undo_text, session.history.redo_text, session.history.nbytes),
        }
    )


def _prompt(session, rng):
    y, x = (float(rng.uniform(0, side - 1)) for side in SHAPE)
    kind = rng.choice(["click", "click", "box", "scribble", "lasso"])
    where = {
        "click": (y, x),
        "box": (y, x, y + 9.5, x + 7),
        "scribble": (y, x, y / 2, x / 2),
        "lasso": (y, x, y / 2, x, y, x / 2),
    }[str(kind)]
    positive = bool(rng.random() < 0.8)
    group = session.group_for_next(positive)
    prompts = (*session.groups.get(group, ()), Prompt(str(kind), where, positive))
    session.set_prompts({**session.groups, group: prompts})


def _drop_prompts(session, rng):
    groups = dict(session.groups)
    if groups:
        groups.pop(int(rng.choice(list(groups))))
        session.set_prompts(groups)


def _label(session, rng):
    labels = [
        (row.level, row.index)
        for level in session.levels.levels
        for row in session.levels.rows(level)
    ]
    return labels[rng.integers(len(labels))] if labels else (1, 1)


def _refine(session, rng):
    session.set_prompts(
        {**session.groups, session.next_object(): (session.label_prompt(*_label(session, rng)),)}
    )


def _keep(session, rng):
    cleanup = CleanUp(bool(rng.random() < 0.3), bool(rng.random() < 0.3), int(rng.integers(0, 3)))
    session.options = KeepOptions(str(rng.choice(["keep", "replace", "fill"])), cleanup)
    session.keep()


def _merge(session, rng):
    level, _ = _label(session, rng)
    session.merge(level, [row.index for row in session.levels.rows(level)][:3])


def _stroke(session, rng):
    level = int(rng.integers(1, 5))
    y, x = (int(rng.integers(0, side - 12)) for side in SHAPE)
    before = session.levels.array(level)[y : y + 12, x : x + 12].copy()
    after = before.astype(np.int64)  # the level's own type may be too small for every number
    after[2:9, 3:10] = rng.choice([0, 7, 300, 70_000])
    session.record_stroke(level, (y, x, y + 12, x + 12), before, after)


def _new_array(rng):
    array = np.zeros(SHAPE, dtype=rng.choice([np.int32, np.uint16, np.int64]))
    for index in range(1, 6):
        y, x = (int(rng.integers(0, side - 10)) for side in SHAPE)
        array[y : y + 10, x : x + 10] = index
    rows = [LabelRow(2, 1, object="Zelle ❄", part_score=0.1 + 0.2), LabelRow(3, 1, part='"\n')]
    return array, rows


def _levels_with_labels(session):
    """Return levels that a restored session has as well; empty ones come by looking."""
    return [level for level in session.levels.levels if session.levels.rows(level)]


def _adopt(session, rng):
    if levels := _levels_with_labels(session):
        level = int(rng.choice(levels))
        array, rows = _new_array(rng)
        session.adopt(level, array, [replace(row, level=level) for row in rows])


def _replace(session, rng):
    level = int(rng.integers(1, 6))
    array, rows = _new_array(rng)
    session.replace_level(level, array, [replace(row, level=level) for row in rows])


def _remove(session, rng):
    if levels := _levels_with_labels(session):
        session.remove_level(int(rng.choice(levels)))


_ACTS = {
    _prompt: 8,
    _drop_prompts: 1,
    _refine: 1,
    lambda session, rng: session.next_object(): 2,
    lambda session, rng: session.show(int(rng.integers(0, 4))): 4,
    lambda session, rng: session.mark(int(rng.integers(0, 4)), bool(rng.random() < 0.7)): 3,
    _keep: 8,
    lambda session, rng: session.delete(*_label(session, rng)): 1,
    lambda session, rng: session.rename(
        *_label(session, rng), object=str(rng.choice(["nucleus", "", "κύτταρο"])), part="x"
    ): 2,
    lambda session, rng: session.move(*_label(session, rng), int(rng.integers(1, 6))): 1,
    _merge: 1,
    lambda session, rng: session.split(*_label(session, rng)): 1,
    lambda session, rng: session.clean(*_label(session, rng), CleanUp(True, True, 1)): 1,
    _stroke: 3,
    _adopt: 0.5,
    _replace: 0.5,
    _remove: 0.5,
    lambda session, rng: session.undo(): 4,
    lambda session, rng: session.redo(): 3,
}


def count_events(session) -> list[str]:
    """Return a list that grows by one for every event of a session."""
    events: list[str] = []
    session.listeners.append(lambda event, step: events.append(event))
    return events


def annotate(path: Path, seed: int, lines: int, acts: int) -> None:
    """Annotate until a journal has a number of lines, then a number of acts more."""
    session, rng = new_session(), np.random.default_rng(seed)
    open_journal(path, session)
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        random_act(session, rng)
    for _ in range(acts):
        random_act(session, rng)


if __name__ == "__main__":
    end, file, *numbers = sys.argv[1:]
    annotate(Path(file), *map(int, numbers))
    if end == "die":
        os._exit(9)
