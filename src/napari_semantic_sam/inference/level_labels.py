"""Labels that carry meaning: one label array per level, and a row of facts per label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_runs import (
    LabelArray,
    Window,
    box_of,
    distinct,
    find_parents,
    hull,
    measure,
    slices_of,
)
from napari_semantic_sam.inference.results import Box, Candidate

Source = Literal["click", "box", "automatic", "batch", "propagated", "painted"]


@dataclass(frozen=True)
class LabelRow:
    """The facts about one label, in the order of the table's columns.

    Attributes
    ----------
    index : int
        The label's value in the array of its level.
    level : int
        1 (coarsest) .. K.
    object, part : str
        Names, "" where there is none.
    object_score, part_score, predicted_iou, stability : float
        NaN where unknown, as for painted labels.
    area : int
        In pixels.
    parent_level, parent : int
        The label in the nearest coarser level that covers at least 0.8 of it, 0 and 0 if
        there is none.
    source : str
        How it came about.
    """

    index: int
    level: int
    object: str = ""
    object_score: float = math.nan
    part: str = ""
    part_score: float = math.nan
    predicted_iou: float = math.nan
    stability: float = math.nan
    area: int = 0
    parent_level: int = 0
    parent: int = 0
    source: Source = "painted"


COLUMNS = tuple(field.name for field in fields(LabelRow))


_NEW = np.int32
"""The type of labels in levels that are made here."""

_COUNTED = ("level", "area", "parent_level", "parent")


def describe(candidate: Candidate, index: int, level: int, source: Source) -> LabelRow:
    """Return what is known about the label of a candidate before it is written."""
    return LabelRow(
        index,
        level,
        predicted_iou=candidate.predicted_iou,
        stability=candidate.stability,
        source=source,
    )


def to_columns(rows: Iterable[LabelRow]) -> dict[str, list[Any]]:
    """Return rows as one list per column, as tables want them."""
    listed = list(rows)
    return {name: [getattr(row, name) for row in listed] for name in COLUMNS}


_Part = tuple[int, Window]
"""Some pixels of a label: how many, and what surrounds them."""


class LevelLabels:
    """Label arrays of several levels over one picture, with a row for each label.

    The arrays may be shared, for example with a viewer: they are changed in place, and nobody
    else may change them.

    Parameters
    ----------
    shape : (H, W)
        Of the picture.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._arrays: dict[int, LabelArray] = {}
        self._rows: dict[int, dict[int, LabelRow]] = {}
        self._windows: dict[int, dict[int, Window]] = {}

    @property
    def levels(self) -> list[int]:
        """The levels that have an array, coarse to fine."""
        return sorted(self._arrays)

    def array(self, level: int) -> LabelArray:
        """Return the (H, W) array of a level, an empty int32 one if it is new."""
        if level not in self._arrays:
            self.attach(level, np.zeros(self.shape, dtype=_NEW))
        return self._arrays[level]

    def rows(self, level: int) -> list[LabelRow]:
        """Return the rows of a level, by index."""
        rows = self._rows.get(level, {})
        return [rows[index] for index in sorted(rows)]

    def row(self, level: int, index: int) -> LabelRow | None:
        """Return the row of a label; None if there is no such label."""
        return self._rows.get(level, {}).get(index)

    def box(self, level: int, index: int) -> Box:
        """Return a box that holds all pixels of a label that exists; there may be a smaller one."""
        return box_of(self._windows[level][index])

    def pixels(self, level: int, box: Box) -> LabelArray:
        """Return a copy of pixels ``[y0:y1, x0:x1]`` of a level, which may be new."""
        if level in self._arrays:
            return self._arrays[level][slices_of(box)].copy()
        return np.zeros((box[2] - box[0], box[3] - box[1]), dtype=_NEW)

    def next_index(self, level: int, count: int = 1) -> int:
        """Return the first of `count` successive numbers for new labels of a level.

        The level may be new.

        Raises
        ------
        UserError
            If the array's type cannot count further.
        """
        array = self._arrays.get(level, np.zeros(1, dtype=_NEW))
        limit, used = np.iinfo(array.dtype).max, int(array.max())
        if used + count > limit:
            raise UserError(
                f"The labels of level {level} are {array.dtype}, which cannot count beyond "
                f"{limit}; right-click that layer and convert its data type to int32."
            )
        return used + 1

    def attach(self, level: int, array: LabelArray, rows: Iterable[LabelRow] = ()) -> None:
        """Use an array that exists already for a level, in place of the one it has.

        Parameters
        ----------
        level : int
        array : (H, W) integer array
        rows : iterable of LabelRow, optional
            What is known about its labels; those without a row count as painted.

        Raises
        ------
        ValueError
            If it is not an integer array of the picture's shape.
        """
        if array.shape != self.shape or array.dtype.kind not in "iu":
            raise ValueError(
                f"need integers of shape {self.shape}, got {array.dtype} {array.shape}"
            )
        known = {row.index: row for row in rows}
        measured = measure(array, (0, 0))
        self._arrays[level] = array
        self._windows[level] = {index: window for index, (_, window) in measured.items()}
        self._rows[level] = {
            index: replace(known.get(index, LabelRow(index, level)), level=level, area=area)
            for index, (area, _) in measured.items()
        }
        for each in (level, *self._finer(level)):
            self._set_parents(each, self._rows[each])

    def detach(self, level: int) -> None:
        """Forget a level; its labels are no longer parents."""
        del self._arrays[level], self._rows[level], self._windows[level]
        for finer in self._finer(level):
            self._set_parents(finer, self._rows[finer])

    def add(self, candidate: Candidate, level: int, source: Source) -> LabelRow | None:
        """Write a mask into the background of a level; labels that exist stay as they are.

        Parameters
        ----------
        candidate : Candidate
            Of this picture.
        level : int
            Where to write it, whatever its own level is.
        source : str

        Returns
        -------
        LabelRow or None
            The new label's row; None if no pixel of the mask was free.

        Raises
        ------
        ValueError
            If the candidate belongs to a picture of another size.
        UserError
            If the array's type cannot count further.
        """
        if candidate.shape != self.shape:
            raise ValueError(f"a mask of a {candidate.shape} picture cannot go into {self.shape}")
        present = self.array(level)[slices_of(candidate.box)]
        free = candidate.crop & (present == 0)
        if not free.any():
            return None
        row = describe(candidate, self.next_index(level), level, source)
        self.paste(level, candidate.box, np.where(free, row.index, present), [row])
        return self.row(level, row.index)

    def paste(
        self,
        level: int,
        box: Box,
        pixels: npt.ArrayLike,
        rows: Iterable[LabelRow] = (),
    ) -> None:
        """Write pixels of a level, and what is known about labels.

        New labels get a row with source "painted" unless one is given, labels that are gone
        lose theirs; areas are counted and parents found anew, those of finer levels too.

        Parameters
        ----------
        level : int
        box : (y0, x0, y1, x1) ints
            Pixels ``[y0:y1, x0:x1]``. The array is replaced by one of a larger type if
            it cannot hold them.
        pixels : (y1 - y0, x1 - x0) integers
        rows : iterable of LabelRow, optional
            As for `learn`.
        """
        window, origin, after = slices_of(box), box[:2], np.asarray(pixels)
        array = self.array(level)
        if not _fits(after, array.dtype):
            wider = np.promote_types(array.dtype, after.dtype)
            # Signed and unsigned numbers of 64 bits have no integer type in common.
            array = array.astype(wider if wider.kind in "iu" else np.uint64)
            self._arrays[level] = array
        before = array[window]
        changed = before != after
        lost = measure(np.where(changed, before, 0), origin)
        gained = measure(np.where(changed, after, 0), origin)
        array[window] = after
        for index in lost.keys() | gained.keys():
            self._count(level, index, lost.get(index), gained.get(index))
        self.learn(level, rows)
        self._set_parents(level, lost.keys() | gained.keys())
        for finer in self._finer(level):
            below = np.where(changed, self._arrays[finer][window], 0)
            self._set_parents(finer, distinct(below))

    def learn(self, level: int, rows: Iterable[LabelRow]) -> None:
        """Take over facts about labels of a level, such as names.

        What is counted (area and parent) stays, and so do labels that do not exist.
        """
        present = self._rows[level]
        for row in rows:
            if row.index in present:
                old = present[row.index]
                counted = {name: getattr(old, name) for name in _COUNTED}
                present[row.index] = replace(row, **counted)

    def _count(self, level: int, index: int, lost: _Part | None, gained: _Part | None) -> None:
        """Note that a label lost and gained some pixels; new ones and empty ones, too."""
        rows, windows = self._rows[level], self._windows[level]
        row = rows.pop(index, LabelRow(index, level))
        area = row.area - (lost[0] if lost else 0) + (gained[0] if gained else 0)
        parts = [windows.pop(index)] if index in windows else []
        if area > 0:
            rows[index] = replace(row, area=area)
            windows[index] = hull([*parts, gained[1]] if gained else parts)

    def _finer(self, level: int) -> list[int]:
        return [each for each in self.levels if each > level]

    def _set_parents(self, level: int, indices: Iterable[int]) -> None:
        """Find the parents of those of `indices` that have a row."""
        rows = self._rows[level]
        children = set(indices) & rows.keys()
        if not children:
            return
        coarser = self.levels[: self.levels.index(level)]
        region = hull([self._windows[level][index] for index in children])
        above = {each: self._arrays[each][region] for each in coarser}
        found = find_parents(self._arrays[level][region], above, children) if above else {}
        for index in children:
            parent_level, parent = found.get(index, (0, 0))
            if (rows[index].parent_level, rows[index].parent) != (parent_level, parent):
                rows[index] = replace(rows[index], parent_level=parent_level, parent=parent)


def _fits(pixels: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return not pixels.size or bool(limits.min <= pixels.min() and pixels.max() <= limits.max)
