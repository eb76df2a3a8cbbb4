"""Where to ask: a regular grid, or one that gets denser where it pays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def regular_grid(rows: int, columns: int | None = None) -> Points:
    """Return the centres of equal cells, row by row.

    Parameters
    ----------
    rows, columns : int
        As many columns as rows when left out.

    Returns
    -------
    (rows · columns, 2) float array
        ``(x, y)`` in fractions of the picture.
    """
    ys = (np.arange(rows) + 0.5) / rows
    xs = (np.arange(columns or rows) + 0.5) / (columns or rows)
    return np.stack(np.meshgrid(xs, ys, indexing="xy"), axis=-1).reshape(-1, 2)


def spaced_grid(size: tuple[int, int], spacing: float) -> Points:
    """Return points at most so far apart, ``(x, y)`` in fractions of a ``(height, width)``."""
    return regular_grid(*(max(1, math.ceil(side / spacing)) for side in size))
