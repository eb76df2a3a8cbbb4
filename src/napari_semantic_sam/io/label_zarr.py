"""Label images as OME-Zarr, written block by block: for planes that do not fit memory."""

from __future__ import annotations

import errno
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import make_folder
from napari_semantic_sam.io.opening import Scale

if TYPE_CHECKING:
    import zarr

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
) -> Iterator[dict[int, zarr.Array[Any]]]:
    """Yield an empty int32 array for each level, written whole or not at all.

    The folders get their names when the body ends, all together; earlier ones of these names
    are replaced then. After any error there is nothing of them, and earlier ones are as they
    were.

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

    Raises
    ------
    UserError
        If the disk is full or a folder cannot be written.
    """
    described = _description(f"{axes}YX".lower(), scale)
    with ExitStack() as stack:
        working = {level: stack.enter_context(_replacing(path)) for level, path in paths.items()}
        yield {
            level: _new_array(folder, described, (*lengths, *shape))
            for level, folder in working.items()
        }


def copy_labels(labels: Any, target: zarr.Array[Any], place: tuple[int, ...]) -> None:
    """Copy a ``(H, W)`` label image of any kind into a plane, a block at a time."""
    height, width = target.shape[-2:]
    for y0, x0 in product(range(0, height, BLOCK), range(0, width, BLOCK)):
        rows, columns = slice(y0, min(y0 + BLOCK, height)), slice(x0, min(x0 + BLOCK, width))
        part = labels[rows, columns]
        if part.any():
            where: tuple[int | slice, ...] = (*place, rows, columns)
            target[where] = part


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a folder that takes the place of another if the body succeeds."""
    make_folder(path.parent)
    unique = uuid.uuid4().hex[:12]
    working, old = (
        path.with_name(f".{unique}-{each}-{path.name[-40:]}") for each in ("new", "old")
    )
    try:
        yield working
        if path.exists():
            path.rename(old)
        working.rename(path)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if is_full else error.strerror
        raise UserError(f"{path} could not be written ({reason}).") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _new_array(folder: Path, described: dict[str, Any], shape: tuple[int, ...]) -> zarr.Array[Any]:
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=2)
    group.attrs["multiscales"] = [described]
    group.attrs["image-label"] = {"version": "0.4"}
    chunks = (*(1 for _ in shape[:-2]), *(min(BLOCK, side) for side in shape[-2:]))
    return group.create_array(
        "0",
        shape=shape,
        chunks=chunks,
        dtype="int32",
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )


def _description(axes: str, scale: Scale) -> dict[str, Any]:
    """Return what OME-Zarr 0.4 says of a picture of one resolution."""
    kinds = {letter: "time" if letter == "t" else "space" for letter in axes}
    units = {letter: _UNITS.get(scale.units.get(letter.upper(), "")) for letter in axes}
    steps = [float(scale.sizes.get(letter.upper(), 1.0)) for letter in axes]
    return {
        "version": "0.4",
        "axes": [
            {"name": letter, "type": kinds[letter]}
            | ({"unit": units[letter]} if units[letter] else {})
            for letter in axes
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": steps}]}
        ],
    }
