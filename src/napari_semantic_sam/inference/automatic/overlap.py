"""Which labels of two slices lie over each other, and who belongs to whom by that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_semantic_sam.inference.automatic.canvas import blocks
from napari_semantic_sam.inference.automatic.label_counts import add_up, pairs_of
from napari_semantic_sam.inference.drift import STILL, Shift, common_windows
from napari_semantic_sam.inference.label_runs import LabelArray, Window, measure, slices_of

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SliceOverlaps:
    """All pairs of a label of one slice and a label of another that share a pixel.

    Attributes
    ----------
    before, after : (P,) int arrays
        The labels of each pair, in the one slice and in the other.
    iou : (P,) float array
    covered_before, covered_after : (P,) float arrays
        Share of either label that the other covers.
    """

    before: Ints
    after: Ints
    iou: Floats
    covered_before: Floats
    covered_after: Floats

    def only(self, chosen: npt.NDArray[np.bool_]) -> SliceOverlaps:
        """Return some of the pairs."""
        return SliceOverlaps(
            self.before[chosen],
            self.after[chosen],
            self.iou[chosen],
            self.covered_before[chosen],
            self.covered_after[chosen],
        )

    def pairs(self) -> list[tuple[int, int, float]]:
        """Return the label before, the label after and the IoU of each."""
        return list(zip(self.before.tolist(), self.after.tolist(), self.iou.tolist(), strict=True))


class LabelSlice:
    """The label image of one slice, which is looked at a block at a time.

    Parameters
    ----------
    labels : (H, W) integers, 0 being background
        Read in crops: numpy, zarr.
    """

    def __init__(self, labels: Any) -> None:
        self._labels = labels

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self._labels.shape
        return int(height), int(width)

    @cached_property
    def areas(self) -> dict[int, int]:
        """Area of every label."""
        areas: dict[int, int] = {}
        for block in blocks(self.shape):
            for label, (area, _) in measure(self.read(slices_of(block)), block[:2]).items():
                areas[label] = areas.get(label, 0) + area
        return areas

    def read(self, window: Window) -> LabelArray:
        """Return a part."""
        return np.asarray(self._labels[window])


def slice_overlaps(before: LabelSlice, after: LabelSlice, drift: Shift = STILL) -> SliceOverlaps:
    """Compare the labels of two slices of the same shape, block by block.

    Parameters
    ----------
    before, after : LabelSlice
    drift : (dy, dx) of ints
        By which everything has moved from the one to the other; areas are those of whole
        labels, also where a part of them moves out.
    """
    pairs, counts = [np.zeros((2, 0), np.int64)], list[Ints]([np.zeros(0, np.int64)])
    for window, moved in _common_blocks(before.shape, drift):
        in_block, pixels = pairs_of(before.read(window), after.read(moved))
        pairs.append(in_block)
        counts.append(pixels)
    found, shared = add_up(np.concatenate(pairs, axis=1), np.concatenate(counts))
    sizes = [
        np.array([areas[label] for label in labels.tolist()], dtype=np.float64)
        for areas, labels in zip((before.areas, after.areas), found, strict=True)
    ]
    return SliceOverlaps(
        found[0],
        found[1],
        shared / (sizes[0] + sizes[1] - shared),
        shared / sizes[0],
        shared / sizes[1],
    )


def _common_blocks(shape: tuple[int, int], drift: Shift) -> Iterator[tuple[Window, Window]]:
    """Yield blocks of what two slices have in common, as windows of the one and of the other."""
    windows = common_windows(shape, drift)
    starts = [(rows.start, columns.start) for rows, columns in windows]
    rows, columns = windows[0]
    for y0, x0, y1, x1 in blocks((rows.stop - rows.start, columns.stop - columns.start)):
        first, second = (
            slices_of((y0 + top, x0 + left, y1 + top, x1 + left)) for top, left in starts
        )
        yield first, second


def assign(overlaps: SliceOverlaps) -> SliceOverlaps:
    """Choose pairs so that no label is in two of them and the sum of their IoUs is largest.

    Labels that do not hang together by overlaps have no influence on each other: each group
    gets an assignment of its own, which gives the same as one of all labels and stays quick
    in large slices.
    """
    if not len(overlaps.iou):
        return overlaps
    _, rows = np.unique(overlaps.before, return_inverse=True)
    _, columns = np.unique(overlaps.after, return_inverse=True)
    columns = columns + rows.max() + 1
    size = int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    _, group_of_node = connected_components(graph, directed=False)
    group_of_pair = group_of_node[rows]
    order = np.argsort(group_of_pair, kind="stable")
    starts = np.flatnonzero(np.diff(group_of_pair[order], prepend=-1))
    chosen = np.zeros(len(rows), dtype=bool)
    for members in np.split(order, starts[1:]):
        chosen[_best_of(members, rows, columns, overlaps.iou)] = True
    return overlaps.only(chosen)


def _best_of(members: Ints, rows: Ints, columns: Ints, iou: Floats) -> Ints:
    """Return those of one group of pairs that the assignment takes."""
    if len(members) == 1:
        return members
    row_values, row = np.unique(rows[members], return_inverse=True)
    column_values, column = np.unique(columns[members], return_inverse=True)
    table = np.zeros((len(row_values), len(column_values)))
    table[row, column] = iou[members]
    pair = np.full(table.shape, -1)
    pair[row, column] = members
    taken: Ints = pair[linear_sum_assignment(table, maximize=True)]
    return taken[taken >= 0]
