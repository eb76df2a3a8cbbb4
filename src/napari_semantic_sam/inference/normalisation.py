"""The values of any picture as RGB from 0 to 255; the first half of preparation."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.contrast import checked_limits, measure_contrast

SMALLEST_SIDE = 8


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
    array = as_numbers(image)
    axes = plane_axes(array.shape, channels)
    planes = _channels_last(array, axes, channels)
    check_size(planes.shape[:2])
    limits = None if contrast_limits is None else checked_limits(contrast_limits)
    contrast = measure_contrast(planes, is_colour=is_colour(axes, channels), contrast_limits=limits)
    return contrast.apply(planes)


def plane_axes(shape: tuple[int, ...], channels: Sequence[int] | None) -> str:
    """Return the axes of a picture that nobody named, as `normalise` takes them.

    Parameters
    ----------
    shape : tuple of int
    channels : sequence of int, optional
        Given if some of its channels were chosen.

    Returns
    -------
    str
        A letter for each axis: Y, X, and C for channels or S for colours.

    Raises
    ------
    UserError
        If it is no plane.
    """
    if len(shape) == 2:
        return "YX"
    if channels is not None:
        if len(shape) != 3:
            raise UserError(
                f"Channels can be chosen from three dimensions, not from shape {shape}; "
                "give one plane with its channels."
            )
        return "CYX" if shape[0] < shape[-1] else "YXC"
    if len(shape) != 3:
        raise UserError(
            f"The picture has {len(shape)} dimensions, shape {shape}; give one plane: "
            "(y, x), (y, x, RGB), or three dimensions and the channels to use."
        )
    if 1 in (shape[0], shape[-1]):
        return "CYX" if shape[0] == 1 else "YXC"
    if shape[-1] not in (3, 4):
        raise UserError(
            f"The picture has three dimensions, shape {shape}, and is not RGB; choose up "
            "to three channels, or give one plane."
        )
    return "YXS"


def is_colour(axes: str, channels: Sequence[int] | None) -> bool:
    """Tell whether channels are to be taken as the red, green and blue of one picture."""
    return "S" in axes and channels is None


def number_type(dtype: np.dtype[Any], name: str = "The picture") -> np.dtype[Any]:
    """Return the type in which values of a picture are worked with; bool becomes uint8.

    Raises
    ------
    UserError
        If they are neither truth values, integers nor floating point.
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "iuf":
        raise UserError(f"{name} holds {dtype} values; convert it to integers or floating point.")
    return dtype


def check_size(shape: tuple[int, ...], name: str = "The picture") -> None:
    """Refuse planes that are too small.

    Raises
    ------
    UserError
        If a side is shorter than 8 pixels.
    """
    if min(shape) < SMALLEST_SIDE:
        raise UserError(
            f"{name} is {shape[0]} × {shape[1]} pixels; at least {SMALLEST_SIDE} × "
            f"{SMALLEST_SIDE} are needed."
        )


def checked_channels(channels: Sequence[int], count: int, name: str = "The picture") -> list[int]:
    """Return a choice of channels as a list of one to three ints.

    Raises
    ------
    UserError
        If it is none, or there are not so many channels.
    """
    try:
        indices = [operator.index(channel) for channel in channels]
    except TypeError:
        indices = []
    if 1 <= len(indices) <= 3 and all(0 <= index < count for index in indices):
        return indices
    if count == 1:
        raise UserError(f"{name} has one channel; leave the choice of channels (--channels) out.")
    chosen = ", ".join(map(str, indices)) or channels
    raise UserError(
        f"{name} has {count} channels; choose one to three of them, from 0 to {count - 1}, not "
        f"{chosen}."
    )


def as_numbers(image: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a picture in memory as an array of a type it can be worked with.

    Raises
    ------
    UserError
        If it is no array, or see `number_type`.
    """
    try:
        array = np.asarray(image)
    except (TypeError, ValueError) as error:
        raise UserError(
            "The picture cannot be read as an array of numbers; give rows of the same length."
        ) from error
    return array.astype(number_type(array.dtype), copy=False)


def _channels_last(
    array: npt.NDArray[Any], axes: str, channels: Sequence[int] | None
) -> npt.NDArray[Any]:
    """Return the chosen channels as (H, W, 1 to 3)."""
    if array.ndim == 2:
        array = array[..., None]
    elif axes[0] == "C":
        array = np.moveaxis(array, 0, -1)
    if channels is None:
        return array[..., :3]
    return array[..., checked_channels(channels, array.shape[-1])]
