"""The values of any picture as RGB from 0 to 255; the first half of preparation."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError

SMALLEST_SIDE = 8
PERCENTILES = (0.1, 99.9)
_SAMPLE = 2**20
_RANGE_IN_USE = 128
_SMALLEST_RANGE, _LARGEST_VALUE = 1e-300, 1e300
"""Beyond these, ranges and their inverses may overflow float64."""


def normalise(
    image: npt.ArrayLike,
    *,
    channels: Sequence[int] | None = None,
    contrast_limits: tuple[float, float] | None = None,
) -> npt.NDArray[np.float32]:
    """Turn the values of any picture into RGB from 0 to 255.

    Grey pictures and chosen channels are stretched one by one from their 0.1 to their
    99.9 percentile. RGB is stretched jointly, which keeps its colours; 8-bit RGB that
    uses at least half of its range stays as it is. Grey saved as RGB counts as grey.
    Values that are not finite become the least finite one; a constant becomes 0.

    Parameters
    ----------
    image : array
        ``(H, W)`` grey, ``(H, W, 3 or 4)`` RGB with or without alpha (which is ignored),
        or, with `channels`, ``(H, W, C)`` or ``(C, H, W)``: the shorter of the first and
        the last axis holds the channels, the last if they are equal. Any bool, integer or
        floating type.
    channels : one to three ints, optional
        One becomes grey, two or three become red, green and blue.
    contrast_limits : (low, high), optional
        Finite values that become 0 and 255, instead of the percentiles.

    Returns
    -------
    (H, W, 3) float32 array

    Raises
    ------
    UserError
        If the picture has no such form, is smaller than 8 pixels a side, has no finite
        value, or if an option does not fit it.
    """
    planes, is_colour = _planes(_numbers(image), channels)
    _check_size(planes.shape[:2])
    if contrast_limits is not None:
        values = _stretch(_fill_gaps(planes), *_checked(contrast_limits))
    elif is_colour:
        values = _stretch_colours(_fill_gaps(planes))
    else:
        values = np.stack([_stretch_plane(plane) for plane in np.moveaxis(planes, -1, 0)], -1)
    return _as_rgb(values)


def _numbers(image: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        array = np.asarray(image)
    except (TypeError, ValueError) as error:
        raise UserError(
            "The picture cannot be read as an array of numbers; give rows of the same length."
        ) from error
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise UserError(
            f"The picture holds {array.dtype} values; convert it to integers or floating point."
        )
    return array


def _planes(
    array: npt.NDArray[Any], channels: Sequence[int] | None
) -> tuple[npt.NDArray[Any], bool]:
    """Return the chosen planes as (H, W, 1 to 3), and whether they are colours."""
    if channels is not None:
        return _chosen(array, channels), False
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim == 2:
        return array[..., None], False
    if array.ndim != 3:
        raise UserError(
            f"The picture has {array.ndim} dimensions, shape {array.shape}; give one plane: "
            "(y, x), (y, x, RGB), or three dimensions and the channels to use."
        )
    if array.shape[-1] not in (3, 4):
        raise UserError(
            f"The picture has three dimensions, shape {array.shape}, and is not RGB; choose up "
            "to three channels, or give one plane."
        )
    colours = array[..., :3]
    is_grey = bool((colours == colours[..., :1]).all())
    return (colours[..., :1], False) if is_grey else (colours, True)


def _chosen(array: npt.NDArray[Any], channels: Sequence[int]) -> npt.NDArray[Any]:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise UserError(
            f"Channels can be chosen from three dimensions, not from shape {array.shape}; "
            "give one plane with its channels."
        )
    if array.shape[0] < array.shape[-1]:
        array = np.moveaxis(array, 0, -1)
    return array[..., _indices(channels, array.shape[-1])]


def _indices(channels: Sequence[int], count: int) -> list[int]:
    try:
        indices = [operator.index(channel) for channel in channels]
    except TypeError:
        indices = []
    if not 1 <= len(indices) <= 3 or not all(0 <= index < count for index in indices):
        raise UserError(f"Choose one to three channels from 0 to {count - 1}, not {channels}.")
    return indices


def _check_size(shape: tuple[int, ...]) -> None:
    if min(shape) < SMALLEST_SIDE:
        raise UserError(
            f"The picture is {shape[0]} × {shape[1]} pixels; at least {SMALLEST_SIDE} × "
            f"{SMALLEST_SIDE} are needed."
        )


def _checked(limits: tuple[float, float]) -> tuple[float, float]:
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


def _fill_gaps(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Replace what is not finite by the least finite value."""
    if planes.dtype.kind != "f":
        return planes
    finite = np.isfinite(planes)
    if finite.all():
        return planes
    if not finite.any():
        raise UserError(
            "The picture has no finite value (all are NaN or infinite): there is nothing to see."
        )
    return np.where(finite, planes, planes[finite].min())


def _stretch_plane(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    plane = _tame(_fill_gaps(plane))
    return _stretch(plane, *_limits(plane))


def _stretch_colours(planes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    planes = _tame(planes)
    low, high = _limits(planes)
    if planes.dtype == np.uint8 and high - low >= _RANGE_IN_USE:
        return planes.astype(np.float32)
    return _stretch(planes, low, high)


def _tame(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Shrink values so large that their differences would overflow float64."""
    # A stretch between percentiles does not depend on a common factor.
    is_wide = planes.dtype.kind == "f" and planes.dtype.itemsize >= 8
    if is_wide and max(planes.max(), -planes.min()) > _LARGEST_VALUE:
        return planes / 4
    return planes


def _limits(planes: npt.NDArray[Any]) -> tuple[float, float]:
    # A million values give the percentiles well enough, and in a few milliseconds.
    step = math.ceil(math.sqrt(planes.size / _SAMPLE))
    low, high = np.percentile(planes[::step, ::step].astype(np.float64), PERCENTILES)
    if low == high:  # nearly constant: what little there is must not be cut off
        low, high = planes.min(), planes.max()
    return float(low), float(high)


def _stretch(planes: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float32]:
    span = high - low
    if span <= _SMALLEST_RANGE:
        return np.zeros(planes.shape, dtype=np.float32)
    # float32 does not hold every 32-bit integer, nor any limits one may give.
    is_narrow = planes.dtype.itemsize <= 2 and span > 1e-30 and max(-low, high) < 1e30
    wide: npt.NDArray[Any] = planes.astype(np.float32 if is_narrow else np.float64)
    with np.errstate(over="ignore"):  # what lies far outside the range is clipped
        wide = np.clip((wide - low) * (255 / span), 0, 255)
    return wide.astype(np.float32, copy=False)


def _as_rgb(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if values.shape[-1] == 1:
        return np.repeat(values, 3, axis=-1)
    if values.shape[-1] == 2:
        return np.pad(values, ((0, 0), (0, 0), (0, 1)))
    return values
