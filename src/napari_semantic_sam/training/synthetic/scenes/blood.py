"""Stained smears: white cells with lobed nuclei among red cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas
from napari_semantic_sam.training.synthetic.looks import coverage, jittered, per_object, stained
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
)
from napari_semantic_sam.training.synthetic.placing import packed
from napari_semantic_sam.training.synthetic.shapes import Shape, blob, tube, united, wobble
from napari_semantic_sam.training.synthetic.types import Draft

if TYPE_CHECKING:
    from numpy.typing import NDArray


def blood(rng: np.random.Generator, size: int) -> Draft:
    """White cells (cell > nucleus > lobe) on top of red cells (cell)."""
    # half of them as close as pictures of single white cells are
    radius = log_uniform(rng, 9.0, 100.0) if rng.random() < 0.5 else rng.uniform(45.0, 105.0)
    radius = min(radius, size * 0.42)
    red, white, nuclei, lobes = Canvas(size), Canvas(size), Canvas(size), Canvas(size)
    _add_red(rng, red, radius * rng.uniform(0.45, 0.75))
    few = max(1, int(size**2 / (radius**2 * 4) * rng.uniform(0.05, 0.4)))
    # a large one mostly whole, as pictures of white cells show it
    spread = (0.3, 0.7) if radius > size / 6 else (0.05, 0.95)
    drawn: dict[int, tuple[NDArray[np.float64], float]] = {}
    for centre in rng.uniform(*spread, (min(few, 40), 2)) * size:
        r = radius * np.exp(rng.normal(0, 0.12))
        drawn[_add_white(rng, white, centre, r)] = (centre, r)
    for label, (centre, r) in drawn.items():
        _add_nucleus(rng, nuclei, lobes, white, label, centre, r)
    image = _stain(rng, red, white, nuclei, radius)
    cells = Canvas(size)
    cells.fill(red.level("cell").labels, red.depth, red.count)
    cells.overlay(white)
    return Draft(image, (cells.level("cell"), nuclei.level("nucleus"), lobes.level("lobe")))


def _add_red(rng: np.random.Generator, red: Canvas, radius: float) -> None:
    size = red.size
    count = int(np.clip(size**2 / (np.pi * radius**2) * rng.uniform(0, 0.9), 0, 130))
    overlap = rng.choice([0.05, 0.3])
    centres = rng.uniform(-radius, size + radius, (count, 2))
    if rng.random() < 0.35 and radius > size / 26:
        centres = packed(rng, size, radius * rng.uniform(1.8, 2.4), jitter=0.3)
    for centre in centres:
        r = radius * np.exp(rng.normal(0, 0.07))
        shape = blob(
            size, centre, (r, r * rng.uniform(0.85, 1)), rng.uniform(0, 3), wobble(rng, 0.03)
        )
        if shape is not None and red.covered(shape) < overlap:
            red.add(shape, over=True)


def _add_white(
    rng: np.random.Generator,
    white: Canvas,
    centre: NDArray[np.float64],
    radius: float,
) -> int:
    """Draw the outline of a white cell; its label, 0 if there is no room."""
    size = white.size
    shape = blob(
        size, centre, (radius, radius * rng.uniform(0.85, 1)), rng.uniform(0, 3), wobble(rng, 0.05)
    )
    if shape is None or white.covered(shape) > 0.15:
        return 0
    return white.add(shape)


def _add_nucleus(
    rng: np.random.Generator,
    nuclei: Canvas,
    lobes: Canvas,
    white: Canvas,
    label: int,
    centre: NDArray[np.float64],
    radius: float,
) -> None:
    """Draw the nucleus of white cell `label`: round (lymphocyte) or lobed (the others)."""
    if rng.random() < 0.3:
        parts = [_round_nucleus(rng, nuclei.size, centre, radius)]
        whole = parts
    else:
        parts, strands = _lobed_nucleus(rng, nuclei.size, centre, radius)
        whole = parts + strands
    nucleus = nuclei.add_inside(united(whole), white, label, rng.uniform(0.5, 3.0))
    if nucleus and len(parts) > 1:
        for part in parts:
            lobes.add_inside(part, nuclei, nucleus, gap=0.0)


def _round_nucleus(
    rng: np.random.Generator, size: int, centre: NDArray[np.float64], radius: float
) -> Shape | None:
    r = radius * rng.uniform(0.55, 0.92)
    off = rng.normal(0, 0.06, 2) * radius
    radii = (r, r * rng.uniform(0.8, 1))
    return blob(size, centre + off, radii, rng.uniform(0, 3), wobble(rng, 0.06))


def _lobed_nucleus(
    rng: np.random.Generator, size: int, centre: NDArray[np.float64], radius: float
) -> tuple[list[Shape | None], list[Shape | None]]:
    """Lobes along an arc that can be told apart, and the strands between them.

    Lobes run into one part (bean, band) or stand apart, where the strand between two of them
    is too thin or too far out of focus to be seen about half of the time.
    """
    count = int(rng.integers(2, 6))
    apart = rng.random() < 0.5
    ring = radius * (rng.uniform(0.38, 0.55) if apart else rng.uniform(0.25, 0.5))
    sweep = rng.uniform(0.75, 1.0) * 2 * np.pi if apart else rng.uniform(2.0, 5.0)
    angles = rng.uniform(0, 2 * np.pi) + sweep * np.arange(count) / count
    middles = centre + ring * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    widest = 0.8 * ring * np.sin(min(sweep / count, np.pi) / 2) / radius if apart else 0.42
    parts: list[Shape | None] = []
    for middle, angle in zip(middles, angles, strict=True):
        r = radius * min(rng.uniform(0.24, 0.42), widest)
        long = r * rng.uniform(1.0, 1.1 if apart else 1.4)
        parts.append(blob(size, middle, (long, r), angle + np.pi / 2, wobble(rng, 0.1)))
    if not apart:
        return [united(parts)], []
    strands: list[Shape | None] = []
    if rng.random() < 0.5:
        strands.append(tube(size, middles, np.full(count, radius * rng.uniform(0.02, 0.08))))
    return parts, strands


def _stain(
    rng: np.random.Generator, red: Canvas, white: Canvas, nuclei: Canvas, radius: float
) -> NDArray[np.float32]:
    size = red.size
    grain = fractal_noise(rng, size, max(2.0, radius * 0.1))
    cloud = smooth_noise(rng, size, max(4.0, radius * 0.5))
    on_white = coverage(white.depth, 2.0)
    dent = 1 - np.float32(rng.uniform(0, 0.7)) * np.clip(red.depth / np.float32(radius * 0.6), 0, 1)
    haemoglobin = per_object(rng, red.count, 0.7, 0.12)[red.labels] * dent
    haemoglobin = haemoglobin * coverage(red.depth, 1.5) * (1 - on_white)
    tone = per_object(rng, white.count, rng.uniform(0.15, 0.8), 0.3)[white.labels]
    plasma = tone * on_white * np.clip(1 + 0.2 * cloud + rng.uniform(0.05, 0.4) * grain, 0, 3)
    dark = per_object(rng, nuclei.count, log_uniform(rng, 0.45, 1.6), 0.15)[nuclei.labels]
    chromatin = (
        dark * coverage(nuclei.depth, 2.0) * np.clip(1 + 0.18 * cloud + 0.15 * grain, 0.2, 3)
    )
    of_chromatin = jittered(rng, (0.45, 0.2, 0.6), 0.08)
    of_plasma = jittered(rng, (0.72, 0.66, 0.85), 0.08)
    if rng.random() < 0.4:  # the plasma of some cells takes the stain of their nuclei
        of_plasma += rng.uniform(0.0, 0.7) * (of_chromatin - of_plasma)
    colours = [jittered(rng, (0.85, 0.6, 0.58), 0.07), of_plasma, of_chromatin]
    light = jittered(rng, (0.93, 0.9, 0.88), 0.05)
    image = stained([haemoglobin, plasma.astype(np.float32), chromatin], colours, light)
    return image.mean(-1) if rng.random() < 0.12 else image
