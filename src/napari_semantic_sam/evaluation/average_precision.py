"""Average precision of ranked instances, as COCO defines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.evaluation.metrics import IOU_THRESHOLDS, Overlaps

_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class RankedHits:
    """What average precision needs to know of one image, of which no pixel is kept.

    Attributes
    ----------
    scores : (P,) float array
        Of each predicted label, in the order of the labels.
    hits : (T, P) bool array
        Whether it finds a partner that is still free, at each of `IOU_THRESHOLDS`.
    true_objects : int
    """

    scores: npt.NDArray[np.float64]
    hits: npt.NDArray[np.bool_]
    true_objects: int

    @classmethod
    def of(cls, table: Overlaps, scores: Sequence[float]) -> RankedHits:
        """Let predictions choose their partners by falling score.

        Raises
        ------
        ValueError
            If there is not one score for each predicted label.
        """
        values = np.asarray(scores, dtype=float)
        if values.shape != table.predicted_labels.shape:
            raise ValueError(f"{values.size} scores for {table.predicted_labels.size} labels")
        hits = np.stack([_hits(table, values, threshold) for threshold in IOU_THRESHOLDS])
        return cls(values, hits, len(table.true_labels))


def average_precision(images: Sequence[RankedHits]) -> dict[float, float]:
    """Compute the area under the precision-recall curve at each of `IOU_THRESHOLDS`.

    As COCO does: predictions choose their partners by falling score; precision is made
    monotonic and read at 101 recalls. There is no limit on predictions per image.

    Parameters
    ----------
    images : sequence of RankedHits

    Returns
    -------
    dict of threshold to average precision
        0 if there is not one true object.
    """
    # Stable, so that ties keep the order of the images and labels.
    order = np.argsort(
        -np.concatenate([each.scores for each in images] + [np.empty(0)]), kind="stable"
    )
    total = sum(each.true_objects for each in images)
    nothing = np.empty((len(IOU_THRESHOLDS), 0), dtype=bool)
    hits = np.concatenate([each.hits for each in images] + [nothing], axis=1)[:, order]
    return {
        threshold: _area(row, total) for threshold, row in zip(IOU_THRESHOLDS, hits, strict=True)
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
