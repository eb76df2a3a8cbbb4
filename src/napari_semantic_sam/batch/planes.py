"""A picture plane by plane: what each gives, put together and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_semantic_sam.batch.files import SegmentReport, naming, write_together
from napari_semantic_sam.batch.linking import (
    LINK_COLUMNS,
    LINKS,
    Movements,
    link_planes,
    renumber,
)
from napari_semantic_sam.batch.pictures import Picture
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.link import LinkRules
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.io.label_stacks import LabelPlanes, write_label_planes
from napari_semantic_sam.io.tables import write_csv


@dataclass(frozen=True)
class Table:
    """Rows of a table with their header."""

    header: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]


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


MASKS = "masks.csv"


def segment_planes(
    path: Path,
    picture: Picture,
    segment: Callable[[Plane], PlaneResult],
    target: Callable[[str], Path],
    *,
    link: bool = False,
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
        get their numbers; ``links.csv`` tells which. A single plane has nothing to link.

    Raises
    ------
    UserError
        If no plane can be segmented, or the results cannot be written.
    """
    collected, skipped = _Collected(picture), list[str]()
    movements = Movements(picture.lengths[-1]) if link and picture.axes else None
    for number, index in enumerate(picture.planes):
        plane = picture.source.plane(index)
        try:
            result = segment(plane)
            if movements is not None:
                movements.add(number, plane)
            collected.add(number, picture.place(index), result)
        except UserError as error:
            skipped.append(naming(plane.name, error))
    if len(skipped) == len(picture.planes):
        raise UserError(skipped[0])
    if movements is not None:
        collected.link(movements)
    writers = collected.writers(target)
    write_together(writers)
    return SegmentReport(
        path,
        tuple(writers),
        collected.masks,
        skipped=tuple(f"{sentence} This plane was left without labels." for sentence in skipped),
        notices=picture.notices,
    )


class _Collected:
    """The results of some planes; those that are missing have no labels."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._planes: dict[int, LabelPlanes] = {}
        self._headers: dict[str, tuple[str, ...]] = {}
        self._rows: dict[str, list[tuple[int, dict[str, Any]]]] = {}

    @property
    def masks(self) -> int:
        """Number of labels."""
        return len(self._rows[MASKS])

    def add(self, number: int, place: Mapping[str, int], result: PlaneResult) -> None:
        """Add the result of the plane with this number, which lies at this place."""
        columns = {letter.lower(): index for letter, index in place.items()}
        for level, labels in result.labels.items():
            planes = self._planes.setdefault(level, LabelPlanes(self._picture.source.shape))
            planes.fill(number)
            planes.add(labels)
        for name, table in result.tables.items():
            self._headers[name] = (*columns, *table.header)
            rows = [(number, {**columns, **row}) for row in table.rows]
            self._rows.setdefault(name, []).extend(rows)

    def link(self, movements: Movements) -> None:
        """Give every object along the last axis one number, in label images and tables."""
        picture, numbers = self._picture, dict[tuple[int, int, int], int]()
        rules = LinkRules(divisions=picture.axes[-1] == "T")
        outer = [letter.lower() for letter in picture.axes[:-1]]
        links = []
        for level, planes in self._planes.items():
            planes.fill(len(picture.planes))
            self._planes[level], found = link_planes(planes, movements, rules)
            for number, row in found:
                numbers[number, level, row.label] = row.object
                place = picture.place(picture.planes[number])
                where = {letter: place[letter.upper()] for letter in outer}
                links.append((number, {**where, "level": level, **asdict(row)}))
        for rows in self._rows.values():
            renumber(rows, numbers)
        self._headers[LINKS] = (*outer, *LINK_COLUMNS)
        self._rows[LINKS] = links

    def writers(self, target: Callable[[str], Path]) -> dict[Path, Callable[[Path], None]]:
        """Return what writes each file: label images by level, then tables."""
        picture = self._picture
        writers: dict[Path, Callable[[Path], None]] = {}
        for level, planes in self._planes.items():
            planes.fill(len(picture.planes))
            writers[target(f"level{level}.tif")] = partial(
                write_label_planes,
                planes=planes,
                axes=picture.axes,
                lengths=picture.lengths,
                scale=picture.scale,
            )
        for name, rows in self._rows.items():
            header = self._headers[name]
            lines = [[row[column] for column in header] for _, row in rows]
            writers[target(name)] = partial(write_csv, header=header, lines=lines)
        return writers
