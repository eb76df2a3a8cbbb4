"""Coarser copies of label images for viewers, in which every label is one of the picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import zarr

Labels = npt.NDArray[np.integer[Any]]

OVERVIEW = 1024
"""Pixels: the longer side of the coarsest copy is at most this."""


def coarser_shapes(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the size of each coarser copy of a plane, none for a small plane."""
    while max(shape) > OVERVIEW:
        shape = (-(-shape[0] // 2), -(-shape[1] // 2))
        yield shape


def halve(labels: Labels) -> Labels:
    """Halve both sides of a label image, rounded up.

    Every pixel gets the label that most of its four have, the upper left of equals; no label
    is made up.

    Parameters
    ----------
    labels : (H, W) int array

    Returns
    -------
    (ceil(H / 2), ceil(W / 2)) array of the same type
    """
    height, width = labels.shape
    even = np.pad(labels, ((0, height % 2), (0, width % 2)), mode="edge")
    first, second = even[::2, ::2], even[::2, 1::2]
    third, fourth = even[1::2, ::2], even[1::2, 1::2]
    chosen = np.where(third == fourth, third, first)
    chosen = np.where((second == third) | (second == fourth), second, chosen)
    alike = (first == second) | (first == third) | (first == fourth)
    return np.where(alike, first, chosen)


def fill_coarser(finer: zarr.Array[Any], coarser: zarr.Array[Any], block: int) -> None:
    """Fill a copy from the one that is twice as large, a block at a time.

    Parameters
    ----------
    finer, coarser : zarr arrays
        ``(*stack, H, W)`` and half of that in the last two.
    block : int
        Side of the blocks of `coarser`, which is empty.
    """
    height, width = coarser.shape[-2:]
    corners = product(range(0, height, block), range(0, width, block))
    for place, (y, x) in product(np.ndindex(coarser.shape[:-2]), corners):
        rows, columns = (slice(start, start + block) for start in (y, x))
        twice = (slice(2 * start, 2 * (start + block)) for start in (y, x))
        part = np.asarray(finer[(*place, *twice)])
        if part.any():
            coarser[(*place, rows, columns)] = halve(part)
