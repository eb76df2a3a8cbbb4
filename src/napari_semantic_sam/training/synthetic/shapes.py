"""Outlines of single objects, each drawn in its own window.

A shape is a field of *depths*: distance in px to the outline, positive inside. Depths make it cheap
to let touching objects share a border (the deeper one wins), to shade towards the rim, and to draw
halos.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# steps of an outline over the full turn
_ANGLES = 256
# depth where a shape is not, px
_FAR = np.float32(-1000.0)


@dataclass(frozen=True)
class Shape:
    """Depths ``(h, w)`` (px, positive inside) of an object whose window starts at `top`, `left`."""

    top: int
    left: int
    depth: NDArray[np.float32]


def _window(
    size: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[int, int, NDArray[np.float32], NDArray[np.float32]] | None:
    """Top, left, rows and columns of the box low..high cut to the picture; None if outside."""
    top, left = (max(0, int(v)) for v in np.floor(low))
    bottom, right = (min(size, int(v) + 1) for v in np.ceil(high))
    if top >= bottom or left >= right:
        return None
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    columns = np.arange(left, right, dtype=np.float32)[None, :]
    return top, left, rows, columns


def wobble(rng: np.random.Generator, roughness: float, harmonics: int = 5) -> NDArray[np.float32]:
    """Radius over the angle, ``(256,)``, mean 1: a Fourier series with falling amplitudes."""
    angle = np.linspace(-np.pi, np.pi, _ANGLES, endpoint=False)
    radius = np.ones(_ANGLES)
    for k in range(2, 2 + harmonics):
        amplitude = roughness * rng.normal() / (k - 1)
        radius += amplitude * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return np.maximum(radius, 0.3).astype(np.float32)


def star(
    rng: np.random.Generator, tips: int, reach: float, *, sharpness: float = 2.0
) -> NDArray[np.float32]:
    """Radius over the angle, ``(256,)``: valleys at 1 and `tips` cusps at about `reach`."""
    edges = (np.arange(tips) + rng.uniform(-0.35, 0.35, tips)) / tips * _ANGLES
    if tips > 2:  # the tips of a spindle stay on its long axis, at 0 and π
        edges += rng.uniform(0, _ANGLES / tips)
    offset = (np.arange(_ANGLES)[:, None] - edges[None] + _ANGLES / 2) % _ANGLES - _ANGLES / 2
    width = _ANGLES / tips / 2 * rng.uniform(0.6, 1.2, tips)
    nearness = np.clip(1 - np.abs(offset) / width, 0, 1)
    height = np.log(reach) * rng.uniform(0.15, 1.2, tips)
    return np.asarray(np.exp((height * nearness**sharpness).max(1)), np.float32)


def blob(
    size: int,
    centre: NDArray[np.float64],
    radii: tuple[float, float],
    angle: float,
    outline: NDArray[np.float32] | None = None,
    margin: float = 2.0,
    bow: float = 0.0,
) -> Shape | None:
    """Ellipse with semi-axes `radii` (px) turned by `angle`, its radius modulated by `outline`.

    `margin` is how far outside of the object depths are needed (px); `bow` bends the long axis to a
    parabola (0.3 makes a bean). None if off the picture.
    """
    peak = 1.0 if outline is None else float(outline.max())
    cos, sin = np.cos(angle), np.sin(angle)
    extent = peak * np.array(
        [np.hypot(radii[0] * sin, radii[1] * cos), np.hypot(radii[0] * cos, radii[1] * sin)]
    )
    if outline is not None:
        extent = np.minimum(extent * 1.15, max(radii) * peak)
    extent = extent + abs(bow) * radii[1] * peak**2
    window = _window(size, centre - extent - margin, centre + extent + margin)
    if window is None:
        return None
    top, left, rows, columns = window
    dy, dx = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    along = (dx * np.float32(cos) + dy * np.float32(sin)) / np.float32(radii[0])
    across = (dy * np.float32(cos) - dx * np.float32(sin)) / np.float32(radii[1])
    if bow:
        across = across + np.float32(bow) * along * along
    scale = np.float32(np.sqrt(radii[0] * radii[1]))
    if outline is None:
        return Shape(top, left, (1 - np.hypot(along, across)) * scale)
    turn = np.arctan2(across, along) * np.float32(_ANGLES / (2 * np.pi))
    index = (turn + np.float32(1.5 * _ANGLES)).astype(np.int32) % _ANGLES
    # a steep outline is nearer than its radius says: to first order by its slope
    slope = (np.roll(outline, -1) - np.roll(outline, 1)) / np.float32(4 * np.pi / _ANGLES) / outline
    nearer = scale / np.hypot(1, slope)
    return Shape(top, left, (outline[index] - np.hypot(along, across)) * nearer[index])


def tube(
    size: int, points: NDArray[np.float64], radii: NDArray[np.float64], margin: float = 2.0
) -> Shape | None:
    """Tapering capsules through `points` ``(n, 2)`` (row, column) with `radii` ``(n,)``, px."""
    reach = radii.max() + margin
    window = _window(size, points.min(0) - reach, points.max(0) + reach)
    if window is None:
        return None
    top, left, rows, columns = window
    depth = np.full((rows.size, columns.size), _FAR, np.float32)
    for (a, b), (r0, r1) in zip(pairwise(points), pairwise(radii), strict=True):
        direction = (b - a).astype(np.float32)
        dy, dx = rows - np.float32(a[0]), columns - np.float32(a[1])
        squared = max(float(direction @ direction), 1e-6)
        t = np.clip((dy * direction[0] + dx * direction[1]) / np.float32(squared), 0, 1)
        distance = np.hypot(dy - t * direction[0], dx - t * direction[1])
        np.maximum(depth, np.float32(r0) + t * np.float32(r1 - r0) - distance, out=depth)
    return Shape(top, left, depth)


def united(shapes: list[Shape | None]) -> Shape | None:
    """The union of several shapes; None if none is on the picture."""
    present = [s for s in shapes if s is not None]
    if not present:
        return None
    top, left = min(s.top for s in present), min(s.left for s in present)
    bottom = max(s.top + s.depth.shape[0] for s in present)
    right = max(s.left + s.depth.shape[1] for s in present)
    depth = np.full((bottom - top, right - left), _FAR, np.float32)
    for s in present:
        part = depth[s.top - top :, s.left - left :][: s.depth.shape[0], : s.depth.shape[1]]
        np.maximum(part, s.depth, out=part)
    return Shape(top, left, depth)


def arc(
    centre: NDArray[np.float64], length: float, angle: float, bend: float, points: int = 6
) -> NDArray[np.float64]:
    """Points ``(points, 2)`` along a curve of `length` px that turns by `bend` radians in all."""
    headings = angle + bend * (np.arange(points - 1) / max(points - 2, 1) - 0.5)
    steps = np.stack([np.sin(headings), np.cos(headings)], axis=1) * (length / (points - 1))
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    middle: NDArray[np.float64] = path - path.mean(0) + centre
    return middle
