"""Of masks that show the same, the best one: suppression by bounding boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import Box

Floats = npt.NDArray[np.float32]

_ROOM = 64


def corners(box: Box) -> Floats:
    """Return the first and last pixels of a half-open box.

    The published pipeline measures boxes from the first to the last pixel, which makes each
    side one shorter than the number of its pixels.
    """
    y0, x0, y1, x1 = box
    return np.array([y0, x0, y1 - 1, x1 - 1], dtype=np.float32)


class KeptBoxes:
    """The boxes kept so far, best first; boxes of different groups never compete.

    Parameters
    ----------
    threshold : float
        Boxes with a larger IoU are duplicates.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._boxes: dict[int, Floats] = {}
        self._counts: dict[int, int] = {}

    def rule_out(self, box: Floats, group: int, tolerance: float = 0.0) -> bool:
        """Tell whether a box is certainly a duplicate of one that was kept.

        Parameters
        ----------
        box : (4,) float array
            First and last coordinates, as `corners` gives them.
        group : int
        tolerance : float
            How far each coordinate may be off.
        """
        kept = self._boxes.get(group, np.empty((0, 4), np.float32))[: self._counts.get(group, 0)]
        margin = 0.0
        if tolerance:
            margin = float((2 * tolerance / np.maximum(box[2:] - box[:2], tolerance)).sum())
        return bool((_overlap(box, kept) > self._threshold + margin).any())

    def keep(self, box: Floats, group: int) -> None:
        """Add a box."""
        count = self._counts.get(group, 0)
        boxes = self._boxes.get(group, np.empty((_ROOM, 4), np.float32))
        if count == len(boxes):
            boxes = np.concatenate([boxes, np.empty_like(boxes)])
        boxes[count] = box
        self._boxes[group], self._counts[group] = boxes, count + 1


def suppress(
    boxes: Sequence[Floats], scores: Sequence[float], groups: Sequence[int], threshold: float
) -> list[int]:
    """Keep the best-scored box of those that overlap more than a threshold.

    Parameters
    ----------
    boxes : sequence of N (4,) float arrays
        First and last coordinates, as `corners` gives them.
    scores : sequence of N floats
        Of equal ones the first wins.
    groups : sequence of N ints
        Boxes of different groups never compete.
    threshold : float
        IoU above which the lower-scored box is dropped.

    Returns
    -------
    list of int
        Positions of the kept boxes, best score first.
    """
    taken, kept = KeptBoxes(threshold), []
    for index in best_first(scores):
        if not taken.rule_out(boxes[index], groups[index]):
            taken.keep(boxes[index], groups[index])
            kept.append(index)
    return kept


def best_first(scores: Sequence[float]) -> list[int]:
    """Return positions by falling score, equal ones in their order."""
    order: list[int] = np.argsort(-np.array(scores, dtype=np.float32), kind="stable").tolist()
    return order


def _overlap(box: Floats, others: Floats) -> npt.NDArray[np.float64]:
    """IoU of a box with others, divided in float32 as the published pipeline does."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = shared.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - common
    with np.errstate(invalid="ignore", divide="ignore"):  # lines have no area
        ratio: npt.NDArray[np.float64] = (common / union).astype(np.float64)
    return ratio
