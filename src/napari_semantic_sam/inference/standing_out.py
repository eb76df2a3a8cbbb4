"""How much an object stands out from what is around it in the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import Box, CroppedMask

_MARGIN = 0.25
"""Of the surroundings on each side, in sides of the box."""
_LEAST_MARGIN = 3
_LEAST_EFFECT = 0.25
"""In standard deviations of the surroundings: less may be noise."""


Read = Callable[[int, Box], npt.NDArray[Any]]
"""Returns what a slice shows in a box that lies in it: ``(h, w)`` or ``(h, w, C)`` values."""


def reading(slices: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]) -> Read:
    """Return what reads boxes of slices that are arrays."""
    return lambda index, box: slices[index][box[0] : box[2], box[1] : box[3]]


def surroundings(mask: CroppedMask) -> Box:
    """Return the box of a mask, larger by a quarter on each side, at least by 3 pixels."""
    y0, x0, y1, x1 = mask.box
    margin = max(_LEAST_MARGIN, round(_MARGIN * max(y1 - y0, x1 - x0)))
    height, width = mask.shape
    return (
        max(0, y0 - margin),
        max(0, x0 - margin),
        min(height, y1 + margin),
        min(width, x1 + margin),
    )


def stands_out(read: Read, index: int, mask: CroppedMask) -> float:
    """Return how much brighter (or, below 0, darker) a mask is than its surroundings.

    Parameters
    ----------
    read : callable
        See `Read`. Of several channels the sum counts.
    index : int
        Of a slice.
    mask : CroppedMask
        Of that slice. Its surroundings are what is not in it of the box `surroundings`.

    Returns
    -------
    float
        Difference of the means, in the picture's own units; 0 if it is below a quarter of the
        standard deviation around, or there is nothing inside or around.
    """
    if not mask.area:
        return 0.0
    box = surroundings(mask)
    values = read(index, box).astype(np.float64)
    grey = values.sum(axis=2) if values.ndim == 3 else values
    known, inside = np.isfinite(grey), mask.window(box)
    within, around = grey[inside & known], grey[~inside & known]
    if not (within.size and around.size):
        return 0.0
    difference = float(within.mean() - around.mean())
    return difference if abs(difference) >= _LEAST_EFFECT * float(around.std()) else 0.0
