"""Which masks of the picture's size are kept: the published rules, in the published order."""

from __future__ import annotations

from collections.abc import Sequence

from napari_semantic_sam.inference.automatic.duplicates import corners, suppress
from napari_semantic_sam.inference.automatic.regions import clean_regions
from napari_semantic_sam.inference.automatic.settings import Thresholds
from napari_semantic_sam.inference.results import Candidate


def decide(
    masks: Sequence[Candidate], thresholds: Thresholds, *, across_levels: bool
) -> list[Candidate]:
    """Keep stable masks, the best of duplicates, without small holes and islands.

    After cleaning, duplicates are looked for once more, and masks that cleaning did not
    change are preferred. Predicted IoU and stability are those before cleaning.

    Parameters
    ----------
    masks : sequence of Candidate
        With a predicted IoU that is high enough, and their stability at full size.
    thresholds : Thresholds
    across_levels : bool
        See `AutomaticSettings`.

    Returns
    -------
    list of Candidate
        Those that cleaning left as they were first, best predicted IoU first.
    """
    stable = [mask for mask in masks if mask.area and mask.stability >= thresholds.stability]
    scores = [mask.predicted_iou for mask in stable]
    kept = _without_duplicates(stable, scores, thresholds, across_levels)
    if not thresholds.smallest_region:
        return kept
    cleaned = [clean_regions(mask, thresholds.smallest_region) for mask in kept]
    unchanged = [float(after is before) for after, before in zip(cleaned, kept, strict=True)]
    return _without_duplicates(cleaned, unchanged, thresholds, across_levels)


def group_of(level: int, across_levels: bool) -> int:
    """Return a number that is the same for masks that compete with each other."""
    return 0 if across_levels else level


def _without_duplicates(
    masks: Sequence[Candidate],
    scores: Sequence[float],
    thresholds: Thresholds,
    across_levels: bool,
) -> list[Candidate]:
    kept = suppress(
        [corners(mask.box) for mask in masks],
        scores,
        [group_of(mask.level, across_levels) for mask in masks],
        thresholds.box_overlap,
    )
    return [masks[index] for index in kept]
