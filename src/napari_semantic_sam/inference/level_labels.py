"""Labels that carry meaning: one label array per level, and a row of facts per label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.results import Candidate

Source = Literal["click", "box", "automatic", "batch", "propagated", "painted"]
LabelArray = npt.NDArray[np.integer[Any]]
Window = tuple[slice, slice]

PARENT_COVER = 0.8
"""A parent covers at least this share of its child."""


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
    values = [astuple(row) for row in rows]
    return {name: [row[index] for row in values] for index, name in enumerate(COLUMNS)}


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

    def remove(self, level: int, index: int) -> None:
        """Turn a label back into background.

        Raises
        ------
        KeyError
            If there is no such label.
        """
        del self._rows[level][index], self._windows[level][index]
        array = self._arrays[level]
        array[array == index] = 0
        for finer in self._finer(level):
            orphans = [
                child
                for child, row in self._rows[finer].items()
                if (row.parent_level, row.parent) == (level, index)
            ]
            self._set_parents(finer, orphans)

    def refresh(self, level: int) -> None:
        """Take over what was changed in a level's array from outside.

        New labels get a row with source "painted", labels that are gone lose theirs; areas
        are counted and parents found anew, those of finer levels too.
        """
        old = self._rows[level]
        areas, self._windows[level] = _measure(self._arrays[level])
        self._rows[level] = {
            index: replace(old.get(index, LabelRow(index, level)), area=area)
            for index, area in areas.items()
        }
        for each in (level, *self._finer(level)):
            self._set_parents(each, self._rows[each])

    def _finer(self, level: int) -> list[int]:
        return [each for each in self.levels if each > level]

    def _set_parents(self, level: int, indices: Iterable[int]) -> None:
        """Find the parents of those of `indices` that have a row."""
        rows = self._rows[level]
        for index in set(indices) & rows.keys():
            parent_level, parent = self._parent_of(level, index)
            rows[index] = replace(rows[index], parent_level=parent_level, parent=parent)

    def _parent_of(self, level: int, index: int) -> tuple[int, int]:
        window = self._windows[level][index]
        inside = self._arrays[level][window] == index
        for coarser in reversed(self.levels[: self.levels.index(level)]):
            parent = _cover(self._arrays[coarser][window][inside])
            if parent:
                return coarser, parent
        return 0, 0


def _cover(values: LabelArray) -> int:
    """Return the label that covers enough of a region with these values, or 0."""
    if not values.size:
        return 0
    # What fills more than half of a region is its median, which is quicker than counting all.
    middle = values.size // 2
    median = int(np.partition(values, middle)[middle])
    covered = np.count_nonzero(values == median) / values.size
    return median if covered >= PARENT_COVER else 0


def _next_label(array: LabelArray, level: int) -> int:
    index = int(array.max()) + 1
    if index > np.iinfo(array.dtype).max:
        raise UserError(
            f"The labels of level {level} are {array.dtype}, which cannot count beyond "
            f"{index - 1}; convert that layer to a larger integer type."
        )
    return index


def _measure(array: LabelArray) -> tuple[dict[int, int], dict[int, Window]]:
    """Return the area and the bounding box of every label."""
    occupied = array > 0
    indices, inverse, areas = np.unique(array[occupied], return_inverse=True, return_counts=True)
    # Painted labels can be any number; consecutive ones keep the list of boxes short.
    compact = np.zeros(array.shape, dtype=np.int32)
    compact[occupied] = inverse + 1
    windows = ndimage.find_objects(compact)
    labels = indices.tolist()
    return dict(zip(labels, areas.tolist(), strict=True)), dict(zip(labels, windows, strict=True))
