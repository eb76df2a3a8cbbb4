"""Areas, boxes and parents of labels that come block by block."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.automatic.tree import Node
from napari_semantic_sam.inference.label_runs import (
    PARENT_COVER,
    LabelArray,
    box_of,
    measure,
    runs,
)
from napari_semantic_sam.inference.results import EMPTY, Box, around


class LabelCounts:
    """Counts of labels, and of what each shares with those of coarser levels.

    What is kept grows with the number of labels, not with that of pixels.
    """

    def __init__(self) -> None:
        self._areas: dict[Node, int] = {}
        self._boxes: dict[Node, Box] = {}
        self._common: dict[Node, dict[Node, int]] = {}

    def add(self, labels: Mapping[int, LabelArray], origin: tuple[int, int] = (0, 0)) -> None:
        """Count the pixels of a block.

        Parameters
        ----------
        labels : mapping of level to (h, w) int array
            The same block in each level.
        origin : (y, x)
            Where it begins.
        """
        for level, array in labels.items():
            for index, (area, window) in measure(array, origin).items():
                node, box = (level, index), box_of(window)
                self._areas[node] = self._areas.get(node, 0) + area
                self._boxes[node] = around((self._boxes.get(node, box), box))
        for coarser, level in itertools.combinations(sorted(labels), 2):
            pairs, counts = pairs_of(labels[coarser], labels[level])
            for parent, index, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
                found = self._common.setdefault((level, index), {})
                found[coarser, parent] = found.get((coarser, parent), 0) + count

    def area(self, node: Node) -> int:
        """Return the pixels of a label, 0 if there is none."""
        return self._areas.get(node, 0)

    def box(self, node: Node) -> Box:
        """Return the smallest box around a label, all 0 if it has no pixel."""
        return self._boxes.get(node, EMPTY)

    def parent(self, node: Node) -> Node:
        """Return the label of the nearest coarser level that covers enough, (0, 0) for none."""
        least = PARENT_COVER * self.area(node)
        above = self._common.get(node, {})
        # No two labels of a level cover so much.
        return max((each for each, count in above.items() if count >= least), default=(0, 0))


def pairs_of(
    first: LabelArray, second: LabelArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.integer[Any]]]:
    """Return the labels of two images that lie over each other, and by how many pixels.

    Parameters
    ----------
    first, second : (h, w) int arrays
        0 is background.

    Returns
    -------
    pairs : (2, P) array
        A label of the first and one of the second.
    counts : (P,) array
    """
    begins, lengths = runs([first, second])
    labels, covers = first[begins], second[begins]
    both = (labels > 0) & (covers > 0)
    pairs = np.stack([labels[both].astype(np.int64), covers[both].astype(np.int64)])
    return add_up(pairs, lengths[both])


def add_up(
    pairs: npt.NDArray[np.int64], counts: npt.NDArray[np.integer[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.integer[Any]]]:
    """Add up the counts of columns of `pairs`, (2, P), that are equal."""
    found, place = np.unique(pairs, axis=1, return_inverse=True)
    totals = np.zeros(found.shape[1], dtype=np.int64)
    np.add.at(totals, place.ravel(), counts)
    return found, totals
