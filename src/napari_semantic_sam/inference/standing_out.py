"""How much an object stands out from what is around it in the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import CroppedMask

_MARGIN = 0.25
"""Of the surroundings on each side, in sides of the box."""
_LEAST_MARGIN = 3
_LEAST_EFFECT = 0.25
"""In standard deviations of the surroundings: less may be noise."""


def stands_out(picture: npt.NDArray[Any], mask: CroppedMask) -> float:
    """Return how much brighter (or, below 0, darker) a mask is than its surroundings.

    Parameters
    ----------
    picture : (H, W) or (H, W, C) array
        Of several channels the sum counts.
    mask : CroppedMask
        Of this picture. Its surroundings are what is not in it of its box, made larger by a
        quarter on each side, at least by 3 pixels.

    Returns
    -------
    float
        Difference of the means, in the picture's own units; 0 if it is below a quarter of the
        standard deviation around, or there is nothing inside or around.
    """
    y0, x0, y1, x1 = mask.box
    margin = max(_LEAST_MARGIN, round(_MARGIN * max(y1 - y0, x1 - x0)))
    height, width = mask.shape
    box = (
        max(0, y0 - margin),
        max(0, x0 - margin),
        min(height, y1 + margin),
        min(width, x1 + margin),
    )
    values = picture[box[0] : box[2], box[1] : box[3]].astype(np.float64)
    grey = values.sum(axis=2) if values.ndim == 3 else values
    known, inside = np.isfinite(grey), mask.window(box)
    within, around = grey[inside & known], grey[~inside & known]
    if not (within.size and around.size):
        return 0.0
    difference = float(within.mean() - around.mean())
    return difference if abs(difference) >= _LEAST_EFFECT * float(around.std()) else 0.0
