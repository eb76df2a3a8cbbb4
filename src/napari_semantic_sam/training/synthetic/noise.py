"""Smooth random fields, made quickly from small random arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

AnyField = TypeVar("AnyField", np.int32, np.float32)

# standard deviation that cubic B-spline interpolation leaves of unit white noise, both axes
_SPLINE_STD = 0.479


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@lru_cache(maxsize=512)
def _spline_matrix(length: int, knots: int) -> NDArray[np.float32]:
    """Cubic B-spline weights ``(length, knots + 3)`` of pixels over `knots` intervals."""
    position = (np.arange(length) + 0.5) / length * knots
    first = np.minimum(position.astype(int), knots - 1)
    t = position - first
    weights = np.stack(
        [
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        ],
        axis=1,
    )
    matrix = np.zeros((length, knots + 3), np.float32)
    for k in range(4):
        matrix[np.arange(length), first + k] = weights[:, k]
    return matrix


def smooth_noise(
    rng: np.random.Generator, size: int, scale: float, scale_x: float | None = None
) -> NDArray[np.float32]:
    """Gaussian noise of mean 0 and deviation about 1.

    Parameters
    ----------
    rng
        Source of randomness.
    size
        Side of the square field, px.
    scale
        Distance of independent values, px; down the columns if `scale_x` is given.
    scale_x
        Distance of independent values along the rows, px.

    Returns
    -------
    ndarray
        ``(size, size)`` float32.
    """
    down = _spline_matrix(size, max(1, round(size / scale)))
    along = _spline_matrix(size, max(1, round(size / (scale_x or scale))))
    seeds = rng.standard_normal((down.shape[1], along.shape[1]), np.float32)
    return np.asarray(down @ seeds @ along.T / np.float32(_SPLINE_STD), np.float32)


def white_noise(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Independent unit Gaussian noise, ``(size, size)`` float32."""
    return rng.standard_normal((size, size), np.float32)


def fractal_noise(
    rng: np.random.Generator, size: int, scale: float, *, octaves: int = 3, decay: float = 0.6
) -> NDArray[np.float32]:
    """Sum of smooth noises at `scale`, `scale` / 2, …, each weaker by `decay`; deviation ≈ 1."""
    field = np.zeros((size, size), np.float32)
    weight, total = 1.0, 0.0
    for octave in range(octaves):
        step = scale / 2**octave
        layer = white_noise(rng, size) if step < 1.3 else smooth_noise(rng, size, step)
        field += np.float32(weight) * layer
        total += weight**2
        weight *= decay
    return field / np.float32(np.sqrt(total))


def enlarge(small: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Smoothly enlarge a small square array to ``(size, size)``."""
    padded = np.pad(small, ((1, 2), (1, 2)), mode="edge")
    matrix = _spline_matrix(size, small.shape[0])
    return np.asarray(matrix @ padded @ matrix.T, np.float32)


def warped(
    rng: np.random.Generator, field: NDArray[AnyField], amplitude: float, scale: float
) -> NDArray[AnyField]:
    """Displace the pixels of a square field by smooth noise of `amplitude` px, without mixing."""
    size = field.shape[0]
    rows, columns = np.ogrid[:size, :size]
    down = np.rint(rows + amplitude * smooth_noise(rng, size, scale)).astype(np.intp)
    along = np.rint(columns + amplitude * smooth_noise(rng, size, scale)).astype(np.intp)
    moved: NDArray[AnyField] = field[np.clip(down, 0, size - 1), np.clip(along, 0, size - 1)]
    return moved
