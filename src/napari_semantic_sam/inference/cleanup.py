"""Tidying up a mask before it is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy import ndimage

from napari_semantic_sam.inference.pieces import BoolArray, largest_piece
from napari_semantic_sam.inference.results import CroppedMask, tight

Mask = TypeVar("Mask", bound=CroppedMask)

_REACH = 3
"""Of the Gaussian, in standard deviations."""


@dataclass(frozen=True)
class CleanUp:
    """What is done to a mask; nothing by default.

    Holes are filled, the outline smoothed, islands dropped, and holes that smoothing closed
    filled.

    Attributes
    ----------
    fill_holes : bool
        Fill what is enclosed by the mask. What is open to the border of the picture is not.
    drop_islands : bool
        Keep the largest connected part only; parts that touch at a corner are connected.
    smooth : int
        Standard deviation, in pixels, of the Gaussian that rounds the outline off: the mask
        is blurred and cut at one half. Bumps and gaps narrower than about 1.35 × `smooth`
        vanish; a straight edge stays where it is.
    """

    fill_holes: bool = False
    drop_islands: bool = False
    smooth: int = 0

    def apply(self, mask: Mask) -> Mask:
        """Return the tidy mask, of the same type and with the same scores.

        A step that would leave nothing is left out, so that only an empty mask gives an
        empty one.
        """
        if not mask.area:
            return mask
        crop, margin = mask.crop, self._margin(mask)
        if self.fill_holes:
            crop = _filled(crop)
        if self.smooth > 0:
            crop = _smoothed(np.pad(crop, margin), self.smooth)
        if self.drop_islands:
            crop = largest_piece(crop)
        if self.fill_holes:
            crop = _filled(crop)
        (top, _), (left, _) = margin
        box, crop = tight(crop, mask.box[0] - top, mask.box[1] - left)
        return replace(mask, box=box, crop=crop)

    def _margin(self, mask: CroppedMask) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the room around the box that smoothing needs, as far as the picture goes."""
        room = max(0, math.ceil(_REACH * self.smooth))
        (y0, x0, y1, x1), (height, width) = mask.box, mask.shape
        return (min(room, y0), min(room, height - y1)), (min(room, x0), min(room, width - x1))


def _filled(crop: BoolArray) -> BoolArray:
    return ndimage.binary_fill_holes(crop)


def _smoothed(crop: BoolArray, sigma: int) -> BoolArray:
    # "nearest" goes on beyond the border of the picture, so that masks there keep their edge.
    blurred = ndimage.gaussian_filter(
        crop.astype(np.float32), sigma, mode="nearest", truncate=_REACH
    )
    smooth = blurred > 0.5
    return smooth if smooth.any() else crop
