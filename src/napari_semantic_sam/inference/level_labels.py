"""Labels that carry meaning: one label array per level, and a row of facts per label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.label_arrays import (
    NEW,
    able_to_hold,
    check_count,
    dense,
    stored,
    zeros,
)
from napari_semantic_sam.inference.label_chunks import Stored, occupied, within
from napari_semantic_sam.inference.label_parts import LabelParts, Part, PlaneIndex
from napari_semantic_sam.inference.label_row import (
    COLUMNS,
    LabelRow,
    Source,
    describe,
    to_columns,
)
from napari_semantic_sam.inference.label_runs import (
    LabelArray,
    box_of,
    distinct,
    find_parents,
    measure,
    slices_of,
)
from napari_semantic_sam.inference.results import EMPTY, Box, Candidate

__all__ = ["COLUMNS", "LabelRow", "LevelLabels", "Source", "describe", "to_columns"]

_COUNTED = ("level", "area", "parent_level", "parent")


class LevelLabels:
    """Label arrays of several levels over one picture, with a row for each label.

    The picture is one plane or a stack of planes. One plane at a time is worked on, and boxes
    are boxes in it; numbers and rows of labels hold for the whole stack. The arrays may be
    shared, for example with a viewer: they are changed in place, and nobody else may change
    them. Labels of large planes are in blocks, see `ChunkedLabels`, and never shared.

    Parameters
    ----------
    shape : (H, W)
        Of a plane.
    stack : tuple of int, optional
        Lengths of the axes before them, none for one plane.

    Attributes
    ----------
    plane : tuple of int
        The plane that is worked on, one number for each axis of `stack`.
    """

    def __init__(self, shape: tuple[int, int], stack: tuple[int, ...] = ()) -> None:
        self.shape = shape
        self.stack = stack
        self.plane: PlaneIndex = (0,) * len(stack)
        self._arrays: dict[int, Stored] = {}
        self._rows: dict[int, dict[int, LabelRow]] = {}
        self._parts: dict[int, LabelParts] = {}
        self._orphans: dict[int, set[int]] | None = None

    @property
    def levels(self) -> list[int]:
        """The levels that have an array, coarse to fine."""
        return sorted(self._arrays)

    @contextmanager
    def at(self, plane: PlaneIndex) -> Iterator[None]:
        """Work on another plane in a ``with`` statement."""
        before, self.plane = self.plane, plane
        try:
            yield
        finally:
            self.plane = before

    @contextmanager
    def parents_at_end(self) -> Iterator[None]:
        """Look for parents once, at the end of a ``with`` statement; rows have old ones until then.

        A label that is written plane by plane would be looked for in all its planes each time.
        """
        if self._orphans is not None:  # the outer one will do it
            yield
            return
        self._orphans = {}
        try:
            yield
        finally:
            orphans, self._orphans = self._orphans, None
            for level in sorted(orphans.keys() & self._rows.keys()):
                self._set_parents(level, orphans[level])

    def store(self, level: int) -> Stored:
        """Return what the (*stack, H, W) labels of a level are in, an empty one if it is new.

        An empty one is int32 and takes no memory where nothing was written. Both kinds are
        read in crops: ``[(*plane, *slices_of(box))]``.

        Raises
        ------
        UserError
            If there is no room for it.
        """
        if level not in self._arrays:
            self._arrays[level] = zeros((*self.stack, *self.shape))
            self._rows[level], self._parts[level] = {}, LabelParts()
        return self._arrays[level]

    def array(self, level: int) -> LabelArray:
        """Return the (*stack, H, W) array of a level, an empty int32 one if it is new.

        Of large planes it is a copy, which takes memory for every pixel.

        Raises
        ------
        UserError
            If there is no room for it.
        """
        return dense(self.store(level))

    def plane_array(self, level: int) -> LabelArray:
        """Return the (H, W) plane that is worked on, a view of `array` or, if large, a copy."""
        return self.store(level)[self.plane] if self.stack else self.array(level)

    def rows(self, level: int) -> list[LabelRow]:
        """Return the rows of a level, by index."""
        rows = self._rows.get(level, {})
        return [rows[index] for index in sorted(rows)]

    def row(self, level: int, index: int) -> LabelRow | None:
        """Return the row of a label; None if there is no such label."""
        return self._rows.get(level, {}).get(index)

    def areas(self, level: int) -> dict[int, int]:
        """Return the area in this plane of every label that has pixels in it."""
        return self._parts[level].areas(self.plane) if level in self._parts else {}

    def planes_of(self, level: int, index: int) -> list[PlaneIndex]:
        """Return the planes in which a label has pixels, in order."""
        return self._parts[level].planes_of(index) if level in self._parts else []

    def occupied(self, level: int) -> list[PlaneIndex]:
        """Return the planes in which a level that exists has labels, in order."""
        return self._parts[level].occupied

    def box(self, level: int, index: int) -> Box:
        """Return a box that holds all pixels of a label in this plane; there may be a smaller one.

        All 0 if it has none in this plane.
        """
        window = self._parts[level].window(self.plane, index) if level in self._parts else None
        return box_of(window) if window else EMPTY

    def pixels(self, level: int, box: Box) -> LabelArray:
        """Return a copy of pixels ``[y0:y1, x0:x1]`` of this plane of a level, maybe a new one."""
        if level in self._arrays:
            return np.array(self._arrays[level][within(self.plane, slices_of(box))])
        return np.zeros((box[2] - box[0], box[3] - box[1]), dtype=NEW)

    def next_index(self, level: int, count: int = 1) -> int:
        """Return the first of `count` successive numbers for new labels of a level.

        The level may be new.

        Raises
        ------
        UserError
            If the array's type cannot count further.
        """
        used = max(self._rows.get(level, {}), default=0)
        check_count(self._arrays.get(level), used + count, level)
        return used + 1

    def attach(self, level: int, array: Stored, rows: Iterable[LabelRow] = ()) -> None:
        """Use an array that exists already for a level, in place of the one it has.

        Parameters
        ----------
        level : int
        array : (*stack, H, W) integer array
            Of large planes that are not in blocks yet, a copy in blocks is used.
        rows : iterable of LabelRow, optional
            What is known about its labels; those without a row count as painted.

        Raises
        ------
        ValueError
            If it is not an integer array of the picture's shape.
        """
        wanted = (*self.stack, *self.shape)
        if array.shape != wanted or array.dtype.kind not in "iu":
            raise ValueError(f"need integers of shape {wanted}, got {array.dtype} {array.shape}")
        known = {row.index: row for row in rows}
        parts, array = LabelParts(), stored(array)
        for plane in np.ndindex(self.stack):
            for window in occupied(array, plane):
                parts.measure(plane, window, array[within(plane, window)])
        self._arrays[level], self._parts[level] = array, parts
        self._rows[level] = {
            index: replace(known.get(index, LabelRow(index, level)), level=level, area=area)
            for index, area in parts.totals().items()
        }
        for each in (level, *self._finer(level)):
            self._set_parents(each, self._rows[each])

    def detach(self, level: int) -> None:
        """Forget a level; its labels are no longer parents."""
        del self._arrays[level], self._rows[level], self._parts[level]
        for finer in self._finer(level):
            self._set_parents(finer, self._rows[finer])

    def add(self, candidate: Candidate, level: int, source: Source) -> LabelRow | None:
        """Write a mask into the background of a level; labels that exist stay as they are.

        Parameters
        ----------
        candidate : Candidate
            Of this plane.
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
        present = self.pixels(level, candidate.box)
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
        """Write pixels of this plane of a level, and what is known about labels.

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
        origin, after = box[:2], np.asarray(pixels)
        array = self._arrays[level] = able_to_hold(self.store(level), after)
        here = within(self.plane, slices_of(box))
        before = array[here]
        changed = before != after
        lost = measure(np.where(changed, before, 0), origin)
        gained = measure(np.where(changed, after, 0), origin)
        array[here] = after
        for index in lost.keys() | gained.keys():
            self._count(level, index, lost.get(index), gained.get(index))
        self.learn(level, rows)
        self._set_parents(level, lost.keys() | gained.keys())
        for finer in self._finer(level):
            below = np.where(changed, self._arrays[finer][here], 0)
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

    def _count(self, level: int, index: int, lost: Part | None, gained: Part | None) -> None:
        """Note that a label lost and gained some pixels; new ones and empty ones, too."""
        growth = self._parts[level].count(self.plane, index, lost, gained)
        rows = self._rows[level]
        row = rows.pop(index, LabelRow(index, level))
        if row.area + growth > 0:
            rows[index] = replace(row, area=row.area + growth)

    def _finer(self, level: int) -> list[int]:
        return [each for each in self.levels if each > level]

    def _set_parents(self, level: int, indices: Iterable[int]) -> None:
        """Find the parents of those of `indices` that have a row, perhaps later."""
        if self._orphans is not None:
            self._orphans.setdefault(level, set()).update(indices)
            return
        rows = self._rows[level]
        children = set(indices) & rows.keys()
        if not children:
            return
        coarser = self.levels[: self.levels.index(level)]
        found = find_parents(self._surroundings(level, children, coarser), children)
        for index in children:
            parent_level, parent = found.get(index, (0, 0))
            if (rows[index].parent_level, rows[index].parent) != (parent_level, parent):
                rows[index] = replace(rows[index], parent_level=parent_level, parent=parent)

    def _surroundings(
        self, level: int, children: set[int], coarser: list[int]
    ) -> Iterator[tuple[LabelArray, dict[int, LabelArray]]]:
        """Return, for every plane with such labels, what is around them in several levels."""
        for plane, region in self._parts[level].hulls(children) if coarser else ():
            array = self._arrays[level]
            for window in occupied(array, plane, region):
                here = within(plane, window)
                yield array[here], {each: self._arrays[each][here] for each in coarser}
