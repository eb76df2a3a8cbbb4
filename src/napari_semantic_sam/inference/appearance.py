"""How an object looks, learned in the slice where its mask is known, looked for in others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.inference.results import Box, CroppedMask
from napari_semantic_sam.inference.standing_out import Read, surroundings

Evidence = Callable[[int, Box], npt.NDArray[np.float64]]
"""Says of each pixel of a box of a slice how much it looks like the object: the logarithm of
a likelihood ratio, above 0 for the object, below for its surroundings."""

_BLURS = (1.0, 2.0, 4.0)
"""Standard deviations in tenths of the radius, at least of 10 pixels: so noise is averaged."""
_FINEST = 0.1
_REACH = 3
"""Of a blur, in standard deviations."""
_RIDGE = 0.01
_MOST = 4.0
"""No pixel says more than this; what is very bright is no more the object than what is bright."""


def appearance(read: Read, index: int, mask: CroppedMask) -> Evidence:
    """Learn what tells an object from its surroundings in a slice.

    The values of every channel, blurred twice as much each time, are put together by a linear
    discriminant: a ridge regression on inside and outside, which have equal weights.

    Parameters
    ----------
    read : callable
        See `Read`. Only boxes around the object are read.
    index : int
        Of the slice.
    mask : CroppedMask
        There; not empty.

    Returns
    -------
    callable
        See `Evidence`. It gives 0 everywhere if the mask has no surroundings.
    """
    box = surroundings(mask)
    inside = mask.window(box)
    if inside.all():
        return _no_evidence
    blurred = _Blurred(read, mask)
    features = blurred(index, box)
    discriminant = _Discriminant(features.reshape(-1, features.shape[-1]), inside.ravel())
    return lambda index, box: discriminant(blurred(index, box))


class _Blurred:
    """Reads boxes as features, at the scale of an object."""

    def __init__(self, read: Read, mask: CroppedMask) -> None:
        self._read = read
        self._shape = mask.shape
        self._finest = max(1.0, _FINEST * float(np.sqrt(mask.area / np.pi)))
        self._step = int(self._finest)  # blurs of large objects are computed on fewer pixels

    def __call__(self, index: int, box: Box) -> npt.NDArray[np.float64]:
        """Return ``(h, w, F)`` blurred values of a box."""
        reach = int(_REACH * _BLURS[-1] * self._finest) + 1
        (height, width), (top, left) = self._shape, (max(0, edge - reach) for edge in box[:2])
        around = (top, left, min(height, box[2] + reach), min(width, box[3] + reach))
        values = _finite(self._read(index, around))
        small = _averaged(_averaged(values, self._step, 0), self._step, 1)
        rows, columns = slice(box[0] - top, box[2] - top), slice(box[1] - left, box[3] - left)
        blurs = [blur * self._finest / self._step for blur in _BLURS]
        blurred = (
            ndimage.gaussian_filter(small, (sigma, sigma, 0), truncate=_REACH) for sigma in blurs
        )
        parts = [_enlarged(each, self._step)[rows, columns] for each in blurred]
        return np.concatenate(parts, axis=-1)


class _Discriminant:
    """A line between inside and outside, and how far from it both lie."""

    def __init__(self, features: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> None:
        count = np.count_nonzero(inside)
        weights = np.where(inside, 0.5 / count, 0.5 / (inside.size - count))
        self._middle = weights @ features
        self._spread = np.sqrt(weights @ (features - self._middle) ** 2) + 1e-9
        design = self._design(features)
        penalty = np.diag([*[_RIDGE] * features.shape[1], 0.0])
        self._factors = np.linalg.solve(
            (design * weights[:, None]).T @ design + penalty,
            design.T @ (weights * np.where(inside, 1.0, -1.0)),
        )
        scores = design @ self._factors
        inner, outer = scores[inside].mean(), scores[~inside].mean()
        variance = (scores[inside].var() + scores[~inside].var()) / 2
        # Two normal distributions of the same width.
        self._slope = (inner - outer) / (variance + 1e-6)
        self._boundary = (inner + outer) / 2

    def __call__(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the evidence of ``(…, F)`` features."""
        scores = self._design(features) @ self._factors
        return np.clip(self._slope * (scores - self._boundary), -_MOST, _MOST)

    def _design(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        scaled = (features - self._middle) / self._spread
        return np.concatenate([scaled, np.ones((*scaled.shape[:-1], 1))], axis=-1)


def _no_evidence(index: int, box: Box) -> npt.NDArray[np.float64]:
    return np.zeros((box[2] - box[0], box[3] - box[1]))


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return ``(h, w, C)`` values; what is not finite becomes the median of the rest."""
    wide = values.astype(np.float64).reshape(*values.shape[:2], -1)
    known = np.isfinite(wide)
    if known.all():
        return wide
    return np.where(known, wide, np.median(wide[known]) if known.any() else 0.0)


def _averaged(values: npt.NDArray[np.float64], times: int, axis: int) -> npt.NDArray[np.float64]:
    """Average neighbours along an axis; the last ones may be fewer."""
    if times == 1:
        return values
    starts = np.arange(0, values.shape[axis], times)
    counts = np.diff(starts, append=values.shape[axis])
    shape = [-1 if each == axis else 1 for each in range(values.ndim)]
    return np.add.reduceat(values, starts, axis=axis) / counts.reshape(shape)


def _enlarged(values: npt.NDArray[np.float64], times: int) -> npt.NDArray[np.float64]:
    if times == 1:
        return values
    blocks = values.repeat(times, axis=0).repeat(times, axis=1)
    return ndimage.uniform_filter(blocks, (times, times, 1))
