"""Cells on a dish: bodies with nuclei, fluorescent, in side light or in bright field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, grouped
from napari_semantic_sam.training.synthetic.looks import (
    blurred,
    channel_colours,
    coverage,
    mixed,
    per_object,
    relief,
)
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
)
from napari_semantic_sam.training.synthetic.placing import clustered, packed, scattered
from napari_semantic_sam.training.synthetic.scenes.nuclei import add_nucleoli
from napari_semantic_sam.training.synthetic.shapes import blob, wobble
from napari_semantic_sam.training.synthetic.types import Draft, Level

if TYPE_CHECKING:
    from numpy.typing import NDArray


def culture(rng: np.random.Generator, size: int) -> Draft:
    """Single and touching cells; levels colony > cell > nucleus > nucleolus."""
    radius = min(log_uniform(rng, 6.0, 110.0), 0.45 * size)
    cells, nuclei, spots = Canvas(size), Canvas(size), Canvas(size)
    centres = _add_cells(rng, cells, radius)
    if rng.random() < 0.75 and radius > 9:
        share, roughness = rng.uniform(0.3, 0.65), rng.choice([0.02, 0.06])
        for label, (centre, r) in centres.items():
            at = centre + rng.normal(0, 0.12, 2) * r
            radii = (r * share, r * share * rng.uniform(0.7, 1.0))
            shape = blob(size, at, radii, rng.uniform(0, np.pi), wobble(rng, roughness))
            nuclei.add_inside(shape, cells, label, gap=1.5)
        if radius > 18 and rng.random() < 0.6:
            add_nucleoli(rng, spots, nuclei, radius * share, most=3)
    image = _LOOKS[int(rng.integers(len(_LOOKS)))](rng, cells, nuclei, spots, radius)
    colony = grouped(cells.labels, radius * rng.uniform(0.1, 0.4), fewest=2)
    levels = (
        Level("colony", colony),
        cells.level("cell"),
        nuclei.level("nucleus"),
        spots.level("nucleolus"),
    )
    return Draft(image, levels)


def _add_cells(
    rng: np.random.Generator, cells: Canvas, radius: float
) -> dict[int, tuple[NDArray[np.float64], float]]:
    """Draw the bodies; centre and radius (px) of each by label."""
    size = cells.size
    most = int(np.clip(size**2 / (np.pi * radius**2) * rng.uniform(0.1, 0.8), 1, 140))
    kind = rng.random()
    if kind < 0.4:
        places = scattered(rng, size, most)
    elif kind < 0.7:
        places = clustered(rng, size, most, radius * np.sqrt(most) * rng.uniform(0.5, 1.0))
    else:
        places = packed(rng, size, max(radius * rng.uniform(1.5, 2.2), size / 12))
    roughness, stretch = rng.choice([0.02, 0.08, 0.16]), rng.uniform(0, 0.3)
    drawn: dict[int, tuple[NDArray[np.float64], float]] = {}
    for centre in (*places, np.full(2, size / 2)):
        r = radius * np.exp(rng.normal(0, 0.15))
        ratio = np.exp(abs(rng.normal(0, stretch)) / 2)
        shape = blob(
            size,
            centre,
            (r * ratio, r / ratio),
            rng.uniform(0, np.pi),
            wobble(rng, roughness),
            r / 2,
        )
        if shape is not None and cells.covered(shape) < 0.3:
            drawn[cells.add(shape)] = (centre, r)
    return {label: where for label, where in drawn.items() if label}


def _fluorescent(
    rng: np.random.Generator, cells: Canvas, nuclei: Canvas, spots: Canvas, radius: float
) -> NDArray[np.float32]:
    size = cells.size
    fine = fractal_noise(rng, size, max(2.0, radius * rng.uniform(0.1, 0.4)), octaves=4, decay=0.8)
    level = per_object(rng, cells.count, rng.uniform(0.15, 0.6), rng.uniform(0.1, 0.5))
    thick = np.clip(cells.depth / np.float32(radius * rng.uniform(0.1, 0.9)), 0, 1)
    plasma = level[cells.labels] * thick * np.clip(1 + rng.uniform(0.1, 0.4) * fine, 0, 3)
    core = per_object(rng, nuclei.count, 0.7, rng.uniform(0.1, 0.4))[nuclei.labels]
    core = core * coverage(nuclei.depth, 2.0) * np.clip(1 + 0.15 * fine, 0, 2)
    core = core * (1 + np.float32(rng.choice([-0.6, 0.6])) * coverage(spots.depth, 1.5))
    if rng.random() < 0.5:
        return mixed([plasma, core], channel_colours(rng)) + np.float32(rng.uniform(0, 0.1))
    sign = np.float32(rng.choice([-0.7, 1.0]))
    shown = plasma + sign * (core if sign > 0 else plasma * coverage(nuclei.depth, 2.0))
    return np.asarray(shown + rng.uniform(0.02, 0.2), np.float32)


def _side_lit(
    rng: np.random.Generator, cells: Canvas, nuclei: Canvas, spots: Canvas, radius: float
) -> NDArray[np.float32]:
    size = cells.size
    rise = np.float32(radius * rng.uniform(0.25, 0.8))
    height = rise * np.sqrt(np.clip(cells.depth / rise, 0, 1))
    grain = fractal_noise(rng, size, max(2.0, radius * 0.15), octaves=3, decay=0.9)
    height = height + rng.uniform(0.1, 0.5) * grain * coverage(cells.depth, 3.0)
    height = height + np.clip(nuclei.depth, 0, rise / 4) * np.float32(rng.choice([-1.0, 1.0]))
    height = height + 2 * np.clip(spots.depth, 0, 2)
    lit = relief(rng, blurred(height.astype(np.float32), max(0.7, radius * 0.03)))
    out = 0.5 + rng.uniform(0.08, 0.3) * lit + 0.02 * smooth_noise(rng, size, size / 2)
    return np.asarray(out, np.float32)


def _bright_field(
    rng: np.random.Generator, cells: Canvas, nuclei: Canvas, spots: Canvas, radius: float
) -> NDArray[np.float32]:
    """Refracting bodies: fringes along the outline, little contrast inside."""
    size = cells.size
    width = np.float32(max(1.0, radius * rng.uniform(0.04, 0.12)))
    fringe = np.cos(np.clip(cells.depth, -99, 99) / width + rng.uniform(0, 2 * np.pi))
    fringe = fringe * np.exp(-np.abs(cells.depth) / (width * np.float32(rng.uniform(1, 3))))
    grain = fractal_noise(rng, size, max(2.0, radius * rng.uniform(0.1, 0.3)), decay=0.9)
    inside = coverage(cells.depth, 2.0)
    tone = rng.normal(0, 0.12, cells.count + 1).astype(np.float32)[cells.labels]
    body = tone + np.float32(rng.normal(0, 0.2)) + np.float32(rng.uniform(0.03, 0.15)) * grain
    core = np.float32(rng.choice([-0.25, 0.25])) * coverage(nuclei.depth, 2.0)
    core = core - np.exp(-np.abs(nuclei.depth) / 1.2) * 0.15 - 0.3 * coverage(spots.depth, 2.0)
    image = 0.55 + np.float32(rng.uniform(0.15, 0.4)) * fringe + inside * (body + core)
    return np.asarray(image + 0.02 * smooth_noise(rng, size, size / 2), np.float32)


_LOOKS = (_fluorescent, _fluorescent, _side_lit, _bright_field)
