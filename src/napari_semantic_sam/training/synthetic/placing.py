"""Where the objects of a scene stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_semantic_sam.training.synthetic.noise import warped

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scattered(rng: np.random.Generator, size: int, count: int) -> NDArray[np.float64]:
    """`count` independent positions ``(count, 2)`` (row, column), px."""
    return rng.uniform(0, size, (count, 2))


def clustered(
    rng: np.random.Generator, size: int, count: int, spread: float
) -> NDArray[np.float64]:
    """`count` positions around a few centres, `spread` px wide."""
    centres = scattered(rng, size, int(rng.integers(1, 5)))
    chosen = centres[rng.integers(0, len(centres), count)]
    positions: NDArray[np.float64] = chosen + rng.normal(0, spread, (count, 2))
    return positions


def packed(
    rng: np.random.Generator, size: int, spacing: float, jitter: float = 0.22
) -> NDArray[np.float64]:
    """Positions of a shaken hexagonal lattice that reaches over the border, in random order."""
    reach = size + spacing
    rows = np.arange(-spacing, reach, spacing * 0.87)
    columns = np.arange(-spacing, reach, spacing)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    x = x + (np.arange(len(rows))[:, None] % 2) * spacing / 2
    positions = np.stack([y.ravel(), x.ravel()], axis=1)
    positions += rng.normal(0, jitter * spacing, positions.shape)
    return rng.permutation(positions)


def tiling(
    rng: np.random.Generator, size: int, positions: NDArray[np.float64], *, bend: float = 0.2
) -> NDArray[np.int32]:
    """Voronoi cells of the positions as a gap-free label image, with walls bent by noise.

    Labels are 1 + the index of a position; `bend` is in units of the mean distance of positions.
    """
    pad = max(8, round(size / 8))
    seeds = np.zeros((size + 2 * pad,) * 2, np.int32)
    at = np.rint(positions).astype(int) + pad
    inside = ((at >= 0) & (at < len(seeds))).all(1)
    seeds[at[inside, 0], at[inside, 1]] = np.flatnonzero(inside) + 1
    nearest = ndimage.distance_transform_edt(
        seeds == 0, return_distances=False, return_indices=True
    )
    cells = seeds[tuple(nearest)]
    spacing = len(seeds) / np.sqrt(max(1, int(inside.sum())))
    bent = warped(rng, cells, bend * spacing, max(6.0, 0.8 * spacing))
    return np.ascontiguousarray(bent[pad:-pad, pad:-pad], np.int32)


def on_ellipse(
    centre: NDArray[np.float64],
    radii: tuple[float, float],
    angle: float,
    turn: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Positions ``(n, 2)`` at the parameters `turn` of an ellipse turned by `angle`."""
    along, across = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    offset = np.stack([along * sin + across * cos, along * cos - across * sin], axis=1)
    return np.asarray(centre + offset)


def around(
    rng: np.random.Generator,
    centre: NDArray[np.float64],
    radii: tuple[float, float],
    angle: float,
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`count` shaken positions on an ellipse, and the direction outwards at each (radians)."""
    turn = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    places = on_ellipse(centre, radii, angle, turn)
    return places, np.arctan2(*(places - centre).T)
