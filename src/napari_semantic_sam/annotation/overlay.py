"""A candidate as a small picture to lay over the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion

from napari_semantic_sam.inference.results import CroppedMask

Rgba = npt.NDArray[np.uint8]

_FILL_OPACITY = 0.35
_PIXELS_PER_OUTLINE = 500


def draw_overlay(mask: CroppedMask, colour: tuple[int, int, int], *, filled: bool) -> Rgba:
    """Draw the outline of a mask, and its inside lightly.

    Parameters
    ----------
    mask : CroppedMask
    colour : three ints
        RGB, 0..255.
    filled : bool
        Whether the inside is tinted.

    Returns
    -------
    (h, w, 4) uint8 array
        As large as the mask's box; transparent outside of the mask.
    """
    opacity = np.zeros(mask.crop.shape, dtype=np.float32)
    if filled:
        opacity[mask.crop] = _FILL_OPACITY
    opacity[_outline(mask)] = 1
    overlay = np.empty((*mask.crop.shape, 4), dtype=np.uint8)
    overlay[..., :3] = colour
    overlay[..., 3] = opacity * 255
    return overlay


def _outline(mask: CroppedMask) -> npt.NDArray[Any]:
    # One pixel can no longer be seen once a large picture is shrunk to the screen.
    width = 1 + max(mask.shape) // _PIXELS_PER_OUTLINE
    inside: npt.NDArray[np.bool_] = binary_erosion(mask.crop, iterations=width)
    return mask.crop & ~inside
