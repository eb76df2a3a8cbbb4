"""Where to look next: the unlabelled regions that the model is least sure of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_semantic_sam.annotation.engine import OpenPicture, Report
from napari_semantic_sam.inference.evidence import holds
from napari_semantic_sam.inference.levels import distinct_candidates
from napari_semantic_sam.inference.results import Candidate, CroppedMask

if TYPE_CHECKING:
    from napari_semantic_sam.inference.level_labels import LevelLabels

_CLICKS_ALONG = 12
"""Clicks of the grid along the longer side of the picture."""
_CLICKS_AT_ONCE = 12
_CLEAR_GAP = 0.2
"""Predicted IoUs that differ by this much or more leave no doubt."""
_LEAST_SIDE = 4.0
"""Pixels between two clicks of the grid, at least."""

Click = tuple[float, float]
"""``(y, x)`` in pixels of the picture."""


@dataclass(frozen=True)
class Region:
    """A region to look at.

    Attributes
    ----------
    click : (y, x)
        Where it was found.
    mask : CroppedMask
        The mask with the highest predicted IoU of that click.
    ambiguity : float
        0 (clear) to 1, see `ambiguity`.
    """

    click: Click
    mask: CroppedMask
    ambiguity: float


def ambiguity(candidates: Sequence[Candidate]) -> float:
    """Say how little the model knows what a click means.

    Two things make a click ambiguous: its two best masks are about equally good, so that
    the model cannot say which structure is meant; or its best mask changes with the
    threshold, so that its outline is uncertain. With the predicted IoUs ``p1 ≥ p2`` of the
    two best distinct candidates and the stability ``s`` of the best one::

        close    = max(0, 1 - (p1 - p2) / 0.2)     (0 if there is only one candidate)
        unstable = 1 - s
        ambiguity = 1 - (1 - close) (1 - unstable)

    Parameters
    ----------
    candidates : sequence of Candidate
        Distinct, of one click.

    Returns
    -------
    float
        0 (clear) to 1; 0 without candidates, where there is nothing to decide.
    """
    if not candidates:
        return 0.0
    best, *others = sorted(candidates, key=lambda each: each.predicted_iou, reverse=True)
    gap = best.predicted_iou - others[0].predicted_iou if others else math.inf
    close = max(0.0, 1 - gap / _CLEAR_GAP)
    return 1 - (1 - close) * best.stability


def unclear_regions(
    opened: OpenPicture,
    clicks: Sequence[Click],
    report: Report,
    cancelled: Callable[[], bool],
) -> list[Region]:
    """Ask the model about clicks, and sort the regions they lie in by ambiguity.

    Of clicks that lie in one region, only the most ambiguous one counts.

    Parameters
    ----------
    opened : OpenPicture
        Its model has to take clicks.
    clicks : sequence of (y, x)
        Such as `unlabelled_clicks`.
    report : callable
        Told the share that is done.
    cancelled : callable
        Asked between groups of clicks.

    Returns
    -------
    list of Region
        The most ambiguous first; empty if it was cancelled or nothing was found.
    """
    found: list[Region] = []
    for start in range(0, len(clicks), _CLICKS_AT_ONCE):
        if cancelled():
            return []
        report("Looking for unclear regions …", start / len(clicks))
        found += _look(opened, clicks[start : start + _CLICKS_AT_ONCE])
    return _apart(sorted(found, key=lambda region: -region.ambiguity))


def unlabelled_clicks(levels: LevelLabels) -> list[Click]:
    """Return the points of a coarse grid that have no label in any level.

    The grid has nearly square meshes, 12 along the longer side of the picture.
    """
    return [click for click in _grid(levels.shape) if not is_labelled(levels, click)]


def is_labelled(levels: LevelLabels, click: Click) -> bool:
    """Whether a point has a label in any level."""
    y, x = int(click[0]), int(click[1])
    return any(levels.pixels(level, (y, x, y + 1, x + 1)).any() for level in levels.levels)


def _grid(shape: tuple[int, ...]) -> list[Click]:
    """Return the centres of nearly square tiles."""
    side = max(max(shape) / _CLICKS_ALONG, _LEAST_SIDE)
    centres = []
    for length in shape:
        count = max(1, round(length / side))
        centres.append([math.floor((each + 0.5) * length / count) for each in range(count)])
    return [(float(y), float(x)) for y in centres[0] for x in centres[1]]


def _look(opened: OpenPicture, clicks: Sequence[Click]) -> list[Region]:
    results = opened.model.predictor.predict(opened.embedding, points=clicks)
    regions = []
    for click, result in zip(clicks, results, strict=True):
        candidates = distinct_candidates(result.candidates)
        if candidates:
            best = max(candidates, key=lambda each: each.predicted_iou)
            regions.append(Region(click, best, ambiguity(candidates)))
    return regions


def _apart(regions: Sequence[Region]) -> list[Region]:
    """Leave out regions whose click lies in one that comes before."""
    chosen: list[Region] = []
    for region in regions:
        if not any(holds(other.mask, region.click) for other in chosen):
            chosen.append(region)
    return chosen
