"""Sheets of cells with membranes, nuclei and nucleoli."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, depth_of, grouped
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
from napari_semantic_sam.training.synthetic.placing import packed, tiling
from napari_semantic_sam.training.synthetic.scenes.nuclei import add_nucleoli
from napari_semantic_sam.training.synthetic.shapes import blob, wobble
from napari_semantic_sam.training.synthetic.types import Draft, Level

if TYPE_CHECKING:
    from numpy.typing import NDArray


def epithelium(rng: np.random.Generator, size: int) -> Draft:
    """A tiling of cells; levels tissue > cell > nucleus > nucleolus."""
    spacing = log_uniform(rng, max(18.0, size / 12), 110.0)
    cells, centres = sheet(rng, size, spacing)
    nuclei, spots = Canvas(size), Canvas(size)
    if rng.random() < 0.8:
        add_nuclei(rng, nuclei, cells, centres, spacing * rng.uniform(0.18, 0.33))
        if spacing > 40:
            add_nucleoli(rng, spots, nuclei, spacing * 0.25, most=3)
    image = _membranes_and_nuclei(rng, cells, nuclei, spots, spacing)
    tissue = grouped(cells.labels, spacing / 4, fewest=2)
    levels = (
        Level("tissue", tissue),
        cells.level("cell"),
        nuclei.level("nucleus"),
        spots.level("nucleolus"),
    )
    return Draft(image, levels)


def sheet(
    rng: np.random.Generator, size: int, spacing: float
) -> tuple[Canvas, NDArray[np.float64]]:
    """Voronoi cells, sometimes with holes, and their centres (centre k has label k + 1)."""
    centres = packed(rng, size, spacing, jitter=rng.uniform(0.1, 0.3))
    labels = tiling(rng, size, centres, bend=rng.uniform(0.03, 0.25))
    canvas = Canvas(size)
    canvas.fill(labels, depth_of(labels), len(centres))
    if rng.random() < 0.6:
        field = smooth_noise(rng, size, size / rng.uniform(1.0, 3.0))
        at = np.clip(centres.astype(int), 0, size - 1)
        empty = np.concatenate([[False], field[at[:, 0], at[:, 1]] < rng.uniform(-1.5, 0.2)])
        if not empty[labels].all():
            canvas.clear(empty)
    return canvas, centres


def add_nuclei(
    rng: np.random.Generator,
    nuclei: Canvas,
    cells: Canvas,
    centres: NDArray[np.float64],
    radius: float,
) -> None:
    """Draw a nucleus into every cell whose centre (label k + 1 for centre k) is its own."""
    roughness, wander = rng.choice([0.02, 0.06]), radius * rng.uniform(0, 0.5)
    for k, centre in enumerate(centres):
        at = centre + rng.normal(0, wander, 2)
        y, x = np.rint(at).astype(int)
        if not (0 <= y < cells.size and 0 <= x < cells.size) or cells.labels[y, x] != k + 1:
            continue
        r = radius * np.exp(rng.normal(0, 0.12))
        ratio = rng.uniform(0.75, 1.0)
        shape = blob(cells.size, at, (r, r * ratio), rng.uniform(0, np.pi), wobble(rng, roughness))
        nuclei.add_inside(shape, cells, k + 1, gap=2.0)


def _membranes_and_nuclei(
    rng: np.random.Generator, cells: Canvas, nuclei: Canvas, spots: Canvas, spacing: float
) -> NDArray[np.float32]:
    size, labels = cells.size, cells.labels
    present = labels > 0
    width = log_uniform(rng, 0.8, max(1.5, spacing * 0.07))
    patchy = np.clip(1 + rng.uniform(0.1, 0.5) * smooth_noise(rng, size, spacing / 2), 0.1, 2)
    wall = blurred(np.exp(-((cells.depth / np.float32(width)) ** 2)) * present, 0.6) * patchy
    grain = fractal_noise(rng, size, spacing * rng.uniform(0.1, 0.4))
    height = float(rng.choice([-0.7, 0.0, 0.5, 1.0], p=[0.15, 0.1, 0.25, 0.5]))
    spread = rng.uniform(0.1, 0.5) if height else 0.6
    level = per_object(rng, cells.count, rng.uniform(0.1, 0.5), spread)
    plasma = level[labels] * (1 + np.float32(rng.uniform(0.03, 0.25)) * grain)
    cell_light = np.clip(plasma + np.float32(height) * wall * (1 if height > 0 else plasma), 0, 2)
    chromatin = 1 + np.float32(0.2) * fractal_noise(rng, size, max(2.0, spacing * 0.08))
    core = per_object(rng, nuclei.count, 0.7, 0.2)[nuclei.labels] * chromatin
    core = core * (1 + np.float32(rng.choice([-0.6, 0.7])) * coverage(spots.depth, 1.5))
    inside = coverage(nuclei.depth, 2.0)
    if rng.random() < 0.5:
        return mixed([cell_light, core * inside], channel_colours(rng))
    contrast = np.float32(rng.choice([-0.8, 0.5, 1.0, 0.3]))
    image: NDArray[np.float32] = cell_light * (1 - 0.4 * inside) + contrast * core * inside * 0.6
    return np.asarray(image + np.float32(rng.uniform(0.02, 0.3)), np.float32)
