"""A picture plane by plane: what each gives, put together and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_semantic_sam.batch.files import SegmentReport, naming, write_together
from napari_semantic_sam.batch.label_stack import LabelStack
from napari_semantic_sam.batch.linking import LINK_COLUMNS, LINKS, Movements, renumber
from napari_semantic_sam.batch.objects import CONTENTS, OBJECTS, whole_objects
from napari_semantic_sam.batch.output import AS_TIFF, Output
from napari_semantic_sam.batch.pictures import Picture
from napari_semantic_sam.batch.tables import MASKS, PictureTables, Rows, Table
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.link import LinkRules
from napari_semantic_sam.inference.automatic.object_totals import (
    content_columns,
    measure_contents,
    measure_objects,
    object_columns,
)
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.io.label_stacks import write_label_planes
from napari_semantic_sam.io.label_zarr import copy_labels, label_zarrs


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
            skipped.append(naming(plane.name, error))
            continue
        labels.add(number, result.labels)
        tables.add(number, result.tables)
    if len(skipped) == len(picture.planes):
        raise UserError(skipped[0])
    if movements is not None:
        _link(picture, labels, tables, movements, measures_contents=measure)
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


def _link(
    picture: Picture,
    labels: LabelStack,
    tables: PictureTables,
    movements: Movements,
    *,
    measures_contents: bool,
) -> None:
    """Give every object along the last axis one number, in label images and tables."""
    found, numbers = labels.link(movements, LinkRules(divisions=picture.axes[-1] == "T"))
    outer = [letter.lower() for letter in picture.axes[:-1]]
    links: Rows = []
    for level, rows_of_level in found.items():
        for number, row in rows_of_level:
            place = picture.place(picture.planes[number])
            where = {letter: place[letter.upper()] for letter in outer}
            links.append((number, {**where, "level": level, **asdict(row)}))
    for rows in tables.rows.values():
        renumber(rows, numbers)
    places = [tuple(picture.place(plane).values()) for plane in picture.planes]
    objects = whole_objects(tables.rows[MASKS], labels, places)
    steps = picture.scale.in_micrometres
    measured = measure_objects(objects, picture.axes, steps)
    tables.put(LINKS, (*outer, *LINK_COLUMNS), links)
    tables.put(OBJECTS, object_columns(picture.axes, steps), [(0, row) for row in measured])
    if measures_contents:
        contents = [(0, row) for row in measure_contents(objects)]
        tables.put(CONTENTS, content_columns(), contents)


def _write_tiff(
    picture: Picture, labels: LabelStack, tables: PictureTables, target: Callable[[str], Path]
) -> tuple[Path, ...]:
    writers: dict[Path, Callable[[Path], None]] = {
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
    levels, writers = labels.levels, tables.writers(target)
    paths = zarr_paths(levels, target)
    with label_zarrs(
        paths, picture.axes, picture.lengths, picture.source.shape, picture.scale
    ) as arrays:
        for level, planes in levels.items():
            for index, plane in zip(picture.planes, planes, strict=True):
                copy_labels(plane, arrays[level], tuple(picture.place(index).values()))
        write_together(writers)
    return (*paths.values(), *writers)
