"""Electron micrographs: packed profiles with mitochondria and synapses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, depth_of
from napari_semantic_sam.training.synthetic.looks import blurred, coverage, per_object
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
    white_noise,
)
from napari_semantic_sam.training.synthetic.placing import packed, tiling
from napari_semantic_sam.training.synthetic.shapes import blob, wobble
from napari_semantic_sam.training.synthetic.types import Draft

if TYPE_CHECKING:
    from numpy.typing import NDArray


def em(rng: np.random.Generator, size: int) -> Draft:
    """Neurite profiles; levels profile > mitochondrion, synapse."""
    spacing = log_uniform(rng, max(12.0, size / 16), 60.0)
    profiles = Canvas(size)
    labels = _profiles(rng, size, spacing)
    profiles.fill(labels, depth_of(labels), int(labels.max()))
    mitochondria, synapses = Canvas(size), Canvas(size)
    largest = spacing * rng.uniform(0.25, 0.5)
    _add_mitochondria(rng, mitochondria, profiles, largest, int(rng.integers(0, 25)))
    _add_synapses(rng, synapses, profiles, spacing)
    image = _micrograph(rng, profiles, mitochondria, synapses, spacing)
    levels = (
        profiles.level("profile"),
        mitochondria.level("mitochondrion"),
        synapses.level("synapse"),
    )
    return Draft(image, levels)


def _profiles(rng: np.random.Generator, size: int, spacing: float) -> NDArray[np.int32]:
    """Irregular profiles of very different sizes: small tiles joined around rare centres."""
    centres = packed(rng, size, spacing, jitter=0.35)
    tiles = tiling(rng, size, centres, bend=rng.uniform(0.15, 0.35))
    keys = np.arange(len(centres) + 1)
    hubs = rng.random(len(centres)) < rng.uniform(0.15, 0.8)
    hubs[0] = True
    ahead = np.flatnonzero(hubs)
    stretch = np.array([1.0, rng.uniform(1.0, 2.5)])
    apart = ((centres[:, None] - centres[None, ahead]) * stretch / spacing) ** 2
    cost = apart.sum(-1) + rng.uniform(0, 1.5, len(ahead))
    keys[1:] = cost.argmin(1) + 1
    return np.ascontiguousarray(keys[tiles], np.int32)


def _add_mitochondria(
    rng: np.random.Generator, canvas: Canvas, profiles: Canvas, largest: float, tries: int
) -> None:
    size = profiles.size
    at = rng.integers(0, size, (tries * 4, 2))
    deep = at[profiles.depth[at[:, 0], at[:, 1]] > 4]
    for y, x in deep[:tries]:
        r = max(3.5, largest * rng.uniform(0.5, 1.0))
        ratio = rng.uniform(1.0, 2.2)
        radii = (r * np.sqrt(ratio), r / np.sqrt(ratio))
        where = np.array([float(y), float(x)])
        shape = blob(size, where, radii, rng.uniform(0, np.pi), wobble(rng, 0.06))
        if shape is not None and canvas.covered(shape) == 0:
            canvas.add_inside(shape, profiles, int(profiles.labels[y, x]), gap=2.5)


def _add_synapses(
    rng: np.random.Generator, canvas: Canvas, profiles: Canvas, spacing: float
) -> None:
    size = profiles.size
    at = rng.integers(2, size - 2, (60, 2))
    shallow = (profiles.depth[at[:, 0], at[:, 1]] > 1) & (profiles.depth[at[:, 0], at[:, 1]] < 5)
    for y, x in at[shallow][: int(rng.integers(0, 8))]:
        r = max(2.5, spacing * rng.uniform(0.06, 0.14))
        where = np.array([float(y), float(x)])
        shape = blob(size, where, (r * 1.6, r), rng.uniform(0, np.pi), wobble(rng, 0.1))
        canvas.add_inside(shape, profiles, int(profiles.labels[y, x]), gap=0.5)


def _micrograph(
    rng: np.random.Generator,
    profiles: Canvas,
    mitochondria: Canvas,
    synapses: Canvas,
    spacing: float,
) -> NDArray[np.float32]:
    size = profiles.size
    fine = blurred(white_noise(rng, size), rng.uniform(0.6, 1.2))
    plasma = per_object(rng, profiles.count, 0.72, rng.uniform(0.03, 0.14))[profiles.labels]
    specks = fractal_noise(rng, size, spacing * 0.2, octaves=4, decay=0.8)
    image = plasma + np.float32(rng.uniform(0.02, 0.08)) * specks
    image -= np.float32(0.35) * np.clip(specks - rng.uniform(1.2, 2.2), 0, 1)  # vesicles, tubules
    width = np.float32(log_uniform(rng, 0.8, 2.5))
    sharp = np.clip(0.8 + 0.35 * smooth_noise(rng, size, spacing), 0.25, 1)  # oblique membranes
    membrane = blurred(np.exp(-((profiles.depth / width) ** 2)), 0.6)
    image -= np.float32(rng.uniform(0.35, 0.6)) * sharp * membrane
    cristae = np.sin(smooth_noise(rng, size, spacing / 2) * np.float32(rng.uniform(4, 9)))
    matrix = np.float32(rng.uniform(0.32, 0.55)) + np.float32(0.08) * cristae
    matrix = matrix - np.float32(0.2) * np.exp(-((mitochondria.depth / 1.5) ** 2))
    on = coverage(mitochondria.depth, 1.5)
    image = image * (1 - on) + matrix * on
    image -= np.float32(rng.uniform(0.3, 0.5)) * coverage(synapses.depth, 2.5)
    image += fine * np.float32(rng.uniform(0.02, 0.12))
    return np.asarray(np.clip(image, 0, 1), np.float32)
