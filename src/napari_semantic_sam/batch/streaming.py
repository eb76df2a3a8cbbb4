"""Planes that do not fit memory: segmented and written part by part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from napari_semantic_sam.batch.files import SegmentReport, Writers
from napari_semantic_sam.batch.linked import link_labels
from napari_semantic_sam.batch.linking import Movements
from napari_semantic_sam.batch.pictures import Picture
from napari_semantic_sam.batch.planes import picture_zarrs, without_labels, zarr_paths
from napari_semantic_sam.batch.tables import PictureTables, Table
from napari_semantic_sam.errors import UserError, naming
from napari_semantic_sam.inference.automatic.stored import StoredLabels
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.io.files import make_folder
from napari_semantic_sam.io.label_zarr import ZarrPlanes, copy_labels

Stream = Callable[[Plane, Path], tuple[StoredLabels, Mapping[str, Table]]]


def stream_planes(
    path: Path,
    picture: Picture,
    levels: Sequence[int],
    stream: Stream,
    target: Callable[[str], Path],
    *,
    link: bool = False,
    measure: bool = False,
) -> SegmentReport:
    """Segment the planes of a picture and write their labels as OME-Zarr, block by block.

    A plane that cannot be segmented is named and left without labels; the others are kept.

    Parameters
    ----------
    path : Path
        For the report.
    picture : Picture
    levels : sequence of int
    stream : callable
        Segments a plane into a folder that is thrown away afterwards; may raise a UserError.
    target : callable
        Returns the file for the end of a name, such as ``masks.csv``.
    link, measure : bool
        See `segment_planes`.

    Raises
    ------
    UserError
        If no plane can be segmented, or the results cannot be written.
    """
    tables, skipped, paths = PictureTables(picture), list[str](), zarr_paths(levels, target)
    movements = Movements(picture.lengths[-1]) if link and picture.axes else None
    writers: Writers = {}
    # Beside the results: there is room for them, and perhaps nowhere else.
    beside = make_folder(target("").parent)
    with picture_zarrs(picture, paths, writers) as arrays:
        for number, index in enumerate(picture.planes):
            plane = picture.source.plane(index)
            with tempfile.TemporaryDirectory(prefix=".", dir=beside) as folder:
                try:
                    labels, found = stream(plane, Path(folder))
                    if movements is not None:
                        movements.add(number, plane)
                except UserError as error:
                    skipped.append(naming(error, plane.name))
                    continue
                place = tuple(picture.place(index).values())
                for level in levels:
                    copy_labels(labels.store(level), arrays[level], place)
            tables.add(number, found)
        if len(skipped) == len(picture.planes):
            raise UserError(skipped[0])
        if movements is not None:
            planes = {level: ZarrPlanes(array) for level, array in arrays.items()}
            link_labels(picture, planes, tables, movements, measures_contents=measure)
        writers |= tables.writers(target)
    return SegmentReport(
        path,
        (*paths.values(), *writers),
        tables.masks,
        skipped=without_labels(skipped),
        notices=picture.notices,
    )
