"""How far two ways to segment a whole picture agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_semantic_sam.inference.levels import SAME_IOU
from napari_semantic_sam.inference.results import Candidate


def agreement(first: Sequence[Candidate], second: Sequence[Candidate]) -> float:
    """Return the share of kept masks that two results have in common.

    Masks of the same level with an IoU above 0.95 are the same one; they are paired one to
    one. The share is twice the number of pairs over the number of all masks, 1 if there are
    none.
    """
    if not (first or second):
        return 1.0
    pairs = sum(
        _pairs([mask for mask in first if mask.level == level], second)
        for level in {mask.level for mask in first}
    )
    return 2 * pairs / (len(first) + len(second))


def _pairs(masks: Sequence[Candidate], others: Sequence[Candidate]) -> int:
    """Count the pairs of masks of one level."""
    rivals = [other for other in others if other.level == masks[0].level]
    same = np.array([[mask.iou(other) > SAME_IOU for other in rivals] for mask in masks])
    if not rivals:
        return 0
    return int(same[linear_sum_assignment(same, maximize=True)].sum())
