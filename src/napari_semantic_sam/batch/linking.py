"""The planes of a picture linked along z or time, so that an object has one number in all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.automatic.link import Link, LinkRules, LinkTable, link_slices
from napari_semantic_sam.inference.drift import STILL, Shift, find_drift
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.inference.label_runs import LabelArray

LINKS = "links.csv"
LINK_COLUMNS = ("level", *(field.name for field in fields(Link)))

Numbers = Mapping[tuple[int, int, int], int]
"""The object of each label, by the number of the plane, the level, and the label there."""

Links = Mapping[int, list[tuple[int, Link]]]
"""Of each level, the number of the plane and the row of each label."""

_SKETCH_SIDE = 1024
_ROWS = 256


class Movements:
    """By how much the picture moves from plane to plane; only one small plane is kept.

    Parameters
    ----------
    length : int
        Every so many planes, another series begins, as the stack of the next time point.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._found: dict[int, Shift] = {}
        self._last: tuple[int, npt.NDArray[np.float32]] | None = None

    def add(self, number: int, plane: Plane) -> None:
        """Look at the plane with this number; planes come in order, and some may be missing.

        Raises
        ------
        UserError
            If it cannot be read.
        """
        step = -(-max(plane.shape) // _SKETCH_SIDE)
        sketch = _sketch(plane, step)
        if self._last is not None and self._last[0] // self.length == number // self.length:
            dy, dx = find_drift(self._last[1], sketch)
            self._found[number] = (dy * step, dx * step)
        self._last = (number, sketch)

    def of_series(self, start: int) -> list[Shift]:
        """Return the movements in the series that begins with a plane, to each from the one before.

        Nothing moves to a plane that is missing; the one after it has moved for both.
        """
        return [self._found.get(start + index, STILL) for index in range(1, self.length)]


def _sketch(plane: Plane, step: int) -> npt.NDArray[np.float32]:
    """Read one pixel in `step` along both sides, a few rows at a time; channels are added."""
    height, width = plane.shape
    rows = step * max(1, _ROWS // step)
    parts = []
    for y0 in range(0, height, rows):
        values = plane.levels[0].read((y0, 0, min(y0 + rows, height), width))
        parts.append(values[::step, ::step].sum(axis=-1, dtype=np.float32))
    return np.concatenate(parts)


class Planes(Protocol):
    """The label images of one level: `LabelPlanes` in memory, `ZarrPlanes` on disk."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]:
        """Yield ``(H, W)`` labels that are read in crops."""

    def change(self, change: Callable[[int, LabelArray], LabelArray], /) -> None:
        """Replace labels; the callable takes the number of a plane and a part of it."""


def link_levels(
    levels: Mapping[int, Planes], movements: Movements, rules: LinkRules
) -> tuple[Links, Numbers]:
    """Give every object one number in all planes of its series, level by level.

    Parameters
    ----------
    levels : mapping of level to Planes
        Whole series, see `Movements`; empty planes where one is missing. Their labels become
        the numbers of objects, which no two series share.
    movements : Movements
    rules : LinkRules

    Returns
    -------
    links : mapping
    numbers : mapping
        The object of each label.
    """
    links = {level: _link_planes(planes, movements, rules) for level, planes in levels.items()}
    numbers = {
        (number, level, row.label): row.object
        for level, found in links.items()
        for number, row in found
    }
    return links, numbers


def _link_planes(planes: Planes, movements: Movements, rules: LinkRules) -> list[tuple[int, Link]]:
    tables, to_link, objects = list[LinkTable](), iter(planes), 0
    for start in range(0, len(planes), movements.length):
        series = islice(to_link, movements.length)
        found = link_slices(series, drifts=movements.of_series(start), rules=rules)
        tables.append(_after(objects, found))
        objects = max((row.object for row in tables[-1].rows), default=objects)

    def numbered(plane: int, labels: LabelArray) -> LabelArray:
        series, index = divmod(plane, movements.length)
        return tables[series].relabel(index, labels)

    planes.change(numbered)
    return [
        (series * movements.length + row.index, row)
        for series, table in enumerate(tables)
        for row in table.rows
    ]


def _after(objects: int, table: LinkTable) -> LinkTable:
    """Count objects on from those of the series before."""
    return LinkTable(
        replace(row, object=row.object + objects, parent=row.parent and row.parent + objects)
        for row in table.rows
    )


def renumber(rows: Iterable[tuple[int, dict[str, Any]]], numbers: Numbers) -> None:
    """Give the labels in the rows of a table, and their parents, the numbers of their objects.

    Parameters
    ----------
    rows : iterable of (int, dict)
        The number of the plane, and columns of `LabelRow`, at least `index` and `level`;
        changed in place.
    numbers : mapping
    """
    for plane, row in rows:
        row["index"] = numbers[plane, row["level"], row["index"]]
        if row.get("parent"):
            row["parent"] = numbers[plane, row["parent_level"], row["parent"]]
