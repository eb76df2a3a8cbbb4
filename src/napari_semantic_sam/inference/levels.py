"""The distinct masks of one prompt, coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_semantic_sam.inference.results import Candidate

SAME_IOU = 0.95
"""Two masks that overlap more than this are one."""


def distinct_candidates(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Merge the candidates of one prompt to the distinct ones and repair their levels.

    Of candidates with an IoU above 0.95 the one with the highest predicted IoU survives;
    empty ones are left out. The survivors' learned levels, sorted, are handed out by
    area, so that a larger mask never has a finer level.

    Parameters
    ----------
    candidates : sequence of Candidate
        Of one prompt, with the levels the checkpoint gives them.

    Returns
    -------
    tuple of Candidate
        By area, the largest (coarsest) first; fewer than `candidates`, possibly none.
    """
    survivors: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda each: each.predicted_iou, reverse=True):
        if candidate.area and all(candidate.iou(kept) <= SAME_IOU for kept in survivors):
            survivors.append(candidate)
    by_area = sorted(survivors, key=lambda each: (-each.area, each.level))
    levels = sorted(each.level for each in survivors)
    return tuple(replace(each, level=level) for each, level in zip(by_area, levels, strict=True))
