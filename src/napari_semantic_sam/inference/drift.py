"""How far the picture moved from one slice of a stack or time series to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Shift = tuple[int, int]

Window = tuple[slice, slice]

STILL: Shift = (0, 0)

_LARGEST_SIDE = 1024
"""Larger slices are looked at in steps, so that the cost is bounded."""
_LEAST_GAIN = 0.05
"""Of correlation: less is no evidence for a movement."""
_LEAST_COMMON = 0.25
"""Share of the slice that both must have in common."""
_MOST_STEPS = 16
_DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def find_drift(previous: npt.NDArray[Any], following: npt.NDArray[Any]) -> Shift:
    """Estimate by how many pixels everything moved, as a stage does between two exposures.

    The plain cross-correlation of both slices, each less its median, has its maximum near
    there; it is believed only if the correlation coefficient of what the slices have in common is
    at least 0.05 higher than without a movement.

    Parameters
    ----------
    previous, following : (H, W) or (H, W, C) arrays of the same shape
        Of several channels the sum counts.

    Returns
    -------
    (dy, dx) : ints
        What was at ``(y, x)`` in `previous` is at ``(y + dy, x + dx)`` in `following`;
        ``(0, 0)`` where no movement is evident.
    """
    from skimage.registration import phase_cross_correlation

    step = -(-max(previous.shape[:2]) // _LARGEST_SIDE)
    first, second = (_levelled(each, step) for each in (previous, following))
    # Whitened spectra would see nothing but noise and dust on the camera, which stand still.
    if not (first.any() and second.any()):
        return STILL
    found, _, _ = phase_cross_correlation(second, first, normalization=None)
    shift, correlation = _climb(first, second, (int(found[0]), int(found[1])))
    gain = correlation - _correlation(first, second, STILL)
    return (shift[0] * step, shift[1] * step) if gain >= _LEAST_GAIN else STILL


def _climb(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], shift: Shift
) -> tuple[Shift, float]:
    """Go to where the correlation of what is in common is highest, step by step.

    The maximum of the cross-correlation is a little off, because the borders, which have
    no counterpart, take part in it.
    """
    best = _correlation(first, second, shift)
    for _ in range(_MOST_STEPS):
        around = [(shift[0] + dy, shift[1] + dx) for dy, dx in _DIRECTIONS]
        values = [_correlation(first, second, each) for each in around]
        if max(values) <= best:
            break
        best = max(values)
        shift = around[values.index(best)]
    return shift, best


def common_windows(shape: tuple[int, ...], shift: Shift) -> tuple[Window, Window]:
    """Return what two slices of a shape have in common if the first one is moved.

    Returns
    -------
    before, after : pairs of slices
        The same part of the scene in the first slice and in the second.
    """
    before, after = (
        (_shortened(shape[0], sign * shift[0]), _shortened(shape[1], sign * shift[1]))
        for sign in (-1, 1)
    )
    return before, after


def _shortened(side: int, by: int) -> slice:
    return slice(max(0, by), max(0, side + min(0, by)))


def _levelled(slice_: npt.NDArray[Any], step: int) -> npt.NDArray[np.float32]:
    """Return one in `step` pixels, with a median of 0; what is not finite becomes 0."""
    values = slice_[::step, ::step].astype(np.float32)
    grey = values.sum(axis=2) if values.ndim == 3 else values
    known = np.isfinite(grey)
    middle = np.median(grey[known]) if known.any() else np.float32(0)
    return np.where(known, grey - middle, np.float32(0))


def _correlation(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], shift: Shift
) -> float:
    """Correlate what both have in common if `first` is moved; -1 if that is too little."""
    before, after = common_windows(first.shape, shift)
    one, other = first[before], second[after]
    if one.size < _LEAST_COMMON * first.size:
        return -1.0
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale else 0.0


class Drifts:
    """The drift between neighbours among many slices, each measured once.

    Parameters
    ----------
    read : callable
        Takes the index of a slice and returns it, see `find_drift`.
    """

    def __init__(self, read: Callable[[int], npt.NDArray[Any]]) -> None:
        self._read = read
        self._found: dict[int, Shift] = {}

    def __call__(self, start: int, end: int) -> Shift:
        """Return by how many pixels ``(dy, dx)`` things move from a slice to another one."""
        dy = dx = 0
        for index in range(min(start, end), max(start, end)):
            if index not in self._found:
                self._found[index] = find_drift(self._read(index), self._read(index + 1))
            dy, dx = dy + self._found[index][0], dx + self._found[index][1]
        return (dy, dx) if start <= end else (-dy, -dx)
