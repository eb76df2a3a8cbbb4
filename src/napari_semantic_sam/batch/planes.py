"""A picture plane by plane: what each gives, put together and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from napari_semantic_sam.batch.files import SegmentReport, Writers, write_together
from napari_semantic_sam.batch.label_stack import LabelStack
from napari_semantic_sam.batch.linked import link_labels
from napari_semantic_sam.batch.linking import Movements
from napari_semantic_sam.batch.output import AS_TIFF, Output
from napari_semantic_sam.batch.pictures import Picture
from napari_semantic_sam.batch.tables import PictureTables, Table
from napari_semantic_sam.errors import UserError, naming
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.io.label_stacks import write_label_planes
from napari_semantic_sam.io.label_zarr import copy_labels, label_zarrs

if TYPE_CHECKING:
    import zarr


@dataclass(frozen=True, eq=False)
class PlaneResult:
    """What became of one plane.

    Attributes
    ----------
    labels : mapping of level to (H, W) integer array
    tables : mapping of name to Table
        Of files, the end of their names: ``masks.csv``. The rows of ``masks.csv`` are the
        labels.
    """

    labels: Mapping[int, npt.NDArray[Any]]
    tables: Mapping[str, Table]


def segment_planes(
    path: Path,
    picture: Picture,
    segment: Callable[[Plane], PlaneResult],
    target: Callable[[str], Path],
    *,
    link: bool = False,
    measure: bool = False,
    output: Output = AS_TIFF,
) -> SegmentReport:
    """Segment the planes of a picture and write what they give.

    A plane that cannot be segmented is named and left without labels; the others are kept.

    Parameters
    ----------
    path : Path
        For the report.
    picture : Picture
    segment : callable
        May raise a UserError.
    target : callable
        Returns the file for the end of a name, such as ``level2.tif`` or ``masks.csv``.
    link : bool
        Whether labels of planes along the last of `Picture.axes` are linked into objects, and
        get their numbers; ``links.csv`` tells which, and ``objects.csv`` has a row for each.
        A single plane has nothing to link.
    measure : bool
        Whether ``objects_inside.csv`` tells what lies in each of these objects.
    output : Output

    Raises
    ------
    UserError
        If no plane can be segmented, or the results cannot be written.
    """
    labels = LabelStack(picture.source.shape, len(picture.planes))
    tables, skipped = PictureTables(picture), list[str]()
    movements = Movements(picture.lengths[-1]) if link and picture.axes else None
    for number, index in enumerate(picture.planes):
        plane = picture.source.plane(index)
        try:
            result = segment(plane)
            if movements is not None:
                movements.add(number, plane)
        except UserError as error:
            skipped.append(naming(error, plane.name))
            continue
        labels.add(number, result.labels)
        tables.add(number, result.tables)
    if len(skipped) == len(picture.planes):
        raise UserError(skipped[0])
    if movements is not None:
        link_labels(picture, labels.levels, tables, movements, measures_contents=measure)
    files = (_write_zarr if output.form == "zarr" else _write_tiff)(picture, labels, tables, target)
    return SegmentReport(
        path, files, tables.masks, skipped=without_labels(skipped), notices=picture.notices
    )


def without_labels(skipped: list[str]) -> tuple[str, ...]:
    """Return what the user is told of planes that could not be segmented."""
    return tuple(f"{sentence} This plane was left without labels." for sentence in skipped)


def zarr_paths(levels: Iterable[int], target: Callable[[str], Path]) -> dict[int, Path]:
    """Return the OME-Zarr folder of each level; `target` is that of `segment_planes`."""
    return {level: target(f"level{level}.ome.zarr") for level in levels}


def picture_zarrs(
    picture: Picture, paths: Mapping[int, Path], writers: Writers
) -> AbstractContextManager[dict[int, zarr.Array[Any]]]:
    """Return `label_zarrs` of a picture; what is in `writers` by the end is written with them."""
    return label_zarrs(
        paths,
        picture.axes,
        picture.lengths,
        picture.source.shape,
        picture.scale,
        alongside=lambda: write_together(writers),
    )


def _write_tiff(
    picture: Picture, labels: LabelStack, tables: PictureTables, target: Callable[[str], Path]
) -> tuple[Path, ...]:
    writers: Writers = {
        target(f"level{level}.tif"): partial(
            write_label_planes,
            planes=planes,
            axes=picture.axes,
            lengths=picture.lengths,
            scale=picture.scale,
        )
        for level, planes in labels.levels.items()
    }
    writers |= tables.writers(target)
    write_together(writers)
    return tuple(writers)


def _write_zarr(
    picture: Picture, labels: LabelStack, tables: PictureTables, target: Callable[[str], Path]
) -> tuple[Path, ...]:
    writers = tables.writers(target)
    paths = zarr_paths(labels.levels, target)
    with picture_zarrs(picture, paths, writers) as arrays:
        for level, planes in labels.levels.items():
            for index, plane in zip(picture.planes, planes, strict=True):
                copy_labels(plane, arrays[level], tuple(picture.place(index).values()))
    return (*paths.values(), *writers)
