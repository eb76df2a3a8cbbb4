"""Things without a name: textured regions with objects and their parts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas, depth_of
from napari_semantic_sam.training.synthetic.looks import coverage
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
)
from napari_semantic_sam.training.synthetic.placing import packed, scattered, tiling
from napari_semantic_sam.training.synthetic.shapes import Shape, arc, blob, tube, wobble
from napari_semantic_sam.training.synthetic.types import Draft

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mosaic(rng: np.random.Generator, size: int) -> Draft:
    """Occluding shapes on a few large regions; levels region > shape > part."""
    regions, shapes, parts = Canvas(size), Canvas(size), Canvas(size)
    if rng.random() < 0.85:
        centres = packed(rng, size, size / rng.uniform(1.2, 3.5), jitter=0.35)
        labels = tiling(rng, size, centres, bend=rng.uniform(0, 0.4))
        regions.fill(labels, depth_of(labels), len(centres))
    count = int(log_uniform(rng, 1, 60))
    drawn: dict[int, tuple[NDArray[np.float64], float]] = {}
    largest = min(size * 0.45, size / np.sqrt(count) * 0.8)
    for centre in scattered(rng, size, count):
        radius = log_uniform(rng, max(4.0, largest / 5), max(6.0, largest))
        drawn[shapes.add(_thing(rng, size, centre, radius), over=True)] = (centre, radius)
    for label, (centre, radius) in drawn.items():  # after all shapes: nothing may hide a part later
        if label and radius > 12 and rng.random() < 0.6:
            _add_parts(rng, parts, shapes, label, centre, radius)
    image = _paint(rng, regions, 0.12)
    _cut_out(regions, shapes)
    for canvas in (shapes, parts):
        shown = coverage(canvas.depth)[..., None] * (canvas.labels > 0)[..., None]
        image = image * (1 - shown) + _paint(rng, canvas, 0.3) * shown
    if rng.random() < 0.3:
        shade = np.float32(0.75) + np.float32(0.25) * np.tanh(2 * smooth_noise(rng, size, size / 3))
        image = image * shade[..., None]
    levels = (regions.level("region"), shapes.level("shape"), parts.level("part"))
    grey = rng.random() < 0.25
    return Draft((image.mean(-1) if grey else image).astype(np.float32), levels)


def _cut_out(regions: Canvas, shapes: Canvas) -> None:
    """Take shapes that stand on two regions out of both: what they hide cannot be known."""
    stride = regions.count + 1
    pairs = np.bincount((shapes.labels * stride + regions.labels).ravel(), minlength=stride)
    rows = -(-len(pairs) // stride)
    table = np.pad(pairs, (0, rows * stride - len(pairs))).reshape(rows, stride)
    between = table.max(1) < 0.95 * table.sum(1)
    between[0] = False
    regions.labels[between[shapes.labels]] = 0


def _thing(
    rng: np.random.Generator, size: int, centre: NDArray[np.float64], radius: float
) -> Shape | None:
    """A blob, an ellipse, a polygon or a bent band."""
    kind = rng.random()
    angle = rng.uniform(0, np.pi)
    if kind < 0.2:
        path = arc(centre, radius * 2.5, angle, rng.normal(0, 1.2))
        return tube(size, path, radius * rng.uniform(0.15, 0.4, len(path)))
    outline = None
    if kind < 0.6:
        outline = wobble(rng, rng.uniform(0.05, 0.3))
    elif kind < 0.85:
        outline = _polygon(rng)
    return blob(size, centre, (radius, radius * rng.uniform(0.4, 1)), angle, outline)


def _polygon(rng: np.random.Generator) -> NDArray[np.float32]:
    """Radius over the angle, ``(256,)``, of a convex polygon or a star with 3–8 corners."""
    corners = int(rng.integers(3, 9))
    step = 2 * np.pi / corners
    angle = np.linspace(-np.pi, np.pi, 256, endpoint=False)
    phase = np.mod(angle, step) - step / 2
    radius = np.cos(step / 2) / np.cos(phase)
    if rng.random() < 0.25:
        radius = 1 - rng.uniform(0.3, 0.6) * np.cos(phase * np.pi / step)
    return np.asarray(radius, np.float32)


def _add_parts(
    rng: np.random.Generator,
    parts: Canvas,
    shapes: Canvas,
    label: int,
    centre: NDArray[np.float64],
    radius: float,
) -> None:
    for _ in range(int(rng.integers(1, 5))):
        at = centre + rng.normal(0, 0.35, 2) * radius
        part = _thing(rng, parts.size, at, radius * rng.uniform(0.12, 0.4))
        parts.add_inside(part, shapes, label, gap=1.0)


def _paint(rng: np.random.Generator, canvas: Canvas, spread: float) -> NDArray[np.float32]:
    """Colour, gradient and texture of each object; neighbours can be close in colour."""
    size, labels = canvas.size, canvas.labels
    base = rng.uniform(0.1, 0.9, 3)
    count = canvas.count + 1
    grey, tint = rng.normal(0, spread, (count, 1)), rng.normal(0, spread, (count, 3))
    vivid = rng.uniform(0.1, 1.0)
    palette = np.clip(base + grey + vivid * tint, 0, 1).astype(np.float32)
    image = palette[labels]
    textures = np.stack([_texture(rng, size) for _ in range(2)])
    choice = rng.integers(0, 2, canvas.count + 1)[labels]
    weight = rng.uniform(0.0, 0.18, canvas.count + 1).astype(np.float32)[labels]
    image = image + (weight * np.where(choice == 0, textures[0], textures[1]))[..., None]
    lit = rng.normal(0, 0.1, (2, canvas.count + 1)).astype(np.float32)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    image = image + (lit[0][labels] * ramp[:, None] + lit[1][labels] * ramp[None, :])[..., None]
    return np.asarray(np.clip(image, 0, 1), np.float32)


def _texture(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    if rng.random() < 0.3:  # stripes
        field = fractal_noise(rng, size, size / 3, octaves=2)
        ramp = np.linspace(0, rng.uniform(10, 80), size, dtype=np.float32)
        wave: NDArray[np.float32] = np.sin(
            ramp[:, None] * rng.normal() + ramp[None, :] * rng.normal() + 2 * field
        )
        return np.asarray(wave, np.float32)
    return fractal_noise(rng, size, log_uniform(rng, 2, 40), octaves=4, decay=rng.uniform(0.5, 0.9))
