"""OME-Zarr folders (NGFF 0.1 to 0.5) and plain zarr arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.opening import OpenedImage, Scale
from napari_semantic_sam.io.units import short_unit

if TYPE_CHECKING:
    import zarr

_AXES_BEFORE_0_3 = "tczyx"
_MOST_COUNTED = 100_000


def open_zarr(path: Path, stack: ExitStack) -> OpenedImage:
    """Open the first picture of an OME-Zarr folder, or a zarr array.

    Chunks that are missing hold the fill value, as the format says: writers leave out
    empty ones. A notice tells how many they are, because they may also have been lost.

    Raises
    ------
    UserError
        If it holds no picture, or its description is damaged.
    """
    import zarr

    try:
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return OpenedImage(path, (node,), _array_names(node), notices=_missing(path, node))
        group, record = _picture(node, path)
        multiscale = record["multiscales"][0]
        levels = tuple(_array(group, each["path"]) for each in multiscale["datasets"])
        axes = _axes(multiscale, levels[0].ndim)
        return OpenedImage(
            path,
            levels,
            tuple(str(axis.get("name", "")) for axis in axes),
            _scale(multiscale, axes),
            tuple(
                str(channel.get("label", ""))
                for channel in record.get("omero", {}).get("channels", ())
            ),
            _missing(path, levels[0]),
        )
    except UserError:
        raise
    except Exception as error:  # stores and codecs raise nearly every kind
        raise UserError(
            f"{path} could not be opened as OME-Zarr: its description or an array is damaged or "
            "missing; copy or export it again."
        ) from error


def _picture(group: zarr.Group, path: Path) -> tuple[zarr.Group, Mapping[str, Any]]:
    """Return the group of the first picture and what is said about it."""
    import zarr

    record = _record(group)
    if "multiscales" not in record and "0" in group and isinstance(group["0"], zarr.Group):
        group = group["0"]  # what bioformats2raw writes: a folder of pictures
        record = _record(group)
    if "plate" in record:
        raise UserError(
            f"{path} is a plate of many pictures; give the folder of one "
            "field, for example A/1/0 in it."
        )
    if "multiscales" not in record:
        raise UserError(
            f"{path} is a zarr without a picture (no multiscales); give "
            "the folder of an OME-Zarr picture or of an array."
        )
    return group, record


def _record(group: zarr.Group) -> Mapping[str, Any]:
    attributes: Mapping[str, Any] = group.attrs.asdict()
    return attributes.get("ome", attributes)  # since 0.5 under a key of its own


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    import zarr

    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is no array")
    return array


def _axes(multiscale: Mapping[str, Any], ndim: int) -> list[dict[str, Any]]:
    axes: Sequence[Any] = multiscale.get("axes") or _AXES_BEFORE_0_3[-ndim:]
    return [{"name": axis} if isinstance(axis, str) else dict(axis) for axis in axes]


def _scale(multiscale: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]) -> Scale:
    steps = [1.0] * len(axes)
    for holder in (multiscale["datasets"][0], multiscale):
        for transformation in holder.get("coordinateTransformations", ()):
            if transformation.get("type") == "scale" and "scale" in transformation:
                pairs = zip(steps, transformation["scale"], strict=True)
                steps = [step * float(factor) for step, factor in pairs]
    sizes, units = {}, {}
    for axis, step in zip(axes, steps, strict=True):
        letter, unit = str(axis.get("name", "")).upper(), short_unit(str(axis.get("unit", "")))
        if letter in tuple("TZYX") and unit and 0 < step < math.inf:
            sizes[letter], units[letter] = step, unit
    return Scale(sizes, units)


def _array_names(array: zarr.Array[Any]) -> tuple[str, ...]:
    """Return the names of the dimensions, as zarr 3 or xarray note them."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(str(name or "") for name in names) if isinstance(names, list | tuple) else ()


def _missing(path: Path, array: zarr.Array[Any]) -> tuple[str, ...]:
    chunks = array.nchunks
    if chunks > _MOST_COUNTED:  # looking for each would take longer than it is worth
        return ()
    missing = chunks - array.nchunks_initialized
    if missing <= 0:
        return ()
    return (
        f"{path} lacks {missing} of the {chunks} chunks of its finest level; they are taken as "
        f"empty ({array.fill_value}), which is wrong if they were lost in copying.",
    )
