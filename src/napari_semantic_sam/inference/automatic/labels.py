"""From masks that may overlap to one label image per level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_semantic_sam.inference.automatic.objects import MainLevel, settle_levels
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate

LEAST_FREE = 0.5
"""A mask of which better ones have taken more than the rest is left out."""


def label_levels(
    masks: Sequence[Candidate],
    levels: Sequence[int],
    shape: tuple[int, int],
    *,
    main: MainLevel | None = None,
) -> LevelLabels:
    """Put masks into one label image for each level.

    What is the same at several levels becomes one mask, the best masks of every place get
    the main level, and every chain of nested masks gets levels from coarse to fine
    (`settle_levels`). Then each level is filled with its masks, best predicted IoU first,
    each into what better ones have left free, and not at all if that is less than half of
    it. Parents are those of `LevelLabels`: the label of the nearest coarser level that
    covers 0.8 of a label.

    Parameters
    ----------
    masks : sequence of Candidate
        Of one picture, from `automatic_masks`.
    levels : sequence of int
        All that were asked for; each gets an image, an empty one where it has no mask.
    shape : (H, W)
        Of the picture.
    main : MainLevel, optional
        See `settle_levels`.

    Returns
    -------
    LevelLabels
        With rows of source "automatic".
    """
    settled = settle_levels(masks, levels, main)
    labels = LevelLabels(shape)
    for level in levels:
        _fill(labels, level, [mask for mask in settled if mask.level == level])
    return labels


def _fill(labels: LevelLabels, level: int, masks: Sequence[Candidate]) -> None:
    array = np.zeros(labels.shape, dtype=np.int32)
    rows: list[LabelRow] = []
    for mask in sorted(masks, key=lambda each: -each.predicted_iou):
        y0, x0, y1, x1 = mask.box
        window = array[y0:y1, x0:x1]
        free = mask.crop & (window == 0)
        if np.count_nonzero(free) < max(1, LEAST_FREE * mask.area):
            continue
        index = len(rows) + 1
        window[free] = index
        rows.append(
            LabelRow(
                index,
                level,
                predicted_iou=mask.predicted_iou,
                stability=mask.stability,
                source="automatic",
            )
        )
    labels.attach(level, array, rows)
