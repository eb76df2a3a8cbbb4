"""From clean intensities to what a camera delivers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_semantic_sam.training.synthetic.noise import log_uniform, smooth_noise, white_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray


def per_object(
    rng: np.random.Generator, count: int, mean: float, spread: float
) -> NDArray[np.float32]:
    """A log-normal value around `mean` per label, ``(count + 1,)``; 0 for the background."""
    values = np.asarray(mean * np.exp(rng.normal(0, spread, count + 1)), np.float32)
    values[0] = 0
    return values


def coverage(depth: NDArray[np.float32], edge: float = 1.0) -> NDArray[np.float32]:
    """How much of each pixel an object covers: 0..1, rising over `edge` px around the outline."""
    return np.asarray(np.clip(depth / np.float32(edge) + np.float32(0.5), 0, 1), np.float32)


def blurred(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur over the first two axes, `sigma` in px."""
    if image.ndim == 3:
        return np.stack([blurred(image[..., c], sigma) for c in range(image.shape[2])], axis=-1)
    return np.asarray(ndimage.gaussian_filter(image, sigma, truncate=3.0), np.float32)


def stained(
    densities: list[NDArray[np.float32]],
    colours: list[NDArray[np.float64]],
    light: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Transmitted light ``(H, W, 3)``: Beer–Lambert absorption of dyes of the given densities.

    `colours` are what white light becomes behind density 1 of each dye; `light` is the lamp's.
    """
    total = np.zeros((*densities[0].shape, 3), np.float32)
    for density, colour in zip(densities, colours, strict=True):
        total += density[..., None] * -np.log(np.maximum(colour, 0.02)).astype(np.float32)
    image: NDArray[np.float32] = np.exp(-total) * light.astype(np.float32)
    return image


def mixed(
    channels: list[NDArray[np.float32]], colours: list[NDArray[np.float64]]
) -> NDArray[np.float32]:
    """Emitted light ``(H, W, 3)``: the sum of fluorescence channels in their display colours."""
    image = np.zeros((*channels[0].shape, 3), np.float32)
    for channel, colour in zip(channels, colours, strict=True):
        image += channel[..., None] * colour.astype(np.float32)
    return image


def channel_colours(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Display colours of two fluorescence channels: two of about red, green and blue."""
    return [np.roll(jittered(rng, (0.93, 0.12, 0.1), 0.09), k) for k in rng.permutation(3)[:2]]


def jittered(
    rng: np.random.Generator, colour: tuple[float, ...], spread: float
) -> NDArray[np.float64]:
    """A colour near the given one, 0..1."""
    return np.clip(np.asarray(colour) + rng.normal(0, spread, 3), 0, 1)


def photographed(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Add the faults of optics, sensor and file, and return ``(H, W, 3)`` uint8."""
    image = _optics(rng, image)
    image = _sensor(rng, image)
    image = _tone(rng, image)
    if image.ndim == 2:
        image = _display(rng, image)
    return _file(rng, np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))


def _optics(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.float32]:
    size = image.shape[0]
    if rng.random() < 0.5:
        image = blurred(
            image, float(rng.choice([0.5, 0.7, 1.0, 1.5, 2.2], p=[0.35, 0.3, 0.2, 0.1, 0.05]))
        )
    if rng.random() < 0.3:
        shade = 1 + rng.uniform(0.03, 0.2) * smooth_noise(rng, size, size / rng.uniform(1, 3))
        image = image * (shade if image.ndim == 2 else shade[..., None])
    if rng.random() < 0.06:
        ramp = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        fall = 1 - np.float32(rng.uniform(0.1, 0.4)) * (ramp[:, None] + ramp[None, :])
        image = image * (fall if image.ndim == 2 else fall[..., None])
    return image


def _sensor(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.float32]:
    size = image.shape[0]
    colour = image.ndim == 3
    strength = log_uniform(rng, 0.003, 0.03 if colour else 0.06)
    shot = np.float32(rng.random())
    noise = (
        np.stack([white_noise(rng, size) for _ in range(3)], -1)
        if colour
        else white_noise(rng, size)
    )
    if rng.random() < 0.2:
        noise = blurred(noise, 0.7) * np.float32(2.0)
    image = image + np.float32(strength) * noise * (
        (1 - shot) + shot * np.sqrt(np.maximum(image, 0)) * np.float32(1.5)
    )
    if rng.random() < 0.04:
        at = rng.integers(0, size, (int(rng.integers(3, 40)), 2))
        image[at[:, 0], at[:, 1]] = rng.uniform(0.7, 1.0)
    return image


def _tone(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Contrast stretch between percentiles, as users see images; then gamma and gain."""
    if image.ndim == 2 or rng.random() < 0.3:
        low, high = np.percentile(image[::2, ::2], [rng.uniform(0, 2), rng.uniform(99.2, 100)])
        image = (image - low) / max(high - low, 1e-3)
    if rng.random() < 0.5:
        gamma = np.float32(log_uniform(rng, 0.6, 1.6))
        image = np.clip(image, 0, None) ** gamma
    if rng.random() < 0.3:
        gain = rng.uniform(0.35, 1.0)
        image = image * np.float32(gain) + np.float32(rng.uniform(0, 1 - gain))
    return image


def _display(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey to three channels: mostly as it is, sometimes inverted or through a tint."""
    image = np.clip(image, 0, 1)
    if rng.random() < 0.06:
        image = 1 - image
    if rng.random() < 0.05:
        dark, bright = rng.uniform(0, 0.15, 3), rng.uniform(0, 1, 3)
        bright[rng.integers(3)] = 1.0
        return np.asarray(dark + image[..., None] * (bright - dark), np.float32)
    return np.repeat(image[..., None], 3, axis=-1)


def _file(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if rng.random() < 0.03:
        image = _with_scale_bar(rng, image)
    if rng.random() < 0.2:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=int(rng.integers(30, 95)))
        return np.asarray(Image.open(buffer))
    if rng.random() < 0.05:
        step = int(rng.choice([4, 8, 16]))
        return np.asarray(image // step * step, np.uint8)
    return image


def _with_scale_bar(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = image.shape[0]
    length, thick = int(size * rng.uniform(0.1, 0.3)), max(2, size // 64)
    top, left = int(size * 0.93), int(size * rng.uniform(0.05, 0.65))
    image[top : top + thick, left : left + length] = rng.choice([0, 255])
    return image


def relief(rng: np.random.Generator, height: NDArray[np.float32]) -> NDArray[np.float32]:
    """Side light on a height field in px, as differential interference contrast shows it."""
    angle = rng.uniform(0, 2 * np.pi)
    down, along = np.gradient(height)
    lit: NDArray[np.float32] = np.cos(angle) * along + np.sin(angle) * down
    return np.asarray(lit, np.float32)
