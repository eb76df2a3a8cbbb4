"""Label images as OME-Zarr, written block by block: for planes that do not fit memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.io.folders import atomic_folders
from napari_semantic_sam.io.label_pyramid import coarser_shapes, fill_coarser
from napari_semantic_sam.io.opening import Scale

if TYPE_CHECKING:
    import zarr

Labels = npt.NDArray[Any]

BLOCK = 1024
"""Side of the blocks in pixels."""

_UNITS = {
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "inch": "inch",
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
    "h": "hour",
}
"""As OME-Zarr writes them."""


@contextmanager
def label_zarrs(
    paths: Mapping[int, Path],
    axes: str,
    lengths: tuple[int, ...],
    shape: tuple[int, int],
    scale: Scale,
    alongside: Callable[[], None] | None = None,
) -> Iterator[dict[int, zarr.Array[Any]]]:
    """Yield an empty int32 array for each level, written whole or not at all.

    When the body ends, coarser copies of large planes are made, see `halve`; then the folders
    get their names, all together, earlier ones of these names are replaced, and what belongs
    to the labels is written. After any error there is nothing of them, and earlier ones are as
    they were.

    Parameters
    ----------
    paths : mapping of int to Path
        The folder of each level.
    axes : str
        Of T and Z what planes run along.
    lengths : tuple of int
        Number of planes along each of them.
    shape : (H, W)
        Of each plane.
    scale : Scale
        Of the picture.
    alongside : callable, optional
        See `atomic_folders`.

    Raises
    ------
    UserError
        See `atomic_folders`.
    """
    sizes = [shape, *coarser_shapes(shape)]
    described = _description(f"{axes}YX".lower(), scale, len(sizes))
    with atomic_folders(paths.values(), alongside) as folders:
        pyramids = {
            level: _new_pyramid(folder, described, lengths, sizes)
            for level, folder in zip(paths, folders, strict=True)
        }
        yield {level: pyramid[0] for level, pyramid in pyramids.items()}
        for pyramid in pyramids.values():
            for finer, coarser in pairwise(pyramid):
                fill_coarser(finer, coarser, BLOCK)


def copy_labels(labels: Any, target: zarr.Array[Any], place: tuple[int, ...]) -> None:
    """Copy a ``(H, W)`` label image of any kind into a plane, a block at a time."""
    for rows, columns in _blocks(target.shape[-2:]):
        part = labels[rows, columns]
        if part.any():
            where: tuple[int | slice, ...] = (*place, rows, columns)
            target[where] = part


class ZarrPlanes:
    """The planes of label images in a zarr, read and changed in parts.

    Parameters
    ----------
    array : zarr array
        ``(*stack, H, W)``; planes are counted with the last axis of the stack fastest.
    """

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array

    def __len__(self) -> int:
        return math.prod(self._array.shape[:-2])

    def __iter__(self) -> Iterator[ZarrPlane]:
        for place in np.ndindex(self._array.shape[:-2]):
            yield ZarrPlane(self._array, place)

    def change(self, change: Callable[[int, Labels], Labels]) -> None:
        """Replace labels, a block at a time.

        Parameters
        ----------
        change : callable
            Takes the number of a plane and a block of it, and returns what becomes of that.
        """
        for number, plane in enumerate(self):
            for rows, columns in _blocks(plane.shape):
                part = plane[rows, columns]
                if part.any():
                    where: tuple[int | slice, ...] = (*plane.place, rows, columns)
                    self._array[where] = change(number, part)


@dataclass(frozen=True, eq=False)
class ZarrPlane:
    """One plane of a zarr array, of which nothing is read before it is needed.

    Attributes
    ----------
    array : zarr array
    place : tuple of int
        Where it is along all axes but the last two.
    """

    array: zarr.Array[Any]
    place: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.array.shape[-2:]
        return height, width

    def __getitem__(self, window: tuple[slice, slice]) -> Labels:
        """Return a part."""
        where: tuple[int | slice, ...] = (*self.place, *window)
        return np.asarray(self.array[where])


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    height, width = shape
    for y0, x0 in product(range(0, height, BLOCK), range(0, width, BLOCK)):
        yield slice(y0, min(y0 + BLOCK, height)), slice(x0, min(x0 + BLOCK, width))


def _new_pyramid(
    folder: Path,
    described: dict[str, Any],
    lengths: tuple[int, ...],
    sizes: Sequence[tuple[int, int]],
) -> list[zarr.Array[Any]]:
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=2)
    group.attrs["multiscales"] = [described]
    group.attrs["image-label"] = {"version": "0.4"}
    return [
        group.create_array(
            str(number),
            shape=(*lengths, *size),
            chunks=(*(1 for _ in lengths), *(min(BLOCK, side) for side in size)),
            dtype="int32",
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        for number, size in enumerate(sizes)
    ]


def _description(axes: str, scale: Scale, count: int) -> dict[str, Any]:
    """Return what OME-Zarr 0.4 says of a picture of so many resolutions."""
    kinds = {letter: "time" if letter == "t" else "space" for letter in axes}
    units = {letter: _UNITS.get(scale.units.get(letter.upper(), "")) for letter in axes}
    return {
        "version": "0.4",
        "type": "mode",  # how the coarser ones were made
        "axes": [
            {"name": letter, "type": kinds[letter]}
            | ({"unit": units[letter]} if units[letter] else {})
            for letter in axes
        ],
        "datasets": [
            {"path": str(number), "coordinateTransformations": _placed(axes, scale, 2**number)}
            for number in range(count)
        ],
    }


def _placed(axes: str, scale: Scale, factor: int) -> list[dict[str, Any]]:
    """Return the steps of a coarser copy, and where the middle of its first pixel is."""
    steps = [float(scale.sizes.get(letter.upper(), 1.0)) for letter in axes]
    factors = [factor if letter in "yx" else 1 for letter in axes]
    pairs = list(zip(steps, factors, strict=True))
    placed: list[dict[str, Any]] = [{"type": "scale", "scale": [step * n for step, n in pairs]}]
    if factor > 1:
        middle = [step * (n - 1) / 2 for step, n in pairs]
        placed.append({"type": "translation", "translation": middle})
    return placed
