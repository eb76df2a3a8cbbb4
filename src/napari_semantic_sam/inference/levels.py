"""The distinct masks of one prompt or of several, coarse to fine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    ranked = sorted(candidates, key=lambda each: each.predicted_iou, reverse=True)
    return with_repaired_levels(first_distinct(ranked, len(ranked)), len(ranked))


def first_distinct(ranked: Iterable[Candidate], at_most: int) -> list[Candidate]:
    """Return those that are neither empty nor the same as one before, the first `at_most`."""
    survivors: list[tuple[int, Candidate]] = []
    for candidate in ranked:
        if len(survivors) == at_most:
            break
        area = candidate.area
        if area and not any(_same(candidate, area, *kept) for kept in survivors):
            survivors.append((area, candidate))
    return [candidate for _, candidate in survivors]


def with_repaired_levels(candidates: Sequence[Candidate], finest: int) -> tuple[Candidate, ...]:
    """Sort by area and hand out the learned levels, sorted, in that order.

    Where candidates of several prompts have the same level, later ones move on to the next
    free one, so that no two have the same.

    Parameters
    ----------
    candidates : sequence of Candidate
        At most `finest`.
    finest : int
        The last level there is; larger learned levels raise it.
    """
    by_area = sorted(candidates, key=lambda each: (-each.area, each.level))
    levels = sorted(each.level for each in candidates)
    for rank in range(1, len(levels)):
        levels[rank] = max(levels[rank], levels[rank - 1] + 1)
    last = max([finest, *(each.level for each in candidates)])
    for rank in range(len(levels)):  # what moved beyond the last level, moves back with the rest
        levels[rank] = min(levels[rank], last - (len(levels) - 1 - rank))
    return tuple(replace(each, level=level) for each, level in zip(by_area, levels, strict=True))


def _same(candidate: Candidate, area: int, kept_area: int, kept: Candidate) -> bool:
    # Areas alone rule most pairs out, without a look at the pixels.
    return min(area, kept_area) > SAME_IOU * max(area, kept_area) and (
        candidate.iou(kept) > SAME_IOU
    )
