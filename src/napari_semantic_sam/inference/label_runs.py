"""Counting labels quickly: areas, bounding boxes and who covers whom, from runs of pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import Box

LabelArray = npt.NDArray[np.integer[Any]]
Window = tuple[slice, slice]
Positions = npt.NDArray[np.intp]

PARENT_COVER = 0.8
"""A parent covers at least this share of its child."""


def runs(
    arrays: Sequence[LabelArray],
) -> tuple[tuple[Positions, Positions], Positions]:
    """Cut rows of pixels where any array changes: much fewer runs than pixels to count.

    Returns
    -------
    (y, x) : arrays of int
        Where each run begins, row by row.
    lengths : array of int
    """
    begins: npt.NDArray[np.bool_] = np.zeros(arrays[0].shape, dtype=np.bool_)
    begins[:, :1] = True
    for array in arrays:
        begins[:, 1:] |= array[:, 1:] != array[:, :-1]
    flat = np.flatnonzero(begins)
    width = arrays[0].shape[-1]
    return (flat // width, flat % width), np.diff(flat, append=begins.size)


def distinct(array: LabelArray) -> list[int]:
    """Return the different values of an array."""
    values: list[int] = np.unique(array[runs([array])[0]]).tolist()
    return values


def measure(array: LabelArray, origin: tuple[int, int]) -> dict[int, tuple[int, Window]]:
    """Return the area and the bounding box of every label in a part of a picture."""
    (y, x), lengths = runs([array])
    values = array[y, x]
    occupied = np.flatnonzero(values > 0)
    if not occupied.size:
        return {}
    order = occupied[np.argsort(values[occupied], kind="stable")]
    values, y, x, lengths = (
        values[order],
        y[order] + origin[0],
        x[order] + origin[1],
        lengths[order],
    )
    firsts = _changes(values)
    boxes = zip(
        np.minimum.reduceat(y, firsts).tolist(),
        (np.maximum.reduceat(y, firsts) + 1).tolist(),
        np.minimum.reduceat(x, firsts).tolist(),
        np.maximum.reduceat(x + lengths, firsts).tolist(),
        strict=True,
    )
    windows = [(slice(y0, y1), slice(x0, x1)) for y0, y1, x0, x1 in boxes]
    areas = np.add.reduceat(lengths, firsts).tolist()
    return dict(zip(values[firsts].tolist(), zip(areas, windows, strict=True), strict=True))


def find_parents(
    planes: Iterable[tuple[LabelArray, Mapping[int, LabelArray]]], children: Collection[int]
) -> dict[int, tuple[int, int]]:
    """Find the labels that cover enough of others, counted over all planes.

    Parameters
    ----------
    planes : iterable of pairs
        Of each plane that holds some of `children`, an (h, w) part that holds all of their
        pixels there, and the same part in coarser levels by level, the coarsest first.
    children : collection of int
        Labels in these planes.

    Returns
    -------
    dict of int to (level, label)
        The parent in the nearest coarser level that has one; nothing for those without.
    """
    counted: dict[int, list[tuple[LabelArray, LabelArray, Positions]]] = {}
    for array, coarser in planes:
        begins, lengths = runs([array, *coarser.values()])
        values = array[begins]
        wanted = np.isin(values, np.fromiter(children, dtype=values.dtype))
        y, x = begins[0][wanted], begins[1][wanted]
        for level, parents in coarser.items():
            part = (values[wanted], parents[y, x], lengths[wanted])
            counted.setdefault(level, []).append(part)
    found: dict[int, tuple[int, int]] = {}
    for level, parts in counted.items():  # the nearest one comes last
        values, above, lengths = (np.concatenate(each) for each in zip(*parts, strict=True))
        for child, parent in _covers(values, above, lengths):
            found[child] = (level, parent)
    return found


def _covers(
    children: LabelArray, parents: LabelArray, lengths: Positions
) -> Iterable[tuple[int, int]]:
    """Return pairs of a child and the label that covers enough of it, from runs of both."""
    order = np.lexsort((parents, children))
    children, parents, lengths = children[order], parents[order], lengths[order]
    pairs = _changes(children, parents)
    shared = np.add.reduceat(lengths, pairs)
    children, parents = children[pairs], parents[pairs]
    firsts = _changes(children)
    areas = np.repeat(np.add.reduceat(shared, firsts), np.diff(firsts, append=len(children)))
    enough = (parents > 0) & (shared / areas >= PARENT_COVER)
    return zip(children[enough].tolist(), parents[enough].tolist(), strict=True)


def _changes(*sorted_together: LabelArray) -> Positions:
    """Return where a new value begins in any of several arrays that are not empty."""
    begins = np.ones(len(sorted_together[0]), dtype=bool)
    begins[1:] = np.any([each[1:] != each[:-1] for each in sorted_together], axis=0)
    return np.flatnonzero(begins)


def slices_of(box: Box) -> Window:
    """Return a box as an index of arrays of the picture's size."""
    y0, x0, y1, x1 = box
    return slice(y0, y1), slice(x0, x1)


def box_of(window: Window) -> Box:
    """Return an index of arrays of the picture's size as a box."""
    rows, columns = window
    return rows.start, columns.start, rows.stop, columns.stop


def hull(windows: Sequence[Window]) -> Window:
    """Return the smallest window around some, at least one."""
    rows, columns = ([window[axis] for window in windows] for axis in (0, 1))
    return _around(rows), _around(columns)


def _around(slices: Sequence[slice]) -> slice:
    return slice(min(each.start for each in slices), max(each.stop for each in slices))
