"""Stacks and time series with annotations of every slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.results import CroppedMask, tight
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import PairedFiles

Labels = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one scene, along z or time, and their label images.

    Attributes
    ----------
    slices : (N, H, W) array, or (N, H, W, 3 or 4)
    truths : tuple of (str, (N, H, W) integer array)
        Name and labels of each masks folder; the same number is the same object in all slices.
    """

    slices: npt.NDArray[Any]
    truths: tuple[tuple[str, Labels], ...]


def read_stack(files: PairedFiles) -> Stack:
    """Read a stack and its label images.

    Raises
    ------
    UserError
        If a file cannot be read, is not a stack, or does not fit the other.
    """
    truths = tuple((name, read_labels(path)) for name, path in files.masks.items())
    slices = read_image(files.image)
    if slices.ndim not in (3, 4) or (slices.ndim == 4 and slices.shape[3] not in (3, 4)):
        raise UserError(
            f"{files.image} has shape {slices.shape}; a stack has three dimensions: slices, "
            "height and width."
        )
    for name, labels in truths:
        if labels.shape != slices.shape[:3]:
            raise UserError(
                f"{files.masks[name]} has shape {labels.shape} but {files.image} "
                f"{slices.shape[:3]}; labels must have the slices and the size of their stack."
            )
    return Stack(slices, truths)


@dataclass(frozen=True, eq=False)
class StackObject:
    """One annotated object.

    Attributes
    ----------
    masks : dict of int to CroppedMask
        By slice, in their order; slices without the object are left out.
    source : str
        Name of the masks folder it comes from.
    """

    masks: dict[int, CroppedMask]
    source: str

    @property
    def middle(self) -> int:
        """The slice in the middle of those that hold the object, the later one of two."""
        held = list(self.masks)
        return held[len(held) // 2]

    @property
    def volume(self) -> int:
        """Number of pixels in all slices."""
        return sum(mask.area for mask in self.masks.values())


def stack_objects(labels: Labels, source: str = "") -> list[StackObject]:
    """Return the objects of a stack by number.

    Parameters
    ----------
    labels : (N, H, W) integer array
        0 is background.
    source : str
        Kept in the objects.
    """
    values, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape) + (values[0] != 0)
    shape = (labels.shape[1], labels.shape[2])
    return [
        StackObject(_masks(compact[window] == number, window, shape), source)
        for number, window in enumerate(ndimage.find_objects(compact), start=1)
    ]


def _masks(
    volume: npt.NDArray[np.bool_], window: Sequence[slice], shape: tuple[int, int]
) -> dict[int, CroppedMask]:
    first, top, left = (each.start for each in window)
    return {
        first + place: CroppedMask(*tight(plane, top, left), shape)
        for place, plane in enumerate(volume)
        if plane.any()
    }
