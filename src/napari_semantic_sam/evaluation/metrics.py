"""Agreement of masks and of label images.

Every function on label images starts from one table of overlaps, made in a single pass over
the pixels; nothing is done once per object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.50, 0.55, …, 0.95, the thresholds of COCO and of the 2018 Data Science Bowl."""


@dataclass(frozen=True)
class Overlaps:
    """All pairs of a true and a predicted object that share a pixel.

    Attributes
    ----------
    true_labels, predicted_labels : sorted int arrays
        Without the background.
    rows, columns : (P,) int arrays
        Positions of each pair in `true_labels` and `predicted_labels`.
    iou : (P,) float array
    """

    true_labels: npt.NDArray[np.integer[Any]]
    predicted_labels: npt.NDArray[np.integer[Any]]
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    iou: npt.NDArray[np.float64]


def overlaps(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> Overlaps:
    """Compare two label images.

    Parameters
    ----------
    truth, prediction : integer arrays of the same shape
        0 is background.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"label images of shapes {truth.shape} and {prediction.shape}")
    true_labels, true_index, true_area = _compact(truth)
    predicted_labels, predicted_index, predicted_area = _compact(prediction)
    both = (true_index >= 0) & (predicted_index >= 0)
    pairs = true_index[both] * len(predicted_labels) + predicted_index[both]
    found, common = np.unique(pairs, return_counts=True)
    rows, columns = np.divmod(found, max(len(predicted_labels), 1))
    union = true_area[rows] + predicted_area[columns] - common
    return Overlaps(true_labels, predicted_labels, rows, columns, common / union)


@dataclass(frozen=True)
class Detection:
    """Counts of matched and unmatched objects at one IoU threshold.

    Attributes
    ----------
    threshold : float
    matched : int
        True positives.
    missed : int
        True objects without a partner: false negatives.
    spurious : int
        Predicted objects without a partner: false positives.
    """

    threshold: float
    matched: int
    missed: int
    spurious: int

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are right; 1 if there is nothing at all."""
        return _ratio(self.matched, self.matched + self.spurious, self)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; 1 if there is nothing at all."""
        return _ratio(self.matched, self.matched + self.missed, self)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 if there is nothing at all."""
        return _ratio(2 * self.matched, 2 * self.matched + self.missed + self.spurious, self)

    @property
    def accuracy(self) -> float:
        """Matched over all objects: the "average precision" of the 2018 Data Science Bowl."""
        return _ratio(self.matched, self.matched + self.missed + self.spurious, self)


def detect(
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> list[Detection]:
    """Match the objects of two label images one to one at each IoU threshold.

    Pairs with an IoU at or above the threshold may be matched, and as many are as can be.

    Parameters
    ----------
    truth, prediction : integer arrays of the same shape
        0 is background.
    thresholds : sequence of float
        Above 0.

    Returns
    -------
    list of Detection
        One for each threshold.
    """
    return count_matches(overlaps(truth, prediction), thresholds)


def count_matches(table: Overlaps, thresholds: Sequence[float]) -> list[Detection]:
    """Do what `detect` does for label images that were compared before."""
    return [_detection(table, threshold) for threshold in thresholds]


def add_detections(images: Sequence[Sequence[Detection]]) -> list[Detection]:
    """Add up the counts of several images, threshold by threshold."""
    return [
        Detection(
            same[0].threshold,
            sum(each.matched for each in same),
            sum(each.missed for each in same),
            sum(each.spurious for each in same),
        )
        for same in zip(*images, strict=True)
    ]


@dataclass(frozen=True)
class PanopticQuality:
    """Sums that make the panoptic quality, so that images can be added up.

    Attributes
    ----------
    iou_sum : float
        Over matched pairs.
    detection : Detection
        Counts of pairs with an IoU above 0.5.
    """

    iou_sum: float
    detection: Detection

    @property
    def recognition(self) -> float:
        """RQ, the F1 of the detection."""
        return self.detection.f1

    @property
    def segmentation(self) -> float:
        """SQ, mean IoU of the matched pairs; 0 if there are none."""
        return self.iou_sum / self.detection.matched if self.detection.matched else 0.0

    @property
    def quality(self) -> float:
        """PQ, the product of both."""
        return self.segmentation * self.recognition


def panoptic_quality(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> PanopticQuality:
    """Compute the panoptic quality of one class (Kirillov et al. 2019, equations 1 and 2).

    Parameters
    ----------
    truth, prediction : integer arrays of the same shape
        0 is background.
    """
    table = overlaps(truth, prediction)
    # Above 0.5 a pair is the only one of both its objects: no assignment is needed.
    matched = table.iou > 0.5
    return PanopticQuality(float(table.iou[matched].sum()), _count(table, 0.5, int(matched.sum())))


def _detection(table: Overlaps, threshold: float) -> Detection:
    allowed = table.iou >= threshold
    shape = len(table.true_labels), len(table.predicted_labels)
    if not allowed.any():
        return _count(table, threshold, 0)
    places = (table.rows[allowed], table.columns[allowed])
    graph = csr_array((np.ones(len(places[0]), dtype=bool), places), shape=shape)
    partners = maximum_bipartite_matching(graph, perm_type="column")
    return _count(table, threshold, int(np.count_nonzero(partners >= 0)))


def _count(table: Overlaps, threshold: float, matched: int) -> Detection:
    missed = len(table.true_labels) - matched
    return Detection(threshold, matched, missed, len(table.predicted_labels) - matched)


def _ratio(part: int, whole: int, counts: Detection) -> float:
    if whole:
        return part / whole
    # Nothing on this side: perfect only if there is nothing on the other side either.
    return 0.0 if counts.matched + counts.missed + counts.spurious else 1.0


def _compact(
    labels: npt.NDArray[Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Labels without background, the position of every pixel's label (-1: none), areas."""
    values, index, areas = np.unique(labels, return_inverse=True, return_counts=True)
    index = index.reshape(-1)
    if len(values) and values[0] == 0:
        return values[1:], index - 1, areas[1:]
    return values, index, areas
