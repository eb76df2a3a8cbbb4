"""Small islands and holes of masks, which a network that judges each point alone leaves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

SPECK = 0.1
"""Share of a mask's largest piece below which another piece, or a hole, is none of its own."""

_TOUCHING = np.ones((3, 3), dtype=bool)


def without_specks(logits: Tensor) -> Tensor:
    """Turn the sign of small islands and of small holes of a mask.

    Pieces of the mask below `SPECK` of its largest one become outside, and what it encloses of
    less than that becomes inside. What is open to the border of the map is no hole. Pixels of
    the mask that touch at a corner are of one piece.

    Parameters
    ----------
    logits : (h, w) float tensor
        Positive inside.

    Returns
    -------
    (h, w) float tensor
        The same one if there is nothing to turn.
    """
    inside = (logits > 0).cpu().numpy()
    if not inside.any():
        return logits
    islands, largest = _small_islands(inside)
    # An island in a hole that is filled is inside already.
    turned = islands ^ _small_holes(inside & ~islands, largest)
    if not turned.any():
        return logits
    return torch.where(torch.from_numpy(turned).to(logits.device), -logits, logits)


def _small_islands(inside: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], int]:
    """Return the islands, and the area of the largest piece."""
    pieces, _ = ndimage.label(inside, _TOUCHING)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    largest = int(areas.max())
    small = areas < SPECK * largest
    small[0] = False
    return small[pieces], largest


def _small_holes(inside: npt.NDArray[np.bool_], largest: int) -> npt.NDArray[np.bool_]:
    gaps, _ = ndimage.label(~inside)
    small = np.bincount(gaps.ravel()) < SPECK * largest
    small[0] = False
    for border in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        small[border] = False
    return small[gaps]
