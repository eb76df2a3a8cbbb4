"""What a prompt gives, in pixels of the picture: plain arrays, no tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.model.config import Kind

Box = tuple[int, int, int, int]
EMPTY: Box = (0, 0, 0, 0)


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around some, at least one, none of which is empty."""
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def tight(window: npt.NDArray[np.bool_], top: int, left: int) -> tuple[Box, npt.NDArray[np.bool_]]:
    """Cut a mask out of a window of the picture at its bounding box.

    Parameters
    ----------
    window : (h, w) bool array
    top, left : int
        Where the window begins in the picture.

    Returns
    -------
    box : (y0, x0, y1, x1) ints
        In the picture; `EMPTY` for an empty mask.
    crop : (y1 - y0, x1 - x0) bool array
        A copy.
    """
    rows, columns = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
    if not len(rows):
        return EMPTY, np.zeros((0, 0), dtype=bool)
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    box = (int(top + y0), int(left + x0), int(top + y1), int(left + x1))
    return box, window[y0:y1, x0:x1].copy()


@dataclass(frozen=True, eq=False)
class CroppedMask:
    """A mask kept as its bounding box and what is inside; equal only to itself.

    Attributes
    ----------
    box : (y0, x0, y1, x1) ints
        Pixels ``[y0:y1, x0:x1]`` of the picture; all 0 for an empty mask.
    crop : (y1 - y0, x1 - x0) bool array
        The mask inside `box`.
    shape : (height, width)
        Of the picture.
    """

    box: Box
    crop: npt.NDArray[np.bool_]
    shape: tuple[int, int]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.crop))

    def full_mask(self) -> npt.NDArray[np.bool_]:
        """Return the mask at the size of the picture."""
        mask = np.zeros(self.shape, dtype=bool)
        y0, x0, y1, x1 = self.box
        mask[y0:y1, x0:x1] = self.crop
        return mask

    def window(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return what pixels ``[y0:y1, x0:x1]`` of the picture hold of the mask, as a copy."""
        window = np.zeros((box[2] - box[0], box[3] - box[1]), dtype=bool)
        y0, x0 = max(self.box[0], box[0]), max(self.box[1], box[1])
        y1, x1 = min(self.box[2], box[2]), min(self.box[3], box[3])
        if y1 > y0 and x1 > x0:
            common = self._window(y0, x0, y1, x1)
            window[y0 - box[0] : y1 - box[0], x0 - box[1] : x1 - box[1]] = common
        return window

    def common(self, other: CroppedMask) -> int:
        """Return how many pixels it shares with another mask of the same picture."""
        y0, x0 = max(self.box[0], other.box[0]), max(self.box[1], other.box[1])
        y1, x1 = min(self.box[2], other.box[2]), min(self.box[3], other.box[3])
        if y1 <= y0 or x1 <= x0:
            return 0
        parts = self._window(y0, x0, y1, x1), other._window(y0, x0, y1, x1)
        return int(np.count_nonzero(parts[0] & parts[1]))

    def iou(self, other: CroppedMask) -> float:
        """Intersection over union with another mask of the same picture; 0 if both are empty."""
        common = self.common(other)
        union = self.area + other.area - common
        return common / union if union else 0.0

    def _window(self, y0: int, x0: int, y1: int, x1: int) -> npt.NDArray[np.bool_]:
        top, left = self.box[:2]
        return self.crop[y0 - top : y1 - top, x0 - left : x1 - left]


@dataclass(frozen=True, eq=False)
class Candidate(CroppedMask):
    """One mask of one prompt.

    Attributes
    ----------
    token : int
        Which learned granularity embedding made it, 0..K-1.
    level : int
        1 (coarsest) .. K, from the checkpoint's level order until `distinct_candidates`
        repairs it.
    predicted_iou : float
        The network's own estimate.
    stability : float
        Area where the logit is above 1 over the area where it is above -1; 0..1.
    """

    token: int
    level: int
    predicted_iou: float
    stability: float


@dataclass(frozen=True)
class PromptResult:
    """The K candidates of one prompt, in token order.

    Attributes
    ----------
    kind : "click" or "box"
    prompt : tuple of floats
        ``(y, x)`` of a click, ``(y0, x0, y1, x1)`` of a box, in pixels of the picture.
    candidates : tuple of K Candidate
    """

    kind: Kind
    prompt: tuple[float, ...]
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The candidate with the highest predicted IoU."""
        return max(self.candidates, key=lambda candidate: candidate.predicted_iou)
