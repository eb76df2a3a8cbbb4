"""Fluorescent nuclei: sparse fields, touching crowds, clusters, out-of-focus ones."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, grouped
from napari_semantic_sam.training.synthetic.looks import blurred, coverage, per_object
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
)
from napari_semantic_sam.training.synthetic.placing import clustered, packed, scattered
from napari_semantic_sam.training.synthetic.shapes import blob, wobble
from napari_semantic_sam.training.synthetic.types import Draft, Level

if TYPE_CHECKING:
    from numpy.typing import NDArray


def nuclei(rng: np.random.Generator, size: int) -> Draft:
    """Nuclei on a dark background; levels tissue > nucleus > nucleolus."""
    radius = log_uniform(rng, 4.0, 45.0)
    crowd = str(rng.choice(["sparse", "clustered", "packed"], p=[0.4, 0.3, 0.3]))
    canvas = Canvas(size)
    centres = _positions(rng, size, radius, crowd)
    _draw(rng, canvas, centres, radius, touching=0.1 if crowd == "sparse" else 0.35)
    spots = Canvas(size)
    if radius > 9 and rng.random() < 0.5:
        add_nucleoli(rng, spots, canvas, radius)
    image = _shine(rng, canvas, spots, radius)
    levels = [canvas.level("nucleus"), spots.level("nucleolus")]
    if crowd != "sparse":
        reach = radius * rng.uniform(0.4, 1.2)
        levels.insert(0, Level("tissue", grouped(levels[0].labels, reach)))
    return Draft(image, tuple(levels))


def _positions(
    rng: np.random.Generator, size: int, radius: float, crowd: str
) -> NDArray[np.float64]:
    most = int(np.clip(size**2 / (np.pi * radius**2) * rng.uniform(0.05, 0.6), 1, 150))
    if crowd == "sparse":
        return scattered(rng, size, max(1, int(most * rng.uniform(0.1, 0.8))))
    if crowd == "clustered":
        return clustered(rng, size, most, radius * np.sqrt(most) * rng.uniform(0.6, 1.3))
    spacing = max(radius * rng.uniform(1.7, 2.4), size / 13)
    centres = packed(rng, size, spacing)
    if rng.random() < 0.6:  # holes and edges of the tissue
        field = smooth_noise(rng, size, size / rng.uniform(1.5, 4))
        at = np.clip(centres.astype(int), 0, size - 1)
        centres = centres[field[at[:, 0], at[:, 1]] > rng.uniform(-1, 0.3)]
    return centres


def _draw(
    rng: np.random.Generator,
    canvas: Canvas,
    centres: NDArray[np.float64],
    radius: float,
    touching: float,
) -> None:
    """Draw a blob at each centre that is not already covered by more than `touching`."""
    stretch = rng.uniform(0, 0.35)
    roughness = rng.choice([0.02, 0.06, 0.12])
    spread = rng.uniform(0.05, 0.3)
    common = rng.uniform(0, np.pi) if rng.random() < 0.3 else None
    for centre in centres:
        r = max(3.0, radius * np.exp(rng.normal(0, spread)))
        ratio = np.exp(abs(rng.normal(0, stretch)))
        turn = rng.uniform(0, np.pi) if common is None else common + rng.normal(0, 0.3)
        outline = wobble(rng, roughness)
        shape = blob(canvas.size, centre, (r * np.sqrt(ratio), r / np.sqrt(ratio)), turn, outline)
        if shape is not None and canvas.covered(shape) <= touching:
            canvas.add(shape)
    if canvas.count == 0:
        middle = np.full(2, canvas.size / 2)
        canvas.add(blob(canvas.size, middle, (max(radius, 4), max(radius, 4)), 0.0))


def add_nucleoli(
    rng: np.random.Generator, spots: Canvas, parents: Canvas, radius: float, most: int = 4
) -> None:
    """Draw 0..`most` small bodies inside each object of `parents` (mean radius `radius`, px)."""
    at = _random_pixels(rng, parents, most)
    for label, places in at.items():
        for centre in places[: int(rng.integers(0, most + 1))]:
            r = max(1.8, radius * rng.uniform(0.1, 0.28))
            shape = blob(spots.size, centre, (r * rng.uniform(0.8, 1.3), r), rng.uniform(0, 3))
            spots.add_inside(shape, parents, label, gap=1.5)


def _random_pixels(
    rng: np.random.Generator, canvas: Canvas, each: int
) -> dict[int, NDArray[np.float64]]:
    """Up to `each` random pixels well inside of every object, by label."""
    flat = rng.choice(canvas.size**2, min(canvas.size**2, 60 * each * max(4, canvas.count)))
    labels, depth = canvas.labels.ravel()[flat], canvas.depth.ravel()[flat]
    good = flat[(labels > 0) & (depth > 2)]
    owner = canvas.labels.ravel()[good]
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(1, canvas.count + 2))
    pixels = np.stack(np.unravel_index(good[order], (canvas.size, canvas.size)), 1).astype(float)
    return {k + 1: pixels[a : min(b, a + each)] for k, (a, b) in enumerate(pairwise(starts))}


def _shine(
    rng: np.random.Generator, canvas: Canvas, spots: Canvas, radius: float
) -> NDArray[np.float32]:
    size, labels = canvas.size, canvas.labels
    level = per_object(rng, canvas.count, 0.6, rng.uniform(0.05, 0.5))
    body = coverage(canvas.depth, max(1.0, radius * rng.uniform(0.03, 0.35)))
    chromatin = fractal_noise(rng, size, max(2.0, radius * rng.uniform(0.15, 0.6)))
    texture = 1 + np.float32(rng.uniform(0.03, 0.28)) * chromatin
    light = level[labels] * body * texture
    if spots.count:
        strength = np.float32(rng.choice([-0.6, -0.3, 0.5, 1.0]))
        light = light * (1 + strength * coverage(spots.depth, 1.5))
    light = _defocused(rng, light, labels, canvas.count, radius)
    haze = blurred(light[::4, ::4], radius / 3)
    haze = np.repeat(np.repeat(haze, 4, 0), 4, 1)[:size, :size]
    base = rng.uniform(0.01, 0.15) * (1 + 0.3 * smooth_noise(rng, size, size / 2))
    image: NDArray[np.float32] = light + np.float32(rng.uniform(0, 0.4)) * haze + base
    return np.asarray(image, np.float32)


def _defocused(
    rng: np.random.Generator,
    light: NDArray[np.float32],
    labels: NDArray[np.int32],
    count: int,
    radius: float,
) -> NDArray[np.float32]:
    if rng.random() < 0.6:
        return light
    chosen = rng.random(count + 1) < rng.uniform(0.1, 0.7)
    soft = np.where(chosen[labels], light, 0)
    out: NDArray[np.float32] = (
        light - soft + blurred(soft, max(1.0, radius * rng.uniform(0.1, 0.25)))
    )
    return out
