"""Writing labels so that it can be taken back: each write is noted as a change."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.annotation.changes import LabelsChange, compact
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_chunks import Stored, occupied, within
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import (
    LabelArray,
    Window,
    box_of,
    distinct,
    slices_of,
)
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import EMPTY, Box, CroppedMask, tight


class Edits:
    """A place to edit labels: notes the changes, and takes all of them back if one fails.

    Use it in a ``with`` statement, at whose end the parents of labels are found.

    Parameters
    ----------
    levels : LevelLabels

    Attributes
    ----------
    changes : list of LabelsChange
        What was done, in order; nothing for edits that change nothing.
    """

    def __init__(self, levels: LevelLabels) -> None:
        self.levels = levels
        self.changes: list[LabelsChange] = []
        self._parents: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> Edits:
        self._parents = self.levels.parents_at_end()
        self._parents.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is not None:
                self.revert()
        finally:
            self._parents.__exit__(None, None, None)

    def revert(self) -> None:
        """Take back all that was done."""
        for change in reversed(self.changes):
            apply_labels(self.levels, change.reversed())
        self.changes.clear()

    def write(
        self, level: int, box: Box, pixels: npt.ArrayLike, rows: Iterable[LabelRow] = ()
    ) -> None:
        """Write pixels ``[y0:y1, x0:x1]`` of this plane of a level, and facts about their labels.

        If the level is new, undoing that removes it.
        """
        is_new = level not in self.levels.levels
        present, wanted = self.levels.pixels(level, box), np.asarray(pixels)
        window, inner = _difference(present, wanted, box)
        before, after = compact(present[inner]), compact(wanted[inner])
        if not after.size:
            return
        touched = _labels_of(before, after)
        noted = self._rows(level, touched)
        self.levels.paste(level, window, after, rows)
        gained = self._rows(level, touched)
        old = None if is_new else before
        plane = self.levels.plane
        self.changes.append(LabelsChange(level, window, old, after, noted, gained, plane))

    def learn(self, level: int, row: LabelRow) -> None:
        """Change what is known about a label that exists."""
        before = self._rows(level, {row.index})
        self.levels.learn(level, [row])
        after = self._rows(level, {row.index})
        if after != before:
            self.changes.append(LabelsChange(level, None, None, None, before, after))

    def replace(self, level: int, array: Stored, rows: Iterable[LabelRow]) -> None:
        """Use another array for a level that exists, and what is known about its labels."""
        old, rows_before = self.levels.store(level), self.levels.rows(level)
        self.levels.attach(level, array, [*rows_before, *rows])
        new = self.levels.store(level)
        # As text, because a score that is not known (NaN) does not even equal itself.
        facts = {row.index: repr(row) for row in rows_before}
        differ = {row.index for row in self.levels.rows(level) if repr(row) != facts.get(row.index)}
        for plane, box in _regions(self.levels, old, new):
            here = within(plane, slices_of(box))
            before, after = old[here], new[here]
            window, inner = _difference(before, after, box)
            touched = _labels_of(before[inner], after[inner])
            if touched:
                noted = tuple(row for row in rows_before if row.index in touched)
                gained = self._rows(level, touched)
                pixels = (before[inner], after[inner])
                self.changes.append(LabelsChange(level, window, *pixels, noted, gained, plane))
            differ -= touched
        if differ:
            noted = tuple(row for row in rows_before if row.index in differ)
            rows_after = self._rows(level, differ)
            self.changes.append(LabelsChange(level, None, None, None, noted, rows_after))

    def insert(self, level: int, array: Stored, rows: Iterable[LabelRow]) -> None:
        """Use an array for a level that does not exist yet, and what is known about its labels."""
        self.levels.attach(level, array, rows)
        self.changes += whole(self.levels, level)

    def remove(self, level: int) -> None:
        """Forget a level."""
        if level not in self.levels.levels:
            raise UserError(f"There is no level {level}; choose one of the level layers.")
        self.changes += [change.reversed() for change in reversed(whole(self.levels, level))]
        self.levels.detach(level)

    def _rows(self, level: int, indices: Iterable[int]) -> tuple[LabelRow, ...]:
        found = (self.levels.row(level, index) for index in sorted(indices))
        return tuple(row for row in found if row)


def apply_labels(levels: LevelLabels, change: LabelsChange) -> None:
    """Make a change of labels again.

    A level is removed only if nothing else has come into it.
    """
    level, window = change.level, change.window
    if window is None:
        levels.learn(level, change.rows_after)
        return
    with levels.at(change.plane):
        if change.after is not None:
            levels.paste(level, window, change.after, change.rows_after)
        elif level in levels.levels:
            y0, x0, y1, x1 = window
            levels.paste(level, window, np.zeros((y1 - y0, x1 - x0), dtype=np.uint8))
            if not levels.rows(level):
                levels.detach(level)


def whole(levels: LevelLabels, level: int) -> list[LabelsChange]:
    """Return the changes that make a level, as it is now, out of nothing."""
    labels, rows = levels.store(level), levels.rows(level)
    changes: list[LabelsChange] = []
    for plane, box in _regions(levels, labels, labels) or [(levels.plane, EMPTY)]:
        window, _ = tight(labels[within(plane, slices_of(box))] != 0, *box[:2])
        if window == EMPTY and levels.occupied(level):
            continue
        pixels = labels[within(plane, slices_of(window))]
        here = _labels_of(pixels) if pixels.size else set()
        known = tuple(row for row in rows if row.index in here)
        # Only the first one makes the level.
        before = np.zeros_like(pixels) if changes else None
        changes.append(LabelsChange(level, window, before, pixels, (), known, plane))
    return changes


def row_of(levels: LevelLabels, level: int, index: int) -> LabelRow:
    """Return the row of a label.

    Raises
    ------
    UserError
        If there is no such label.
    """
    row = levels.row(level, index)
    if row is None:
        raise UserError(f"Level {level} has no label {index}; choose one from the list of labels.")
    return row


def mask_of(levels: LevelLabels, level: int, index: int) -> CroppedMask:
    """Return the pixels of a label in this plane.

    Raises
    ------
    UserError
        If there is no such label, or none of its pixels is in this plane.
    """
    row_of(levels, level, index)
    box = levels.box(level, index)
    if box == EMPTY:
        raise UserError(
            f"Label {index} of level {level} is not in this slice; go to one that it is in."
        )
    return CroppedMask(*tight(levels.pixels(level, box) == index, *box[:2]), levels.shape)


def _regions(levels: LevelLabels, *labels: Stored) -> list[tuple[PlaneIndex, Box]]:
    """Return boxes of planes that hold all labels of each, in order."""
    return [
        (plane, box)
        for plane in np.ndindex(levels.stack)
        for box in sorted({box_of(each) for some in labels for each in occupied(some, plane)})
    ]


def _difference(before: LabelArray, after: LabelArray, box: Box) -> tuple[Box, Window]:
    """Return where two versions of a box differ: in the picture, and inside of the box."""
    window, _ = tight(before != after, *box[:2])
    if window == EMPTY:
        return EMPTY, slices_of(EMPTY)
    (y0, x0, y1, x1), (top, left) = window, box[:2]
    return window, slices_of((y0 - top, x0 - left, y1 - top, x1 - left))


def _labels_of(*arrays: LabelArray) -> set[int]:
    return {index for array in arrays for index in distinct(array) if index > 0}
