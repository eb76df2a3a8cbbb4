"""Small holes and islands of masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.inference.results import CroppedMask, tight

Mask = TypeVar("Mask", bound=CroppedMask)
Bools = npt.NDArray[np.bool_]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def clean_regions(mask: Mask, smallest: int) -> Mask:
    """Fill holes, then remove islands, of fewer than so many pixels.

    Diagonal neighbours are connected. What lies between a mask and the border of the
    picture counts as a hole, too; if all islands are small, the largest one stays.

    Parameters
    ----------
    mask : CroppedMask
    smallest : int

    Returns
    -------
    CroppedMask
        `mask` itself if there is nothing to clean.
    """
    y0, x0, y1, x1 = mask.box
    # Beyond so many rows and columns, background outside of the box is large enough.
    reach = max(1, smallest)
    top, left = max(0, y0 - reach), max(0, x0 - reach)
    bottom, right = min(mask.shape[0], y1 + reach), min(mask.shape[1], x1 + reach)
    window = np.zeros((bottom - top, right - left), dtype=bool)
    window[y0 - top : y1 - top, x0 - left : x1 - left] = mask.crop
    filled = fill_holes(window, smallest)
    cleaned = remove_islands(filled, smallest)
    if cleaned is window:
        return mask
    box, crop = tight(cleaned, top, left)
    return replace(mask, box=box, crop=crop)


def fill_holes(mask: Bools, smallest: int) -> Bools:
    """Fill regions outside of a mask; the mask itself is returned if there are none to fill."""
    regions, sizes = _regions(~mask)
    small = sizes < smallest
    return mask | np.append(False, small)[regions] if small.any() else mask


def remove_islands(mask: Bools, smallest: int) -> Bools:
    """Remove regions of a mask; the mask itself is returned if there are none to remove."""
    regions, sizes = _regions(mask)
    small = sizes < smallest
    if not small.any():
        return mask
    if small.all():
        small[np.argmax(sizes)] = False
    kept: Bools = np.append(False, ~small)[regions]
    return kept


def _regions(mask: Bools) -> tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.intp]]:
    """Return numbers of connected regions from 1 on, and their sizes."""
    regions, count = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)
    return regions, np.bincount(regions.ravel(), minlength=count + 1)[1:]
