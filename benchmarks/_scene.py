"""What benchmarks look at, and how the mouse moves over it; quick to import."""

from __future__ import annotations

import numpy as np

TILE = 128
CLICKS = [(64, 64), (30, 90), (100, 40), (64, 20), (20, 40)]
"""Inside one tile; every picture is clicked on its middle tile."""

MOUSE_EVENTS_PER_SECOND = 100


def picture(side: int) -> np.ndarray:
    """Return a square picture of cell-like discs, the same tile again and again.

    The objects under the clicks are thus the same whatever the size of the picture.
    """
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:TILE, :TILE]
    tile = np.full((TILE, TILE), 40.0)
    for y, x in CLICKS:
        distance = np.hypot(yy - y, xx - x)
        tile[distance < 14] = 110
        tile[distance < 6] = 200
    tile += rng.normal(0, 8, tile.shape)
    repeats = -(-side // TILE)
    return np.tile(tile.clip(0, 255), (repeats, repeats))[:side, :side].astype(np.uint8)


def path(step: int, side: int) -> tuple[float, float]:
    """Where the mouse is: a slow loop around the middle of the picture."""
    angle = 2 * np.pi * step / (5 * MOUSE_EVENTS_PER_SECOND)
    return side / 2 + side / 3 * np.sin(angle), side / 2 + side / 3 * np.cos(2 * angle)
