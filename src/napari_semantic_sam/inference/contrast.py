"""From the values of a picture to RGB from 0 to 255: what is black, what is white.

The rules are measured once, on a whole picture or on a sample of it, and can then be applied to
any part of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError

PERCENTILES = (0.1, 99.9)
_SAMPLE = 2**20
_RANGE_IN_USE = 128
_SMALLEST_RANGE, _LARGEST_VALUE = 1e-300, 1e300
"""Beyond these, ranges and their inverses may overflow float64."""


@dataclass(frozen=True)
class Stretch:
    """How values become 0 to 255.

    Attributes
    ----------
    low, high : float
        What becomes 0 and 255.
    floor : number or None
        The least finite value, which stands in for values that are not finite; None for
        values that are always finite.
    is_quartered : bool
        Whether values are so large that they are divided by 4 first; low and high are, too.
    is_kept : bool
        Whether values are 8-bit colours that stay as they are.
    """

    low: float
    high: float
    floor: Any = None
    is_quartered: bool = False
    is_kept: bool = False

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return values of any shape as 0 to 255."""
        if self.is_kept:
            return values.astype(np.float32)
        filled = _fill_gaps(values, self.floor)
        return _stretch(filled / 4 if self.is_quartered else filled, self.low, self.high)


@dataclass(frozen=True)
class Contrast:
    """How one to three channels become RGB.

    Attributes
    ----------
    stretches : tuple of Stretch
        One for all channels together, or one for each.
    is_grey : bool
        Whether all channels are the same, so that the first one is enough.
    """

    stretches: tuple[Stretch, ...]
    is_grey: bool = False

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Turn ``(h, w, 1 to 3)`` values into ``(h, w, 3)`` RGB, 0 to 255."""
        if self.is_grey:
            values = values[..., :1]
        if len(self.stretches) == 1:
            return _as_rgb(self.stretches[0].apply(values))
        planes = [
            stretch.apply(values[..., channel]) for channel, stretch in enumerate(self.stretches)
        ]
        return _as_rgb(np.stack(planes, axis=-1))


def measure_contrast(
    planes: npt.NDArray[Any],
    *,
    is_colour: bool,
    contrast_limits: tuple[float, float] | None = None,
    name: str = "The picture",
    is_whole: bool = True,
) -> Contrast:
    """Choose what becomes black and white, as `normalise` describes.

    Parameters
    ----------
    planes : (H, W, 1 to 3) array
        Integers or floating point.
    is_colour : bool
        Whether the channels are red, green and blue of one picture.
    contrast_limits : (low, high), optional
        See `checked_limits`.
    name : str
        Of the picture, as errors begin with it.
    is_whole : bool
        Whether `planes` are all there is. What is grey in a sample may have colours elsewhere: it
        is stretched as a grey picture, but its colours stay.

    Raises
    ------
    UserError
        If no value of a channel is finite.
    """
    looks_grey = is_colour and bool((planes == planes[..., :1]).all())
    is_grey = looks_grey and is_whole
    if looks_grey:
        planes = planes[..., :1]
    if contrast_limits is not None:
        return Contrast((Stretch(*contrast_limits, _floor(planes, name)),), is_grey)
    if is_colour and not looks_grey:
        return Contrast((_measured(planes, name, is_colour=True),))
    count = planes.shape[-1]
    names = [f"{name}, the {number}. of its {count} channels," for number in range(1, count + 1)]
    stretches = [
        _measured(plane, each if count > 1 else name, is_colour=False)
        for plane, each in zip(np.moveaxis(planes, -1, 0), names, strict=True)
    ]
    return Contrast(tuple(stretches), is_grey)


def checked_limits(limits: tuple[float, float]) -> tuple[float, float]:
    """Return contrast limits as two finite numbers that make a range.

    Raises
    ------
    UserError
        If they are anything else.
    """
    try:
        low, high = (float(limit) for limit in limits)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"The contrast limits must be two numbers, low and high, not {limits!r}."
        ) from error
    if not _SMALLEST_RANGE < high - low < math.inf:  # NaN fails, too
        raise UserError(
            f"The contrast limits {low:g} and {high:g} make no range; give two "
            "finite numbers, the second one larger."
        )
    return low, high


def _measured(values: npt.NDArray[Any], name: str, *, is_colour: bool) -> Stretch:
    floor = _floor(values, name)
    filled = _fill_gaps(values, floor)
    is_quartered = _is_huge(filled)
    low, high = _limits(filled / 4 if is_quartered else filled)
    is_kept = is_colour and values.dtype == np.uint8 and high - low >= _RANGE_IN_USE
    return Stretch(low, high, floor, is_quartered, is_kept)


def _floor(values: npt.NDArray[Any], name: str) -> Any:
    """Return the least finite value; None for integers."""
    if values.dtype.kind != "f":
        return None
    finite = np.isfinite(values)
    if not finite.any():
        raise UserError(
            f"{name} has no finite value (all are NaN or infinite): there is nothing to see."
        )
    return values.min() if finite.all() else values[finite].min()


def _fill_gaps(values: npt.NDArray[Any], floor: Any) -> npt.NDArray[Any]:
    if values.dtype.kind != "f":
        return values
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, floor)


def _is_huge(values: npt.NDArray[Any]) -> bool:
    """Tell whether differences of values could overflow float64."""
    # A stretch between percentiles does not depend on a common factor.
    is_wide = values.dtype.kind == "f" and values.dtype.itemsize >= 8
    return is_wide and bool(max(values.max(), -values.min()) > _LARGEST_VALUE)


def _limits(planes: npt.NDArray[Any]) -> tuple[float, float]:
    # A million values give the percentiles well enough, and in a few milliseconds.
    step = math.ceil(math.sqrt(planes.size / _SAMPLE))
    low, high = np.percentile(planes[::step, ::step].astype(np.float64), PERCENTILES)
    if low == high:  # nearly constant: what little there is must not be cut off
        low, high = planes.min(), planes.max()
    return float(low), float(high)


def _stretch(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float32]:
    span = high - low
    if span <= _SMALLEST_RANGE:
        return np.zeros(values.shape, dtype=np.float32)
    # float32 does not hold every 32-bit integer, nor any limits one may give.
    is_narrow = values.dtype.itemsize <= 2 and span > 1e-30 and max(-low, high) < 1e30
    wide: npt.NDArray[Any] = values.astype(np.float32 if is_narrow else np.float64)
    with np.errstate(over="ignore"):  # what lies far outside the range is clipped
        wide = np.clip((wide - low) * (255 / span), 0, 255)
    return wide.astype(np.float32, copy=False)


def _as_rgb(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if values.shape[-1] == 1:
        return np.concatenate([values] * 3, axis=-1)  # `repeat` would stop all other threads
    if values.shape[-1] == 2:
        return np.pad(values, ((0, 0), (0, 0), (0, 1)))
    return values
