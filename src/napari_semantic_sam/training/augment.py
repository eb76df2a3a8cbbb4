"""Random views of an annotated image: where it is cut, how large it appears, how it looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

PADDING = 127.5
"""Grey beyond the border of an image that is smaller than its view."""


@dataclass(frozen=True)
class View:
    """A square window of an image.

    Attributes
    ----------
    centre : (y, x) in pixels of the image
    side : float
        Of the window, in pixels of the image.
    size : int
        Of the result, in pixels.
    angle : float
        Degrees of rotation.
    quarter_turns : int
    mirrored : bool
    """

    centre: tuple[float, float]
    side: float
    size: int
    angle: float
    quarter_turns: int
    mirrored: bool

    def image(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Cut an (H, W, 3) image, with antialiasing."""
        cut = self._cut(image, round(PADDING), Image.Resampling.BILINEAR)
        return self._turn(cut, round(PADDING), Image.Resampling.BILINEAR).astype(np.uint8)

    def labels(self, labels: Labels) -> Labels:
        """Cut an (H, W) label image."""
        cut = self._cut(labels, 0, Image.Resampling.NEAREST)
        return self._turn(cut, 0, Image.Resampling.NEAREST).astype(np.int32)

    def _cut(self, array: npt.NDArray[Any], fill: int, how: Image.Resampling) -> Image.Image:
        """Cut the window, grown so that its corners hold content after the rotation."""
        growth = _rotation_growth(self.angle)
        side, size = self.side * growth, math.ceil(self.size * growth)
        top, left = self.centre[0] - side / 2, self.centre[1] - side / 2
        y0, x0 = math.floor(top), math.floor(left)
        count = math.ceil(side) + 1
        window = np.full((count, count, *array.shape[2:]), fill, dtype=array.dtype)
        ys = slice(max(y0, 0), min(y0 + count, array.shape[0]))
        xs = slice(max(x0, 0), min(x0 + count, array.shape[1]))
        window[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0] = array[ys, xs]
        box = (left - x0, top - y0, left - x0 + side, top - y0 + side)
        return Image.fromarray(window).resize((size, size), how, box=box)

    def _turn(self, cut: Image.Image, fill: int, how: Image.Resampling) -> npt.NDArray[Any]:
        colour = (fill,) * 3 if cut.mode == "RGB" else fill
        if self.angle:
            cut = cut.rotate(self.angle, how, fillcolor=colour)
        margin = (cut.width - self.size) // 2
        array = np.asarray(cut)[margin : margin + self.size, margin : margin + self.size]
        array = np.rot90(array, self.quarter_turns)
        return np.ascontiguousarray(array[:, ::-1] if self.mirrored else array)


def random_view(
    labels: Sequence[Labels], size: int, zoom: tuple[float, float], rng: np.random.Generator
) -> View:
    """Draw a view with an object in it.

    Parameters
    ----------
    labels : sequence of (H, W) label images
        One per granularity.
    size : int
        Side of the view's result in pixels.
    zoom : (low, high)
        Range of the magnification.
    rng : numpy.random.Generator
    """
    side = size / math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1])))
    first = int(rng.integers(len(labels)))
    drawn = [*labels[first:], *labels[:first]]
    centre = _object_pixel(next((level for level in drawn if level.any()), drawn[0]), rng)
    shift = rng.uniform(-0.35, 0.35, 2) * side
    height, width = labels[0].shape
    return View(
        centre=(
            _stay_inside(centre[0] + shift[0], side, height),
            _stay_inside(centre[1] + shift[1], side, width),
        ),
        side=side,
        size=size,
        angle=float(rng.uniform(-45, 45)) if rng.random() < 0.3 else 0.0,
        quarter_turns=int(rng.integers(4)),
        mirrored=bool(rng.random() < 0.5),
    )


def random_look(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Change how an (H, W, 3) image looks, not where anything is."""
    pixels: Pixels = image.astype(np.float32) / np.float32(255)
    for probability, change in _CHANGES:
        if rng.random() < probability:
            pixels = change(pixels, rng)
    return (pixels.clip(0, 1) * 255).astype(np.uint8)


def _stay_inside(centre: float, side: float, length: int) -> float:
    """Move a window into the image; centre it, with play, where it is larger."""
    low, high = sorted((side / 2, length - side / 2))
    return min(max(centre, low), high)


def _object_pixel(labels: Labels, rng: np.random.Generator) -> tuple[float, float]:
    """Pick a pixel of a random object, each object equally likely."""
    present = np.unique(labels)
    present = present[present > 0]
    if not len(present):
        return float(rng.uniform(labels.shape[0])), float(rng.uniform(labels.shape[1]))
    inside = np.flatnonzero(labels == rng.choice(present))
    y, x = np.divmod(int(rng.choice(inside)), labels.shape[1])
    return float(y), float(x)


def _rotation_growth(angle: float) -> float:
    radians = math.radians(angle)
    return abs(math.sin(radians)) + abs(math.cos(radians))


def _contrast(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    low, high = rng.uniform(0, 0.25), rng.uniform(0.75, 1.2)
    return low + pixels * (high - low)


def _gamma(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return pixels.clip(0, 1) ** np.float32(math.exp(rng.uniform(-0.7, 0.7)))


def _colour(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    gain = rng.uniform(0.7, 1.3, 3).astype(np.float32)
    return pixels[..., rng.permutation(3)] * gain


def _grey(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    weights = rng.dirichlet(np.ones(3)).astype(np.float32)
    return np.repeat((pixels @ weights)[..., None], 3, axis=2)


def _drop_channel(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    pixels = pixels.copy()
    pixels[..., rng.integers(3)] = 0
    return pixels


def _invert(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return 1 - pixels


def _illumination(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    coarse = rng.uniform(0.5, 1.3, (4, 4)).astype(np.float32)
    size = pixels.shape[1::-1]
    field = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    return pixels * np.asarray(field)[..., None]


def _blur(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    sigma = rng.uniform(0.4, 1.6)
    return ndimage.gaussian_filter(pixels, (sigma, sigma, 0))


def _noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    strength = np.float32(rng.exponential(0.03))
    channels = 1 if rng.random() < 0.5 else 3
    shape = (*pixels.shape[:2], channels)
    return pixels + strength * rng.standard_normal(shape, dtype=np.float32)


_CHANGES = (
    (0.15, _grey),
    (0.3, _colour),
    (0.04, _drop_channel),
    (0.15, _invert),
    (0.5, _contrast),
    (0.4, _gamma),
    (0.2, _illumination),
    (0.2, _blur),
    (0.4, _noise),
)
