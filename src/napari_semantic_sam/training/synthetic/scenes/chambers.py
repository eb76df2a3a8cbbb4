"""Egg chambers, acini and organoids: closed bodies lined and filled with nuclei."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas
from napari_semantic_sam.training.synthetic.looks import (
    blurred,
    channel_colours,
    coverage,
    mixed,
    per_object,
)
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
)
from napari_semantic_sam.training.synthetic.placing import around, on_ellipse
from napari_semantic_sam.training.synthetic.shapes import blob, wobble
from napari_semantic_sam.training.synthetic.types import Draft

if TYPE_CHECKING:
    from numpy.typing import NDArray


def chambers(rng: np.random.Generator, size: int) -> Draft:
    """Bodies with a lining of small and a filling of large nuclei; levels tissue > nucleus."""
    bodies, nuclei = Canvas(size), Canvas(size)
    largest = min(log_uniform(rng, 30.0, 130.0), 0.6 * size)
    small = max(3.0, largest * rng.uniform(0.05, 0.1))
    line, angle = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0, np.pi)
    along = np.array([np.sin(angle), np.cos(angle)])
    filled, lined = rng.random() < 0.8, rng.random() < 0.8
    for k in range(int(rng.integers(1, 6))):
        radius = largest * rng.uniform(0.6, 1.0)
        ratio = rng.uniform(0.65, 1.0)
        centre = line + along * (k - 1) * largest * 2.1 + rng.normal(0, 0.15, 2) * largest
        radii = (radius, radius * ratio)
        shape = blob(size, centre, radii, angle, wobble(rng, 0.02), margin=6)
        if shape is None or bodies.covered(shape) > 0.15:
            continue
        label = bodies.add(shape)
        if lined or not filled:
            _line(rng, nuclei, bodies, label, (centre, radii, angle), small)
        if filled:
            _fill(rng, nuclei, bodies, label, (centre, radii, angle), small)
    if bodies.count == 0:
        bodies.add(blob(size, np.full(2, size / 2), (largest, largest), 0.0, margin=6))
    image = _shine(rng, bodies, nuclei, small)
    return Draft(image, (bodies.level("tissue"), nuclei.level("nucleus")))


Ellipse = tuple["NDArray[np.float64]", tuple[float, float], float]


def _line(
    rng: np.random.Generator,
    nuclei: Canvas,
    bodies: Canvas,
    label: int,
    body: Ellipse,
    small: float,
) -> None:
    """A closed row of small nuclei along the inside of the wall."""
    centre, radii, angle = body
    inner = (radii[0] - 1.4 * small, radii[1] - 1.4 * small)
    count = int(2 * np.pi * np.sqrt(inner[0] * inner[1]) / (small * rng.uniform(1.8, 2.6)))
    places, outward = around(rng, centre, inner, angle, int(np.clip(count, 4, 100)))
    for at, direction in zip(places, outward, strict=True):
        r = small * np.exp(rng.normal(0, 0.12))
        shape = blob(nuclei.size, at, (r * rng.uniform(0.8, 1.2), r), float(direction))
        nuclei.add_inside(shape, bodies, label, gap=0.5)


def _fill(
    rng: np.random.Generator,
    nuclei: Canvas,
    bodies: Canvas,
    label: int,
    body: Ellipse,
    small: float,
) -> None:
    """Large nuclei anywhere inside the lining."""
    centre, radii, angle = body
    large = max(small, radii[1] * rng.uniform(0.1, 0.28))
    room = max(0.0, 1 - (2.8 * small + large) / radii[1])
    count = int(rng.integers(3, 16))
    reach = room * np.sqrt(rng.uniform(size=count))[:, None]
    places = on_ellipse(np.zeros(2), radii, angle, rng.uniform(0, 2 * np.pi, count))
    for at in centre + reach * places:
        r = large * rng.uniform(0.8, 1.1)
        shape = blob(
            nuclei.size, at, (r, r * rng.uniform(0.8, 1)), rng.uniform(0, 3), wobble(rng, 0.03)
        )
        if shape is not None and nuclei.covered(shape) < 0.05:
            nuclei.add_inside(shape, bodies, label, gap=0.5)


def _shine(
    rng: np.random.Generator, bodies: Canvas, nuclei: Canvas, small: float
) -> NDArray[np.float32]:
    """Bright nuclei in a dim body; a second channel marks the walls."""
    size = bodies.size
    cloud = smooth_noise(rng, size, max(6.0, 4 * small))
    grain = fractal_noise(rng, size, max(2.0, small * 0.6))
    inside = coverage(bodies.depth, 3.0)
    plasma = rng.uniform(0.05, 0.35) * inside * np.clip(1 + 0.3 * cloud + 0.1 * grain, 0, 2)
    bright = per_object(rng, nuclei.count, 0.7, rng.uniform(0.1, 0.4))[nuclei.labels]
    core = bright * coverage(nuclei.depth, rng.uniform(1.5, 4.0)) * (1 + 0.15 * grain)
    wall = np.exp(-((bodies.depth / np.float32(rng.uniform(1.0, 3.0))) ** 2))
    wall = wall * np.clip(rng.uniform(-0.6, 0.6) + cloud, 0, 1.5)
    haze = blurred((core + plasma).astype(np.float32), 2 * small) * np.float32(rng.uniform(0, 0.4))
    light = (core + plasma + haze + 0.02).astype(np.float32)
    if rng.random() < 0.6:
        return mixed([light, wall.astype(np.float32)], channel_colours(rng))
    return np.asarray(light + rng.uniform(0, 0.8) * wall, np.float32)
