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


def spaced_grid(
    size: tuple[int, int], spacing: float, origin: tuple[float, float] = (0.0, 0.0)
) -> Points:
    """Return points of a lattice that does not depend on where a picture ends.

    Parameters
    ----------
    size : (height, width)
        Of the picture.
    spacing : float
        Of the lattice, whose first point lies half of it from the border. Where the last one
        is farther than that from its border, one more lies at the border.
    origin : (y, x)
        Where the picture begins in a larger one over which the lattice lies, so that tiles
        are asked at the same points.

    Returns
    -------
    (N, 2) float array
        ``(x, y)`` in fractions of the picture, row by row.
    """
    ys, xs = (_lattice(*along, spacing) for along in zip(size, origin, strict=True))
    return np.stack(np.meshgrid(xs, ys, indexing="xy"), axis=-1).reshape(-1, 2)


def _lattice(side: int, origin: float, spacing: float) -> npt.NDArray[np.float64]:
    first = (math.ceil(origin / spacing - 0.5) + 0.5) * spacing - origin
    points = np.arange(first, side, spacing)
    if not len(points):
        points = np.array([side / 2])
    elif side - points[-1] > spacing / 2 + 1e-6:
        points = np.append(points, side)
    # Rounding must not carry a point over the border.
    return np.minimum(points, side - 0.5) / side
