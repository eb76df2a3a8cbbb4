"""Bacteria: rods side by side with halos and septa, in colonies or alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, grouped
from napari_semantic_sam.training.synthetic.looks import blurred, coverage, per_object
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
)
from napari_semantic_sam.training.synthetic.shapes import arc, tube
from napari_semantic_sam.training.synthetic.types import Draft, Level

if TYPE_CHECKING:
    from numpy.typing import NDArray

# rods in one picture, at most
_MOST = 260


def rods(rng: np.random.Generator, size: int) -> Draft:
    """Rod-shaped bacteria; levels colony > rod."""
    crowd = str(rng.choice(["full", "colonies", "single"], p=[0.25, 0.5, 0.25]))
    width = log_uniform(rng, 2.6 if crowd == "single" else max(2.8, size / 75), 13.0)
    length = 2 * width * rng.uniform(2.0, 5.0)
    canvas = Canvas(size)
    for middle, reach in _patches(rng, size, length, crowd):
        _fill(rng, canvas, middle, reach, width, length)
    if canvas.count == 0:
        _fill(rng, canvas, np.full(2, size / 2), length, width, length)
    dark = rng.random() < 0.65
    image = _phase(rng, canvas, width) if dark else _glow(rng, canvas, width)
    rod = canvas.level("rod")
    colony = grouped(rod.labels, max(3.0, width * rng.uniform(0.8, 1.6)))
    return Draft(image, (Level("colony", colony), rod))


def _patches(
    rng: np.random.Generator, size: int, length: float, crowd: str
) -> list[tuple[NDArray[np.float64], float]]:
    """Centre and radius (px) of discs in each of which the rods lie side by side."""
    if crowd == "single":
        return [(rng.uniform(0, size, 2), 0.1) for _ in range(int(rng.integers(3, 30)))]
    if crowd == "full":
        reach = size * rng.uniform(0.2, 0.5)
        return [(rng.uniform(0, size, 2), reach) for _ in range(8)]
    found = []
    for _ in range(int(rng.integers(1, 4))):
        reach = min(length * log_uniform(rng, 0.5, 3.0), size * 0.4)
        middle = rng.uniform(0.1, 0.9, 2) * size
        for _ in range(int(rng.integers(1, 4))):
            found.append((middle, reach))
            middle = middle + rng.normal(0, reach * 0.9, 2)
    return found


def _fill(
    rng: np.random.Generator,
    canvas: Canvas,
    middle: NDArray[np.float64],
    reach: float,
    width: float,
    length: float,
) -> None:
    """Fill a disc lane by lane with rods of about one direction that slowly turns."""
    turn = rng.uniform(0, np.pi)
    swirl = rng.normal(0, 0.4) / max(reach, length)
    gap = width * 2 * rng.uniform(0.93, 1.12)
    disorder = rng.choice([0.02, 0.06, 0.15])
    ahead, aside = np.array([np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), -np.sin(turn)])
    for lane in np.arange(-reach, reach + 1e-6, gap):
        half = np.sqrt(max(reach**2 - lane**2, 0.0))
        along = -half + rng.uniform(0, length)
        while along < half + 1 and canvas.count < _MOST:
            own = length * rng.uniform(0.6, 1.1)
            at = middle + along * ahead + lane * aside
            if (at > -length).all() and (at < canvas.size + length).all():
                heading = turn + swirl * (along + lane) + rng.normal(0, disorder)
                _add_rod(rng, canvas, at, heading, own, width)
            along += own + width * rng.uniform(-0.1, 0.25)


def _add_rod(
    rng: np.random.Generator,
    canvas: Canvas,
    centre: NDArray[np.float64],
    heading: float,
    length: float,
    width: float,
) -> None:
    """Draw a rod of `length` and radius `width` px, or the two daughters of one that divides."""
    halves = 2 if length > 7 * width and rng.random() < 0.35 else 1
    own = length / halves
    ahead = np.array([np.sin(heading), np.cos(heading)]) * own / 2
    for side in (-1, 1) if halves == 2 else (0,):
        path = arc(centre + side * ahead, max(1.0, own - 2 * width), heading, rng.normal(0, 0.2), 3)
        radii = np.full(3, width * np.exp(rng.normal(0, 0.06)))
        shape = tube(canvas.size, path, radii, margin=max(3.0, width))
        if shape is not None and canvas.covered(shape) < 0.25:
            canvas.add(shape)


def _phase(rng: np.random.Generator, canvas: Canvas, width: float) -> NDArray[np.float32]:
    """Dark rods, a bright halo around the colony and bright gaps inside of it."""
    size, labels = canvas.size, canvas.labels
    profile = np.clip(canvas.depth / np.float32(width * rng.uniform(0.4, 0.9)), 0, 1)
    tone = per_object(rng, canvas.count, rng.uniform(0.3, 0.6), 0.15)[labels]
    mottle = 1 + np.float32(rng.uniform(0.02, 0.15)) * fractal_noise(rng, size, width)
    absorbed = tone * np.sqrt(profile) * mottle
    reach = np.float32(width * rng.uniform(0.5, 1.2))
    outside = np.clip(canvas.depth, -60, 0)
    halo = np.exp(outside / reach) * (canvas.depth <= 0.5) * np.float32(rng.uniform(0.0, 0.35))
    shade = np.repeat(np.repeat(blurred(absorbed[::4, ::4], width), 4, 0), 4, 1)[:size, :size]
    image = 0.6 + halo - absorbed + np.float32(rng.uniform(0, 0.4)) * shade
    image += np.float32(0.02) * smooth_noise(rng, size, size / 2)
    return blurred(image.astype(np.float32), rng.uniform(0.4, max(0.5, width * 0.22)))


def _glow(rng: np.random.Generator, canvas: Canvas, width: float) -> NDArray[np.float32]:
    """Bright rods: filled, or only their membranes."""
    size, labels = canvas.size, canvas.labels
    tone = per_object(rng, canvas.count, 0.6, rng.uniform(0.1, 0.6))[labels]
    if rng.random() < 0.7:
        profile = np.sqrt(np.clip(canvas.depth / np.float32(width), 0, 1))
    else:
        rim = (canvas.depth - np.float32(0.15 * width)) / np.float32(max(0.8, 0.25 * width))
        profile = np.exp(-(rim**2)) + np.float32(0.2) * coverage(canvas.depth)
    mottle = 1 + np.float32(rng.uniform(0.05, 0.4)) * fractal_noise(rng, size, width)
    image = tone * profile * mottle + np.float32(rng.uniform(0.02, 0.2))
    return blurred(image.astype(np.float32), rng.uniform(0.4, max(0.5, width * 0.25)))
