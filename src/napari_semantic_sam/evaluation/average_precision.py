"""Average precision of ranked instances, as COCO defines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.evaluation.metrics import IOU_THRESHOLDS, Overlaps, overlaps

_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class RankedInstances:
    """The instances of one image with their scores.

    Attributes
    ----------
    truth, prediction : integer arrays of the same shape
        0 is background.
    scores : (P,) float array
        One for each predicted label, in the order of the labels.
    """

    truth: npt.NDArray[Any]
    prediction: npt.NDArray[Any]
    scores: npt.NDArray[np.floating[Any]]


def average_precision(
    images: Sequence[RankedInstances], thresholds: Sequence[float] = IOU_THRESHOLDS
) -> dict[float, float]:
    """Compute the area under the precision-recall curve at each IoU threshold.

    As COCO does: predictions choose their partners by falling score; precision is made
    monotonic and read at 101 recalls. There is no limit on predictions per image.

    Parameters
    ----------
    images : sequence of RankedInstances
    thresholds : sequence of float

    Returns
    -------
    dict of threshold to average precision
        0 if there is not one true object.

    Raises
    ------
    ValueError
        If an image has not one score for each predicted label.
    """
    tables = [overlaps(image.truth, image.prediction) for image in images]
    scores = [np.asarray(image.scores, dtype=float) for image in images]
    for table, values in zip(tables, scores, strict=True):
        if values.shape != table.predicted_labels.shape:
            raise ValueError(f"{values.size} scores for {table.predicted_labels.size} labels")
    # Stable, so that ties keep the order of the images and labels.
    order = np.argsort(-np.concatenate([*scores, np.empty(0)]), kind="stable")
    total = sum(len(table.true_labels) for table in tables)
    return {
        threshold: _area(
            np.concatenate(
                [_hits(*pair, threshold) for pair in zip(tables, scores, strict=True)]
                + [np.empty(0, dtype=bool)]
            )[order],
            total,
        )
        for threshold in thresholds
    }


def _hits(table: Overlaps, scores: npt.NDArray[np.float64], threshold: float) -> npt.NDArray[Any]:
    """Whether each prediction of an image finds a partner that is still free."""
    hits = np.zeros(len(scores), dtype=bool)
    taken = np.zeros(len(table.true_labels), dtype=bool)
    allowed = np.flatnonzero(table.iou >= threshold)
    columns = table.columns[allowed]
    # Best-scored prediction first, and of one prediction the best overlap first.
    for pair in allowed[np.lexsort((-table.iou[allowed], columns, -scores[columns]))]:
        row, column = table.rows[pair], table.columns[pair]
        if not (taken[row] or hits[column]):
            taken[row] = hits[column] = True
    return hits


def _area(hits: npt.NDArray[np.bool_], total: int) -> float:
    if not total or not len(hits):
        return 0.0
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(found / total, _RECALLS, side="left")
    return float(np.append(envelope, 0.0)[index].mean())
