"""The arrays that labels of a level are written into: their size, and how far they count."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_chunks import ChunkedLabels, Stored, occupied, within
from napari_semantic_sam.inference.label_runs import LabelArray

NEW = np.int32
"""The type of labels in levels that are made here."""

LARGE = 8192**2
"""Labels of planes with more pixels than this are in blocks."""


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether labels of planes ``(..., H, W)`` are in blocks."""
    return math.prod(shape[-2:]) > LARGE


def stored(array: Stored) -> Stored:
    """Return an array, or a copy in blocks if its planes are large."""
    if isinstance(array, ChunkedLabels) or not is_large(array.shape):
        return array
    return ChunkedLabels.of(array)


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike = NEW) -> LabelArray:
    """Return an array in one piece, which takes no memory where nothing was written.

    Raises
    ------
    UserError
        If there is no room for it.
    """
    try:
        return np.zeros(shape, dtype=dtype)
    except (MemoryError, ValueError) as error:
        size = math.prod(shape) * np.dtype(dtype).itemsize / 2**30
        raise UserError(
            f"A level of a picture of shape {shape} needs up to {size:.0f} GB, which this computer "
            "does not have; open a part of the picture."
        ) from error


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike = NEW) -> Stored:
    """Return labels without any, which take no memory where nothing was written.

    Raises
    ------
    UserError
        If there is no room for them.
    """
    return ChunkedLabels(shape, dtype) if is_large(shape) else empty(shape, dtype)


def dense(labels: Stored) -> LabelArray:
    """Return an array, or a copy in one piece of what is in blocks.

    Raises
    ------
    UserError
        If there is no room for it.
    """
    if not isinstance(labels, ChunkedLabels):
        return labels
    copy = empty(labels.shape, labels.dtype)
    for plane in np.ndindex(labels.shape[:-2]):
        for window in occupied(labels, plane):
            copy[within(plane, window)] = labels[within(plane, window)]
    return copy


def able_to_hold(array: Stored, pixels: LabelArray) -> Stored:
    """Return an array, or a copy of a larger type if its own cannot hold some pixels."""
    limits = np.iinfo(array.dtype)
    if not pixels.size or (limits.min <= pixels.min() and pixels.max() <= limits.max):
        return array
    wider = np.promote_types(array.dtype, pixels.dtype)
    # Signed and unsigned numbers of 64 bits have no integer type in common.
    return array.astype(wider if wider.kind in "iu" else np.uint64)


def check_count(array: Stored | None, last: int, level: int) -> None:
    """Check that the array of a level, None for a new one, can hold a number.

    Raises
    ------
    UserError
        If its type cannot count so far.
    """
    dtype = np.dtype(NEW) if array is None else array.dtype
    limit = np.iinfo(dtype).max
    if last > limit:
        raise UserError(
            f"The labels of level {level} are {dtype}, which cannot count beyond "
            f"{limit}; right-click that layer and convert its data type to int32."
        )
