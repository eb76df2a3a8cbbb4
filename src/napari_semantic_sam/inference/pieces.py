"""Connected pieces of masks. Pixels that touch at a corner are connected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.inference.results import CroppedMask

BoolArray = npt.NDArray[np.bool_]

_MOST_CELLS = 512
"""Along a side of a mask that is looked at in an instant."""


def pieces_of(mask: BoolArray) -> tuple[npt.NDArray[np.integer[Any]], int]:
    """Number the pieces of a mask, which may have any number of dimensions.

    Returns
    -------
    pieces : array of the mask's shape
        0 outside of the mask, else the number of the piece, from 1.
    count : int
    """
    return ndimage.label(mask, np.ones((3,) * mask.ndim, dtype=bool))


def largest_piece(mask: BoolArray) -> BoolArray:
    """Return the largest piece of a mask, the first of several; nothing of nothing."""
    pieces, _ = pieces_of(mask)
    sizes = np.bincount(pieces.ravel(), minlength=1)
    sizes[0] = 0
    return (pieces == sizes.argmax()) & mask


def centre_pixel(mask: CroppedMask) -> tuple[int, int]:
    """Return the pixel ``(y, x)`` farthest from the outline, the first of several.

    The border of the picture counts as outline. The mask must not be empty.
    """
    distance = ndimage.distance_transform_edt(np.pad(mask.crop, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(distance), distance.shape)
    return mask.box[0] + int(row), mask.box[1] + int(column)


def inner_pixel(mask: CroppedMask) -> tuple[int, int]:
    """Return a pixel ``(y, x)`` deep inside a mask, at any size in an instant.

    Of small masks it is the `centre_pixel`; large ones are looked at in coarse cells.
    """
    step = -(-max(mask.crop.shape) // _MOST_CELLS)
    rows, columns = (size // step for size in mask.crop.shape)
    cells = mask.crop[: rows * step, : columns * step].reshape(rows, step, columns, step)
    full: BoolArray = np.logical_and.reduce(cells, axis=(1, 3))
    if step == 1 or not full.any():
        return centre_pixel(mask)
    y0, x0 = mask.box[:2]
    row, column = centre_pixel(CroppedMask((0, 0, rows, columns), full, full.shape))
    return y0 + row * step + step // 2, x0 + column * step + step // 2
