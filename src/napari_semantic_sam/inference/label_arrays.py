"""The arrays that labels of a level are written into: their size, and how far they count."""

from __future__ import annotations

import math

import numpy as np

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_runs import LabelArray

NEW = np.int32
"""The type of labels in levels that are made here."""


def empty(shape: tuple[int, ...]) -> LabelArray:
    """Return an array without labels, which takes no memory where nothing was written.

    Raises
    ------
    UserError
        If there is no room for it.
    """
    try:
        return np.zeros(shape, dtype=NEW)
    except (MemoryError, ValueError) as error:
        size = math.prod(shape) * np.dtype(NEW).itemsize / 2**30
        raise UserError(
            f"A level of a picture of shape {shape} needs up to {size:.0f} GB, which this computer "
            "does not have; open a part of the picture."
        ) from error


def able_to_hold(array: LabelArray, pixels: LabelArray) -> LabelArray:
    """Return an array, or a copy of a larger type if its own cannot hold some pixels."""
    limits = np.iinfo(array.dtype)
    if not pixels.size or (limits.min <= pixels.min() and pixels.max() <= limits.max):
        return array
    wider = np.promote_types(array.dtype, pixels.dtype)
    # Signed and unsigned numbers of 64 bits have no integer type in common.
    return array.astype(wider if wider.kind in "iu" else np.uint64)


def check_count(array: LabelArray | None, last: int, level: int) -> None:
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
