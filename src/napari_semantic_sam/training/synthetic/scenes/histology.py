"""Stained tissue sections: purple nuclei in pink, with glands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, grouped
from napari_semantic_sam.training.synthetic.looks import (
    blurred,
    coverage,
    jittered,
    per_object,
    stained,
)
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
    warped,
)
from napari_semantic_sam.training.synthetic.placing import around, clustered, scattered
from napari_semantic_sam.training.synthetic.shapes import blob, wobble
from napari_semantic_sam.training.synthetic.types import Draft, Level

if TYPE_CHECKING:
    from numpy.typing import NDArray


def histology(rng: np.random.Generator, size: int) -> Draft:
    """Nuclei in stroma, around glands and in infiltrates; levels tissue > nucleus."""
    radius = log_uniform(rng, 4.0, 28.0)
    glands, nuclei = Canvas(size), Canvas(size)
    if rng.random() < 0.5:
        _add_glands(rng, glands, nuclei, radius)
    most = int(np.clip(size**2 / (np.pi * radius**2) * rng.uniform(0.1, 0.7), 3, 150))
    crowds = rng.random() < 0.4
    centres = clustered(rng, size, most, size / 5) if crowds else scattered(rng, size, most)
    direction = smooth_noise(rng, size, size / 2) * np.float32(1.5)
    for centre in centres:
        y, x = np.clip(centre.astype(int), 0, size - 1)
        if glands.labels[y, x] == 0:
            _add_nucleus(rng, nuclei, centre, radius, float(direction[y, x]), rng.uniform(1, 2.6))
    if nuclei.count == 0:
        _add_nucleus(rng, nuclei, np.full(2, size / 2), radius, 0.0, 1.5)
    image = _stain(rng, glands, nuclei, radius)
    tissue = glands.level("tissue").labels
    if glands.count == 0:
        tissue = grouped(nuclei.labels, radius * rng.uniform(0.5, 1.2), fewest=4)
    return Draft(image, (Level("tissue", tissue), nuclei.level("nucleus")))


def _add_glands(rng: np.random.Generator, glands: Canvas, nuclei: Canvas, radius: float) -> None:
    """Rings of radially set nuclei around a pale lumen."""
    size = glands.size
    for _ in range(int(rng.integers(1, 5))):
        big = max(4.5 * radius, size * rng.uniform(0.12, 0.4))
        centre = rng.uniform(0, size, 2)
        ratio, angle = rng.uniform(0.6, 1.0), rng.uniform(0, np.pi)
        shape = blob(size, centre, (big, big * ratio), angle, wobble(rng, 0.05), margin=4)
        if shape is None or glands.covered(shape) > 0.02:
            continue
        glands.add(shape)
        inner = rng.uniform(0.78, 0.88) * big
        count = int(2 * np.pi * inner * ratio / (radius * rng.uniform(1.8, 2.6)))
        places, outward = around(rng, centre, (inner, inner * ratio), angle, min(count, 90))
        for at, direction in zip(places, outward, strict=True):
            _add_nucleus(rng, nuclei, at, radius, float(direction), rng.uniform(1.1, 1.9))


def _add_nucleus(
    rng: np.random.Generator,
    nuclei: Canvas,
    centre: NDArray[np.float64],
    radius: float,
    angle: float,
    ratio: float,
) -> None:
    r = max(3.0, radius * np.exp(rng.normal(0, 0.2)))
    radii = (r * np.sqrt(ratio), r / np.sqrt(ratio))
    shape = blob(nuclei.size, centre, radii, angle + rng.normal(0, 0.25), wobble(rng, 0.07))
    if shape is not None and nuclei.covered(shape) < 0.3:
        nuclei.add(shape, over=bool(rng.random() < 0.5))


def _stain(
    rng: np.random.Generator, glands: Canvas, nuclei: Canvas, radius: float
) -> NDArray[np.float32]:
    size = nuclei.size
    fibres = fractal_noise(rng, size, radius * rng.uniform(1, 3), octaves=4, decay=0.7)
    strands = smooth_noise(rng, size, radius * rng.uniform(0.3, 0.8), radius * rng.uniform(2, 6))
    strands = warped(rng, strands.T if rng.random() < 0.5 else strands, size / 8, size / 3)
    stroma = np.clip(0.45 + 0.2 * fibres + rng.uniform(0, 0.3) * strands, 0, None)
    holes = fractal_noise(rng, size, radius * rng.uniform(2, 8))
    stroma = stroma * np.clip((holes + rng.uniform(-0.2, 2.0)) * 3, 0, 1)
    in_gland = coverage(glands.depth, 3.0)
    lumen = np.clip((glands.depth - np.float32(3.2 * radius)) / 4, 0, 1)
    pink = stroma * (1 - in_gland) + in_gland * (1 - lumen) * (0.7 + 0.1 * fibres)
    grain = fractal_noise(rng, size, max(1.5, radius * rng.uniform(0.2, 0.5)))
    tone = per_object(rng, nuclei.count, rng.uniform(0.5, 1.3), rng.uniform(0.1, 0.4))[
        nuclei.labels
    ]
    edge = 1 + np.float32(rng.uniform(0, 0.5)) * np.exp(-np.abs(nuclei.depth) / 1.2)
    pale = np.float32(rng.uniform(0, 0.6) if rng.random() < 0.4 else 0.0)
    hollow = 1 - pale * np.clip(nuclei.depth / np.float32(0.5 * radius), 0, 1)
    texture = np.clip(1 + rng.uniform(0.1, 0.35) * grain, 0.1, 3) * hollow
    purple = tone * coverage(nuclei.depth, rng.uniform(1.0, 3.0)) * edge * texture
    chosen = rng.random(nuclei.count + 1) < rng.uniform(-0.3, 0.4)  # out of focus
    soft = np.where(chosen[nuclei.labels], purple, 0)
    purple = purple - soft + blurred(soft, max(1.0, radius * 0.2))
    weight = np.float32(rng.choice([0.15, 0.6, 1.0]))
    colours = [jittered(rng, (0.86, 0.58, 0.74), 0.07), jittered(rng, (0.42, 0.28, 0.62), 0.08)]
    pink = pink * (weight + in_gland * np.maximum(0, np.float32(0.4) - weight))
    densities = [pink.astype(np.float32), purple.astype(np.float32)]
    image = stained(densities, colours, jittered(rng, (0.95, 0.93, 0.95), 0.03))
    return image.mean(-1) if rng.random() < 0.1 else image
