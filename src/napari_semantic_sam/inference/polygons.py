"""Polygons as masks: a pixel belongs to a polygon if its centre does.

Points are ``(x, y)``; pixel (row r, column c) covers ``c … c + 1`` and ``r … r + 1``, so outlines
along the edges of pixels give exactly the masks they were drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import EMPTY, CroppedMask, around, tight

Points = npt.NDArray[np.float64]


def fill(polygons: Sequence[Sequence[Points]], shape: tuple[int, int]) -> CroppedMask:
    """Return the mask of polygons, without what is outside of the picture.

    Parameters
    ----------
    polygons : sequence of sequences of (n, 2) arrays
        Rings of ``(x, y)``, closed or not; inside of a polygon is where a ray crosses its
        rings an odd number of times. Several polygons are united.
    shape : (H, W)
        Of the picture.

    Returns
    -------
    CroppedMask
        Empty if no pixel's centre is inside.
    """
    filled = [mask for rings in polygons if (mask := _fill_one(rings, shape)).area]
    if len(filled) <= 1:
        return filled[0] if filled else CroppedMask(EMPTY, np.zeros((0, 0), dtype=bool), shape)
    box = around(mask.box for mask in filled)
    return CroppedMask(box, np.logical_or.reduce([mask.window(box) for mask in filled]), shape)


def _fill_one(rings: Sequence[Points], shape: tuple[int, int]) -> CroppedMask:
    rows, columns = _crossings(rings, shape)
    top, left = int(rows.min(initial=shape[0])), int(columns.min(initial=shape[1]))
    height, width = int(rows.max(initial=top)) - top + 1, int(columns.max(initial=left)) - left + 1
    crossed = np.zeros((height, width), dtype=np.uint8)
    np.bitwise_xor.at(crossed, (rows - top, columns - left), 1)
    inside = np.bitwise_xor.accumulate(crossed, axis=1).astype(bool)
    return CroppedMask(*tight(inside, top, left), shape)


def _crossings(
    rings: Sequence[Points], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where rows of pixel centres cross the rings: row, first column to the right."""
    starts = np.concatenate(rings)
    stops = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    downwards = (starts[:, 1] <= stops[:, 1])[:, None]
    upper, lower = np.where(downwards, starts, stops), np.where(downwards, stops, starts)
    first, last = (
        np.clip(np.ceil(ends[:, 1] - 0.5), 0, shape[0]).astype(np.int64) for ends in (upper, lower)
    )
    lengths = last - first
    edges = np.repeat(np.arange(len(starts)), lengths)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.repeat(first, lengths) + np.arange(len(edges)) - before
    (x0, y0), (x1, y1) = upper[edges].T, lower[edges].T
    x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
    return rows, np.clip(np.ceil(x - 0.5), 0, shape[1]).astype(np.int64)
