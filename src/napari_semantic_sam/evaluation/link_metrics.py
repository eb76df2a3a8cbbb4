"""How well objects of several slices hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.evaluation.metrics import overlaps

Labels = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LinkCounts:
    """Links that are right, of all that there are and of all that were made.

    A link is an object in two successive slices.

    Attributes
    ----------
    right : int
        Links of the truth whose both ends were found (IoU above 0.5 in their slice) as one
        object.
    true, made : int
        Links of the truth, and of what was found.
    """

    right: int
    true: int
    made: int

    @property
    def recall(self) -> float:
        """Share of the true links that were made; 1 if there are none."""
        return self.right / self.true if self.true else 1.0

    @property
    def accuracy(self) -> float:
        """Right links over all that exist or were made; 1 if there are none at all."""
        either = self.true + self.made - self.right
        return self.right / either if either else 1.0


def count_links(truth: Labels, found: Labels) -> LinkCounts:
    """Compare the links of two stacks.

    Parameters
    ----------
    truth, found : (N, H, W) integer arrays
        The same number in successive slices is a link; 0 is background.
    """
    right = true = made = 0
    before: dict[int, int] = {}
    for index, (here, there) in enumerate(zip(truth, found, strict=True)):
        table = overlaps(here, there)
        same = table.iou > 0.5  # above it, no object has two partners
        rows, columns = table.rows[same], table.columns[same]
        after = dict(
            zip(
                table.true_labels[rows].tolist(),
                table.predicted_labels[columns].tolist(),
                strict=True,
            )
        )
        if index:
            right += sum(before.get(label) == number for label, number in after.items())
            true += _in_both(truth[index - 1], here)
            made += _in_both(found[index - 1], there)
        before = after
    return LinkCounts(right, true, made)


def add_links(counts: Sequence[LinkCounts]) -> LinkCounts:
    """Add up the counts of several stacks."""
    return LinkCounts(
        sum(each.right for each in counts),
        sum(each.true for each in counts),
        sum(each.made for each in counts),
    )


def _in_both(first: Labels, second: Labels) -> int:
    common = np.intersect1d(np.unique(first), np.unique(second))
    return int(np.count_nonzero(common))
