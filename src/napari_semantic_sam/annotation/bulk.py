"""Many labels at once: cut into small patches that are written one after the other."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from napari_semantic_sam.annotation.changes import LabelsChange
from napari_semantic_sam.annotation.commit import CommitRule
from napari_semantic_sam.annotation.edits import Edits, apply_labels
from napari_semantic_sam.inference.automatic.labels import LEAST_FREE
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.pieces import largest_piece
from napari_semantic_sam.inference.results import Box, around

_TILE = 256
"""Pixels: labels whose boxes begin in one tile of this side are written together."""
_LABELS_AT_ONCE = 100
_MANY_LABELS = 300
_MANY_PIXELS = 2**21

Counts = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Patch:
    """Some labels of one level that lie near each other.

    Attributes
    ----------
    level : int
    box : (y0, x0, y1, x1) ints
        Holds all their pixels.
    numbers : (y1 - y0, x1 - x0) integer array
        1, 2, … where the first, second, … of `rows` is; 0 elsewhere.
    rows : tuple of LabelRow
        Labels of a level with the same `index`, in several planes, become one label.
    plane : tuple of int
        In which plane of a stack they are.
    """

    level: int
    box: Box
    numbers: LabelArray
    rows: tuple[LabelRow, ...]
    plane: PlaneIndex = ()


def patches_of(found: LevelLabels, plane: PlaneIndex = ()) -> list[Patch]:
    """Cut labels into patches that are written in an instant each, coarse to fine.

    Parameters
    ----------
    found : LevelLabels
        Of one plane.
    plane : tuple of int
        Which plane of a stack that is.
    """
    return [patch for level in found.levels for patch in _patches_of_level(found, level, plane)]


class Writing:
    """Writes patches one by one into labels that exist; the commit rule applies to each label.

    A label of which less than half may be written is left out.

    Parameters
    ----------
    levels : LevelLabels
        Nobody else may change labels until all is written.
    patches : sequence of Patch
    rule : CommitRule
        Of a label from which others have taken pixels, "fill" writes the largest piece.

    Attributes
    ----------
    edits : Edits
        What was written.
    """

    def __init__(self, levels: LevelLabels, patches: Sequence[Patch], rule: CommitRule) -> None:
        self.edits = Edits(levels)
        self._waiting = deque(patches)
        self._rule = rule
        self._next: dict[int, int] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._left_out: set[tuple[int, int]] = set()

    @property
    def is_done(self) -> bool:
        """Whether everything is written."""
        return not self._waiting

    @property
    def notice(self) -> str:
        """What the user should know of labels that were left out or are gone; "" for nothing."""
        told = []
        left_out = len(self._left_out - self._numbers.keys())
        if left_out:
            objects = "1 object was" if left_out == 1 else f"{left_out} objects were"
            told.append(f"{objects} left out, because labels are there already.")
        gone = {(each.level, index) for each in self.edits.changes for index in each.vanished}
        if gone:
            labels = "1 label is" if len(gone) == 1 else f"{len(gone)} labels are"
            told.append(f"{labels} gone, because others were written over them.")
        return " ".join(told)

    def write_next(self) -> int:
        """Write a patch, and return its level.

        Raises
        ------
        UserError
            If the type of a level's array cannot count so far; all is as before then.
        """
        patch = self._waiting.popleft()
        with self.edits, self.edits.levels.at(patch.plane):
            self._write(patch)
        return patch.level

    def _write(self, patch: Patch) -> None:
        levels, level = self.edits.levels, patch.level
        present = levels.pixels(level, patch.box)
        numbers = self._cut(patch, present)
        areas, left = (_count(each, len(patch.rows)) for each in (patch.numbers, numbers))
        is_kept = left >= np.maximum(1, LEAST_FREE * areas)
        keys = [(level, row.index) for row in patch.rows]
        self._left_out |= set(itertools.compress(keys, ~is_kept))
        if not is_kept.any():
            return
        new = np.zeros(len(patch.rows) + 1, dtype=np.int64)
        new[1:][is_kept] = [self._number(patch, key) for key in itertools.compress(keys, is_kept)]
        rows = [
            replace(row, index=int(index), level=level)
            for row, index in zip(patch.rows, new[1:], strict=True)
            if index
        ]
        wanted = new[numbers]
        self.edits.write(level, patch.box, np.where(wanted > 0, wanted, present), rows)

    def _cut(self, patch: Patch, present: LabelArray) -> LabelArray:
        """Return the numbers where they may be written."""
        if self._rule == "replace":
            return patch.numbers
        free = np.where(present == 0, patch.numbers, 0)
        if self._rule == "fill":
            count = len(patch.rows)
            shrunk = _count(free, count) < _count(patch.numbers, count)
            # Each in its own surroundings: a patch may hold a hundred of them.
            for number, place in enumerate(find_objects(free, count), start=1):
                if shrunk[number - 1] and place is not None:
                    own = free[place] == number
                    free[place][own & ~largest_piece(own)] = 0
        return free

    def _number(self, patch: Patch, key: tuple[int, int]) -> int:
        """Return the number of a label of a patch, the same in every plane."""
        level = patch.level
        if key not in self._numbers:
            if level not in self._next:  # later the whole array need not be looked at
                rest = (each for each in (patch, *self._waiting) if each.level == level)
                count = len({row.index for each in rest for row in each.rows})
                self._next[level] = self.edits.levels.next_index(level, count)
            self._numbers[key] = self._next[level]
            self._next[level] += 1
        return self._numbers[key]


class Applying:
    """Makes the changes of a step with many labels again, one by one.

    Parameters
    ----------
    levels : LevelLabels
        Nobody else may change labels until all is written.
    changes : sequence of LabelsChange
    """

    def __init__(self, levels: LevelLabels, changes: Sequence[LabelsChange]) -> None:
        self._levels = levels
        self._waiting = deque(changes)

    @property
    def is_done(self) -> bool:
        """Whether everything is written."""
        return not self._waiting

    def write_next(self) -> int:
        """Make a change, and return its level."""
        change = self._waiting.popleft()
        apply_labels(self._levels, change)
        return change.level


def takes_long(changes: Sequence[LabelsChange]) -> bool:
    """Whether changes are better made one by one."""
    labels = sum(len(each.rows_before) + len(each.rows_after) for each in changes)
    windows = [each.window for each in changes if each.window]
    pixels = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in windows)
    return len(changes) > 1 and (labels > _MANY_LABELS or pixels > _MANY_PIXELS)


def _count(numbers: LabelArray, labels: int) -> Counts:
    """Return how many pixels labels 1, 2, … have."""
    return np.bincount(numbers.ravel(), minlength=labels + 1)[1:]


def _patches_of_level(found: LevelLabels, level: int, plane: PlaneIndex) -> Iterator[Patch]:
    rows = [(tile_of(found.box(level, row.index)), row) for row in found.rows(level)]
    for _, group in groupby(sorted(rows, key=lambda each: each[0]), key=lambda each: each[0]):
        members = [row for _, row in group]
        for start in range(0, len(members), _LABELS_AT_ONCE):
            yield _patch(found, level, plane, members[start : start + _LABELS_AT_ONCE])


def tile_of(box: Box) -> tuple[int, ...]:
    """Return what labels have in common that are written together; large ones have nothing."""
    y0, x0, y1, x1 = box
    is_large = max(y1 - y0, x1 - x0) > _TILE
    return (1, *box) if is_large else (0, y0 // _TILE, x0 // _TILE)


def _patch(found: LevelLabels, level: int, plane: PlaneIndex, rows: Sequence[LabelRow]) -> Patch:
    box = around(found.box(level, row.index) for row in rows)
    pixels = found.pixels(level, box)
    lookup = np.zeros(int(pixels.max()) + 1, dtype=np.uint8)  # holds `_LABELS_AT_ONCE`
    lookup[[row.index for row in rows]] = np.arange(1, len(rows) + 1)
    return Patch(level, box, lookup[pixels], tuple(rows), plane)
