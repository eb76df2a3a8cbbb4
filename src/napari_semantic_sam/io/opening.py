"""Pictures of any size, opened without being read, and what their files say about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.images import first_bytes, is_tiff, read_image
from napari_semantic_sam.io.units import in_micrometres

IMAGE_FOLDERS = ("zarr.json", ".zgroup", ".zarray")
"""A folder that holds one of these is a zarr, and as such a picture."""


@dataclass(frozen=True)
class Scale:
    """Size of the pixels of a picture.

    Attributes
    ----------
    sizes : mapping of letter to float
        Step along T, Z, Y, X, as far as the file says.
    units : mapping of letter to str
        See `short_unit`; only of letters that are in `sizes`.
    """

    sizes: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_micrometres(self) -> dict[str, float]:
        """Steps along Z, Y, X in micrometres, as far as they are known."""
        steps = {
            letter: in_micrometres(self.sizes[letter], self.units.get(letter, ""))
            for letter in "ZYX"
            if letter in self.sizes
        }
        return {letter: step for letter, step in steps.items() if step}

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel in micrometres; that of a square of equal area if it is none."""
        steps = self.in_micrometres
        return math.sqrt(steps["Y"] * steps["X"]) if {"Y", "X"} <= steps.keys() else None


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """A picture whose pixels are read when they are asked for.

    Attributes
    ----------
    path : Path
    levels : tuple of arrays
        Memory maps, zarr arrays or numpy arrays; several are a pyramid, finest first.
    names : tuple of str
        What the file calls each dimension ("T", "z", "channel"), "" or a letter without
        meaning where it does not say.
    scale : Scale
    channel_names : tuple of str
    notices : tuple of str
        Sentences about what the user should know.
    """

    path: Path
    levels: tuple[Any, ...]
    names: tuple[str, ...]
    scale: Scale = field(default_factory=Scale)
    channel_names: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@contextmanager
def open_image(path: str | Path) -> Iterator[OpenedImage]:
    """Open a picture without reading its pixels.

    TIFF (ImageJ, OME, BigTIFF, pyramids) and OME-Zarr are read lazily, a chunk at a time;
    PNG and JPEG, which have no parts, are read at once.

    Parameters
    ----------
    path : str or Path
        A TIFF, PNG or JPEG file, or a folder with an OME-Zarr or a zarr array.

    Yields
    ------
    OpenedImage
        To be used before the context ends.

    Raises
    ------
    UserError
        If it is missing, empty, cut off, or no picture of these formats. Damage to a part
        is found when that part is read.
    """
    path = Path(path)
    with ExitStack() as stack:
        yield _opener(path)(path, stack)


def is_image_folder(path: Path) -> bool:
    """Tell whether a folder is one picture, a zarr, and not a folder of pictures."""
    return any((path / name).is_file() for name in IMAGE_FOLDERS)


def _opener(path: Path) -> Callable[[Path, ExitStack], OpenedImage]:
    if path.is_dir():
        if not is_image_folder(path):
            raise UserError(f"{path} is a folder; a picture file or an OME-Zarr folder is needed.")
        from napari_semantic_sam.io.zarr_pictures import open_zarr

        return open_zarr
    if is_tiff(first_bytes(path)):
        from napari_semantic_sam.io.tiff_pictures import open_tiff

        return open_tiff
    return _open_whole


def _open_whole(path: Path, stack: ExitStack) -> OpenedImage:
    array = read_image(path)
    return OpenedImage(path, (array,), tuple("YXS"[: array.ndim]))
