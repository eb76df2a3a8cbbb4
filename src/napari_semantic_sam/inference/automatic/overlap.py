"""Which labels of two slices lie over each other, and who belongs to whom by that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_semantic_sam.inference.drift import STILL, Shift, common_windows
from napari_semantic_sam.inference.label_runs import LabelArray, runs

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


def slice_overlaps(before: LabelArray, after: LabelArray, drift: Shift = STILL) -> SliceOverlaps:
    """Compare the labels of two slices of the same shape, 0 being background.

    Parameters
    ----------
    before, after : (H, W) int arrays
    drift : (dy, dx) of ints
        By which everything has moved from the one to the other; areas are those of whole
        labels, also where a part of them moves out.
    """
    window, moved_window = common_windows(before.shape, drift)
    first, second = before[window], after[moved_window]
    begins, lengths = runs([first, second])
    labels, covers = first[begins], second[begins]
    both = (labels > 0) & (covers > 0)
    pairs = np.stack([labels[both].astype(np.int64), covers[both].astype(np.int64)])
    found, place = np.unique(pairs, axis=1, return_inverse=True)
    shared = np.bincount(place.ravel(), lengths[both], found.shape[1])
    sizes = _areas_of(before, found[0]), _areas_of(after, found[1])
    return SliceOverlaps(
        found[0],
        found[1],
        shared / (sizes[0] + sizes[1] - shared),
        shared / sizes[0],
        shared / sizes[1],
    )


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


def _areas_of(labels: LabelArray, wanted: Ints) -> Floats:
    """Return the area of each of some labels that exist."""
    begins, lengths = runs([labels])
    values, place = np.unique(labels[begins], return_inverse=True)
    areas = np.bincount(place, lengths)
    return areas[np.searchsorted(values, wanted)].astype(np.float64)
