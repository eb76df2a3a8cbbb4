"""Labels that carry meaning: one label array per level, and a row of facts per label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_runs import (
    LabelArray,
    Window,
    covers,
    distinct,
    hull,
    measure,
    overlap,
    runs,
)
from napari_semantic_sam.inference.results import Candidate

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


def to_columns(rows: Iterable[LabelRow]) -> dict[str, list[Any]]:
    """Return rows as one list per column, as tables want them."""
    listed = list(rows)
    return {name: [getattr(row, name) for row in listed] for name in COLUMNS}


class LevelLabels:
    """Label arrays of several levels over one picture, with a row for each label.

    The arrays may be shared, for example with a viewer: they are only changed in place, and
    `refresh` picks up what others changed.

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
            self.attach(level, np.zeros(self.shape, dtype=np.int32))
        return self._arrays[level]

    def rows(self, level: int) -> list[LabelRow]:
        """Return the rows of a level, by index."""
        rows = self._rows.get(level, {})
        return [rows[index] for index in sorted(rows)]

    def attach(self, level: int, array: LabelArray, rows: Iterable[LabelRow] = ()) -> None:
        """Use an array that exists already for a level.

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
        self._arrays[level] = array
        self._rows[level] = {row.index: row for row in rows}
        self._windows[level] = {}
        self.refresh(level)

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
        array = self.array(level)
        y0, x0, y1, x1 = candidate.box
        window = (slice(y0, y1), slice(x0, x1))
        free = candidate.crop & (array[window] == 0)
        if not free.any():
            return None
        index = _next_label(array, level)
        array[window][free] = index
        self._windows[level][index] = window
        self._rows[level][index] = LabelRow(
            index,
            level,
            predicted_iou=candidate.predicted_iou,
            stability=candidate.stability,
            area=int(np.count_nonzero(free)),
            source=source,
        )
        self._set_parents(level, [index])
        for finer in self._finer(level):
            self._set_parents(finer, np.unique(self._arrays[finer][window][free]).tolist())
        return self._rows[level][index]

    def refresh(
        self, level: int, window: Window | None = None, rows: Iterable[LabelRow] = ()
    ) -> None:
        """Take over what was changed in a level's array from outside.

        New labels get a row with source "painted", labels that are gone lose theirs; areas
        are counted and parents found anew, those of finer levels too.

        Parameters
        ----------
        level : int
        window : (rows, columns), optional
            Slices with non-negative bounds around everything that was changed; the whole
            picture when left out. Only labels with pixels in it, now or before, are counted.
        rows : iterable of LabelRow, optional
            What is known by now about its labels; area and parent in them count for nothing.
        """
        known = {row.index: row for row in rows}
        for index, row in self._rows[level].items():
            self._rows[level][index] = replace(
                known.get(index, row),
                area=row.area,
                parent_level=row.parent_level,
                parent=row.parent,
            )
        touched = None if window is None else self._touched(level, window)
        self._set_parents(level, self._count(level, touched, window))
        for each in self._finer(level):
            below = self._rows[each] if window is None else distinct(self._arrays[each][window])
            self._set_parents(each, below)

    def _touched(self, level: int, window: Window) -> set[int]:
        """Return the labels that are in a window, or may have been before it was changed."""
        before = [index for index, box in self._windows[level].items() if overlap(box, window)]
        return {index for index in distinct(self._arrays[level][window]) if index > 0} | {*before}

    def _count(self, level: int, touched: set[int] | None, window: Window | None) -> set[int]:
        """Measure labels, all for None, that lie in their old boxes and a window."""
        rows, windows = self._rows[level], self._windows[level]
        region = (slice(0, self.shape[0]), slice(0, self.shape[1]))
        if touched is not None and window is not None:
            region = hull([window, *(windows[index] for index in touched & windows.keys())])
        measured = measure(self._arrays[level][region], (region[0].start, region[1].start))
        counted = rows.keys() | measured.keys() if touched is None else touched
        for index in counted:
            row, _ = rows.pop(index, LabelRow(index, level)), windows.pop(index, None)
            if index in measured:
                area, windows[index] = measured[index]
                rows[index] = replace(row, area=area)
        return set(counted)

    def _finer(self, level: int) -> list[int]:
        return [each for each in self.levels if each > level]

    def _set_parents(self, level: int, indices: Iterable[int]) -> None:
        """Find the parents of those of `indices` that have a row."""
        rows = self._rows[level]
        children = set(indices) & rows.keys()
        if not children:
            return
        found = self._parents_of(level, children)
        for index in children:
            parent_level, parent = found.get(index, (0, 0))
            if (rows[index].parent_level, rows[index].parent) != (parent_level, parent):
                rows[index] = replace(rows[index], parent_level=parent_level, parent=parent)

    def _parents_of(self, level: int, children: set[int]) -> dict[int, tuple[int, int]]:
        """Return ``(level, index)`` of the parents of those that have one."""
        found: dict[int, tuple[int, int]] = {}
        coarser = self.levels[: self.levels.index(level)]
        if not coarser:
            return found
        region = hull([self._windows[level][index] for index in children])
        arrays = [self._arrays[each][region] for each in (level, *coarser)]
        begins, lengths = runs(arrays)
        values = arrays[0][begins]
        wanted = np.isin(values, np.fromiter(children, dtype=values.dtype))
        begins, lengths, values = (
            (begins[0][wanted], begins[1][wanted]),
            lengths[wanted],
            values[wanted],
        )
        for each, array in zip(coarser, arrays[1:], strict=True):  # the nearest one comes last
            for child, parent in covers(values, array[begins], lengths):
                found[child] = (each, parent)
        return found


def _next_label(array: LabelArray, level: int) -> int:
    index = int(array.max()) + 1
    if index > np.iinfo(array.dtype).max:
        raise UserError(
            f"The labels of level {level} are {array.dtype}, which cannot count beyond "
            f"{index - 1}; convert that layer to a larger integer type."
        )
    return index
