"""Adherent cells with long protrusions, as phase contrast shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.canvas import Canvas
from napari_semantic_sam.training.synthetic.looks import blurred, coverage, per_object
from napari_semantic_sam.training.synthetic.noise import (
    fractal_noise,
    log_uniform,
    smooth_noise,
    white_noise,
)
from napari_semantic_sam.training.synthetic.placing import clustered, scattered
from napari_semantic_sam.training.synthetic.scenes.nuclei import add_nucleoli
from napari_semantic_sam.training.synthetic.shapes import (
    Shape,
    arc,
    blob,
    star,
    tube,
    united,
    wobble,
)
from napari_semantic_sam.training.synthetic.types import Draft

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spindly(rng: np.random.Generator, size: int) -> Draft:
    """Low-contrast cells with halos; levels cell > nucleus > nucleolus."""
    radius = log_uniform(rng, 6.0, 40.0)
    count = int(np.clip(size**2 / (radius**2 * 9) * rng.uniform(0.05, 0.8), 1, 80))
    pick = (
        clustered(rng, size, count, size / 3) if rng.random() < 0.3 else scattered(rng, size, count)
    )
    ragged = smooth_noise(rng, size, max(2.0, radius * rng.uniform(0.25, 0.8)))
    cells, centres = Canvas(size), {}
    for centre in pick:
        shape = _cell(rng, centre, radius * np.exp(rng.normal(0, 0.25)), ragged)
        if shape is not None and cells.covered(shape) < 0.3:
            label = cells.add(shape)
            centres[label] = centre
    if cells.count == 0:
        middle = np.full(2, size / 2)
        centres[cells.add(_cell(rng, middle, radius, ragged))] = middle
    nuclei, spots = Canvas(size), Canvas(size)
    if radius > 11:
        _add_nuclei(rng, nuclei, cells, centres, radius)
        add_nucleoli(rng, spots, nuclei, radius * 0.45, most=3)
    image = _phase(rng, cells, nuclei, spots, radius)
    return Draft(image, (cells.level("cell"), nuclei.level("nucleus"), spots.level("nucleolus")))


def _cell(
    rng: np.random.Generator,
    centre: NDArray[np.float64],
    radius: float,
    ragged: NDArray[np.float32],
) -> Shape | None:
    """A spindle, a star with long arms, a flat cell with a serrated edge, or a round one."""
    size, angle = len(ragged), rng.uniform(0, np.pi)
    margin = max(5.0, radius * 0.4)
    kind = rng.choice(["spindle", "star", "flat", "round"], p=[0.4, 0.3, 0.22, 0.08])
    if kind == "round":
        return blob(size, centre, (radius * 0.7, radius * 0.6), angle, wobble(rng, 0.03), margin)
    outline = wobble(rng, rng.uniform(0.08, 0.2))
    body, ratio, bend = radius * rng.uniform(0.55, 0.8), rng.uniform(1.0, 2.2), 0.12
    if kind == "spindle":
        ratio, bend = rng.uniform(1.8, 7.0), 0.3
        outline = outline * star(rng, 2, rng.uniform(1.3, 2.6), sharpness=rng.uniform(1.0, 2.0))
    elif kind == "star":
        tips = int(rng.integers(3, 6))
        outline = outline * star(rng, tips, rng.uniform(1.8, 4.0), sharpness=rng.uniform(1.0, 2.0))
    else:
        body = radius
    if kind == "flat" or rng.random() < 0.3:
        outline = outline * star(rng, int(rng.integers(6, 18)), rng.uniform(1.03, 1.3))
    radii = (body * np.sqrt(ratio), body / np.sqrt(ratio))
    parts = [blob(size, centre, radii, angle, outline, margin, bow=rng.normal(0, bend))]
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.45, 0.3, 0.15, 0.1]))):
        parts.append(_arm(rng, size, centre, body, margin))
    return _roughened(united(parts), ragged, radius)


def _roughened(shape: Shape | None, ragged: NDArray[np.float32], radius: float) -> Shape | None:
    """Uneven edges and blunt tips."""
    if shape is None:
        return None
    height, width = shape.depth.shape
    noise = ragged[shape.top : shape.top + height, shape.left : shape.left + width]
    blunt = np.float32(min(2.5, 0.06 * radius))
    return Shape(shape.top, shape.left, shape.depth + blunt * (1 + noise))


def _arm(
    rng: np.random.Generator, size: int, centre: NDArray[np.float64], radius: float, margin: float
) -> Shape | None:
    """A curved, tapering protrusion that starts in the body."""
    length = radius * rng.uniform(2.0, 5.0)
    path = arc(np.zeros(2), length, rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5), points=5)
    tip = max(0.9, radius * rng.uniform(0.04, 0.12))
    taper = np.linspace(1, 0, 5) ** rng.uniform(1.2, 2.2)
    widths = tip + (radius * rng.uniform(0.35, 0.8) - tip) * taper
    if rng.random() < 0.25:  # a foot at the end
        widths[-1] *= rng.uniform(1.5, 2.5)
    return tube(size, path - path[0] + centre, widths, margin)


def _add_nuclei(
    rng: np.random.Generator,
    nuclei: Canvas,
    cells: Canvas,
    centres: dict[int, NDArray[np.float64]],
    radius: float,
) -> None:
    for label, centre in centres.items():
        if rng.random() < 0.3:
            continue
        r = radius * rng.uniform(0.35, 0.6)
        shape = blob(cells.size, centre, (r * rng.uniform(1, 1.4), r), rng.uniform(0, 3))
        nuclei.add_inside(shape, cells, label, gap=2.0)


def _phase(
    rng: np.random.Generator, cells: Canvas, nuclei: Canvas, spots: Canvas, radius: float
) -> NDArray[np.float32]:
    """Grey cells with granules; the thicker a cell, the darker it is and the brighter its halo."""
    size, labels = cells.size, cells.labels
    thick = rng.beta(1.2, 1.2, cells.count + 1).astype(np.float32)
    thick[0] = thick[1:].mean()
    strength = np.float32(log_uniform(rng, 0.1, 0.4))
    body = coverage(cells.depth, 1.5)
    cell = -np.float32(rng.uniform(0.2, 1.0)) * thick[labels] + _granules(rng, cells, radius)
    rim = np.float32(rng.uniform(0.8, 2.0))
    cell = cell - (0.3 + thick[labels]) * np.exp(-np.abs(cells.depth) / rim) * rng.uniform(0.4, 1.2)
    inside = coverage(nuclei.depth, 2.0)
    nucleus = np.float32(rng.normal(0, 0.3)) - np.exp(-np.abs(nuclei.depth) / 1.2) * 0.4
    cell = cell * (1 - 0.6 * inside) + nucleus * inside
    cell = cell - np.float32(rng.uniform(0.5, 1.4)) * coverage(spots.depth, 1.5)
    image = strength * (body * cell + (1 - body) * _halo(rng, cells, thick, radius))
    image += strength * _debris(rng, size) * np.float32(rng.uniform(0.3, 1.0))
    fog = blurred(white_noise(rng, size), rng.uniform(0.8, 2.0))
    image += np.float32(0.015) * (smooth_noise(rng, size, size / 2) + fog)
    return np.asarray(image + 0.5, np.float32)


def _granules(rng: np.random.Generator, cells: Canvas, radius: float) -> NDArray[np.float32]:
    """Soft mottling, dark grains that gather away from the rim, and a few bright vesicles."""
    size, labels = cells.size, cells.labels
    rough = per_object(rng, cells.count, rng.uniform(0.08, 0.3), 0.3)[labels]
    mottle = fractal_noise(rng, size, max(3.0, radius * rng.uniform(0.2, 0.6)), decay=0.8)
    grains = fractal_noise(rng, size, rng.uniform(1.8, 3.5), octaves=2)
    central = np.clip(cells.depth / np.float32(0.35 * radius), 0, 1)
    dark = np.clip(grains - rng.uniform(0.2, 1.2), 0, 2) * central
    bright = np.clip(-grains - rng.uniform(1.6, 2.6), 0, 1) * central
    return np.asarray(rough * (mottle - 3 * dark) + 3 * bright, np.float32)


def _halo(
    rng: np.random.Generator, cells: Canvas, thick: NDArray[np.float32], radius: float
) -> NDArray[np.float32]:
    """A bright fringe just outside; its strength follows the nearest cells' thickness."""
    size = cells.size
    reach = np.float32(max(1.2, radius * rng.uniform(0.04, 0.12)))
    glow = smooth_noise(rng, size, radius) * np.float32(0.35) + thick[1:].mean() + np.float32(0.3)
    near = np.exp(-(((cells.depth + reach) / reach) ** 2))
    far = np.exp(np.clip(cells.depth, -100, 0) / (4 * reach)) * np.float32(0.15)
    return np.asarray(np.clip(glow, 0.05, 2) * (near * rng.uniform(0.5, 2.2) + far), np.float32)


def _debris(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Dark specks with fringes and out-of-focus rings that are nobody's mask."""
    specks = np.zeros((size, size), np.float32)
    count = int(rng.integers(0, 60))
    at = rng.integers(0, size, (count, 2))
    specks[at[:, 0], at[:, 1]] = rng.normal(-6, 6, count)
    width = rng.uniform(0.7, 1.3)
    field = blurred(specks, width) * np.float32(2.0)
    crumbs = np.clip(fractal_noise(rng, size, rng.uniform(3, 8), octaves=2) - 2.4, 0, 1)
    field = field - crumbs * np.float32(rng.uniform(0, 2.0))
    field = field - blurred(field, 2 * width)
    if rng.random() < 0.3:
        ring = blob(size, rng.uniform(0, size, 2), (r := rng.uniform(5, 30), r), 0.0, margin=8)
        if ring is not None:
            box = field[ring.top :, ring.left :][: ring.depth.shape[0], : ring.depth.shape[1]]
            box += np.cos(ring.depth / 2) * np.exp(-np.abs(ring.depth) / 4) * np.float32(0.25)
    return np.asarray(field, np.float32)
