"""Of masks that show the same, the best one: suppression by bounding boxes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import Box

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


def corners(boxes: Iterable[Box]) -> Floats:
    """Return the first and last pixels of half-open boxes, ``(N, 4)``.

    The published pipeline measures boxes from the first to the last pixel, which makes each
    side one shorter than the number of its pixels.
    """
    edges = np.array(list(boxes), dtype=np.float32).reshape(-1, 4)
    edges[:, 2:] -= 1
    return edges


def suppress(boxes: Floats, scores: Floats, groups: Integers, threshold: float) -> list[int]:
    """Keep the best-scored box of those that overlap more than a threshold.

    Parameters
    ----------
    boxes : (N, 4) float array
        First and last coordinates, as `corners` gives them.
    scores : (N,) float array
        Of equal ones the first wins.
    groups : (N,) int array
        Boxes of different groups never compete.
    threshold : float
        IoU above which the lower-scored box is dropped.

    Returns
    -------
    list of int
        Positions of the kept boxes, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for rank, index in enumerate(order.tolist()):
        if not alive[rank]:
            continue
        kept.append(index)
        rest = order[rank + 1 :]
        rivals = (groups[rest] == groups[index]) & alive[rank + 1 :]
        if rivals.any():
            alive[rank + 1 :] &= ~(rivals & (_overlap(boxes[index], boxes[rest]) > threshold))
    return kept


def undecided(
    boxes: Floats,
    scores: Floats,
    groups: Integers,
    certain: Bools,
    tolerance: float,
    threshold: float,
) -> list[int]:
    """Drop what `suppress` is sure to drop once the boxes are known exactly.

    Parameters
    ----------
    boxes, scores, groups, threshold
        As for `suppress`.
    certain : (N,) bool array
        Whether a box is sure to take part in the end.
    tolerance : float
        How far each coordinate of a box may be off.

    Returns
    -------
    list of int
        Positions of those that may be kept, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    state = np.zeros(len(order), dtype=np.int8)  # 0 certain so far, 1 in doubt, 2 dropped
    state[~certain[order]] = 1
    doubt = _doubt(boxes, tolerance)
    kept = []
    for rank, index in enumerate(order.tolist()):
        if state[rank] == 2:
            continue
        kept.append(index)
        rest = order[rank + 1 :]
        same = (groups[rest] == groups[index]) & (state[rank + 1 :] < 2)
        if not same.any():
            continue
        overlap = _overlap(boxes[index], boxes[rest])
        margin = np.maximum(doubt[rest], doubt[index])
        state[rank + 1 :][same & (overlap > threshold - margin)] |= 1
        if state[rank] == 0:
            state[rank + 1 :][same & (overlap > threshold + margin)] = 2
    return kept


def _overlap(box: Floats, others: Floats) -> npt.NDArray[np.float64]:
    """IoU of a box with others, divided in float32 as the published pipeline does."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = shared.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - common
    with np.errstate(invalid="ignore", divide="ignore"):  # lines have no area
        ratio: npt.NDArray[np.float64] = (common / union).astype(np.float64)
    return ratio


def _doubt(boxes: Floats, tolerance: float) -> npt.NDArray[np.float64]:
    """How much the IoU of each box may be off."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(min=tolerance).astype(np.float64)
    doubt: npt.NDArray[np.float64] = (2 * tolerance / sides).sum(axis=1)
    return doubt
