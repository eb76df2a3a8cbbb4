"""What a label file holds: label arrays of several levels, a row per label, where it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_semantic_sam.annotation.exchange.rows import MALFORMED, UNKNOWN
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.polygons import Points

RECORD = "napari_semantic_sam"
"""Under this key our files tell what the format itself has no place for."""


@dataclass(frozen=True, eq=False)
class Document:
    """The labels of one picture, as files hold them.

    Attributes
    ----------
    shape : (H, W)
        Of the picture, or of each plane of a stack.
    levels : mapping of int to (*stack, H, W) integer array
        The label image of each level, 1 = coarsest; 0 is background.
    rows : mapping of int to sequence of LabelRow
        The facts about the labels of each level, by index.
    image : str
        Name of the picture, "" if unknown.
    names : mapping of int to str
        What the user called the levels.
    pixel_size : (y, x) or None
        Side lengths of a pixel in `unit`, None if unknown.
    unit : str
        Of `pixel_size`, such as "micrometer"; "" if unknown.
    checkpoint : str
        The model that the labels come from, "" if there was none.
    level_order : tuple of int
        The token of level 1, 2, … of that model.
    notes : tuple of str
        Sentences about what was unusual in a file that was read.
    stack : tuple of int
        Lengths of the axes that a stack has before these, one or two.
    axes : str
        A letter of T, Z for each of them.
    steps : tuple of float
        Distance of two planes along each of them, in `unit`.
    sized : bool
        False if the file did not tell the size of the picture, which then ends where the
        last outline does.
    """

    shape: tuple[int, int]
    levels: Mapping[int, LabelArray]
    rows: Mapping[int, Sequence[LabelRow]] = field(default_factory=dict)
    image: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    pixel_size: tuple[float, float] | None = None
    unit: str = ""
    checkpoint: str = ""
    level_order: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    stack: tuple[int, ...] = ()
    axes: str = ""
    steps: tuple[float, ...] = ()
    sized: bool = True

    def __post_init__(self) -> None:
        for level, array in self.levels.items():
            if level < 1:
                raise ValueError(f"levels count from 1, got {level}")
            whole = (*self.stack, *self.shape)
            if array.shape != whole or array.dtype.kind not in "iu":
                raise ValueError(
                    f"level {level} needs integers of shape {whole}, "
                    f"got {array.dtype} {array.shape}"
                )

    def labels(self) -> LevelLabels:
        """Return the labels as an annotation keeps them; the arrays are shared."""
        labels = LevelLabels(self.shape, self.stack)
        for level in sorted(self.levels):
            labels.attach(level, self.levels[level], self.rows.get(level, ()))
        return labels

    def completed(self) -> Document:
        """Return the same labels with exactly one row each.

        Areas are counted. Parents stay as they are stated, unless they are unknown or name
        a label that a level of this document does not have; those are looked for. What
        was out of step between labels and rows is told in `notes`.
        """
        labels = self.labels()
        present = {
            (level, row.index) for level in self.levels for row in labels.rows(level) if row.area
        }
        rows = {level: _reconciled(labels, level, self, present) for level in sorted(self.levels)}
        stated = [(row.level, row.index) for rows in self.rows.values() for row in rows]
        missing, extra = present.difference(stated), set(stated) - present
        notes = list(self.notes)
        if stated and missing:
            notes.append(f"{_count(missing, 'label')} had no row and counts as painted.")
        if extra:
            notes.append(f"{_count(extra, 'row')} without a label was left out.")
        return replace(self, rows=rows, notes=tuple(notes))


def _reconciled(
    labels: LevelLabels, level: int, document: Document, present: set[tuple[int, int]]
) -> list[LabelRow]:
    """Return the counted rows of a level with the parents that were stated, where they hold."""
    stated = {row.index: row for row in document.rows.get(level, ())}
    rows = []
    for counted in labels.rows(level):
        row = stated.get(counted.index)
        if (level, counted.index) not in present:
            continue
        if row is not None and _parent_holds(row, document, present):
            counted = replace(counted, parent_level=row.parent_level, parent=row.parent)
        rows.append(counted)
    return rows


def _parent_holds(row: LabelRow, document: Document, present: set[tuple[int, int]]) -> bool:
    if row.parent_level == UNKNOWN:
        return False
    return row.parent_level not in document.levels or (row.parent_level, row.parent) in present


def _count(things: set[tuple[int, int]], noun: str) -> str:
    """Return "1 label (level 2, number 7)" or "3 labels (the first: level 2, number 7)"."""
    level, index = min(things)
    first = "" if len(things) == 1 else "the first: "
    plural = "" if len(things) == 1 else "s"
    return f"{len(things)} {noun}{plural} ({first}level {level}, number {index})"


def header_of(document: Document) -> dict[str, Any]:
    """Return what the formats have no place for, as plain data for JSON."""
    stack = {
        "stack": list(document.stack),
        "axes": document.axes,
        "steps": list(document.steps),
    }
    return {
        "format": 1,
        **(stack if document.stack else {}),
        "image": document.image,
        "shape": list(document.shape),
        "pixel_size": None if document.pixel_size is None else list(document.pixel_size),
        "unit": document.unit,
        "checkpoint": document.checkpoint,
        "level_order": list(document.level_order),
        "levels": [
            {"level": level, "name": document.names.get(level, ""), "dtype": array.dtype.name}
            for level, array in sorted(document.levels.items())
        ],
    }


@dataclass(frozen=True)
class Header:
    """What `header_of` wrote; `facts` are keywords of `Document`."""

    shape: tuple[int, int] | None = None
    dtypes: Mapping[int, np.dtype[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def parse_header(data: Any, path: object) -> Header:
    """Read what `header_of` wrote.

    Parameters
    ----------
    data : mapping or None
        None for a file of another program: nothing is known.
    path : Path
        For the message.

    Raises
    ------
    UserError
        If it is damaged or of a later format.
    """
    if data is None:
        return Header()
    try:
        if data["format"] != 1:
            raise UserError(f"{path} was written by a later version; update this plugin.")
        height, width = map(int, data["shape"])
        if min(height, width) < 1:
            raise ValueError("a picture has at least one pixel")
        size = data["pixel_size"]
        facts = {
            "image": str(data["image"]),
            "names": {
                int(each["level"]): str(each["name"]) for each in data["levels"] if each["name"]
            },
            "pixel_size": None if size is None else (float(size[0]), float(size[1])),
            "unit": str(data["unit"]),
            "checkpoint": str(data["checkpoint"]),
            "level_order": tuple(map(int, data["level_order"])),
            "stack": tuple(map(int, data.get("stack", ()))),
            "axes": str(data.get("axes", "")),
            "steps": tuple(map(float, data.get("steps", ()))),
        }
        dtypes = {int(each["level"]): np.dtype(each["dtype"]) for each in data["levels"]}
        if any(dtype.kind not in "iu" for dtype in dtypes.values()):
            raise ValueError("labels are whole numbers")
    except MALFORMED as error:
        raise UserError(
            f"The record “{RECORD}” in {path} is damaged; export the labels again."
        ) from error
    return Header((height, width), dtypes, facts)


def check_shape(path: object, found: Iterable[int], expected: tuple[int, int] | None) -> None:
    """Refuse labels of a picture of another size.

    Raises
    ------
    UserError
        If `expected` is known and differs.
    """
    height, width = found
    if expected is not None and (height, width) != expected:
        raise UserError(
            f"The labels in {path} are {height} × {width} pixels (height × width), but the image "
            f"has {expected[0]} × {expected[1]}; choose the image they were made on."
        )


def check_inside(rings: Sequence[Points], shape: tuple[int, int], path: object) -> None:
    """Refuse outlines that leave a picture of a shape by more than a pixel.

    Raises
    ------
    UserError
        Naming the file at `path`.
    """
    points = np.concatenate(rings)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    # Written so that NaN is outside, too.
    if not (left >= -1 and top >= -1 and right <= shape[1] + 1 and bottom <= shape[0] + 1):
        raise UserError(
            f"{path} has an outline from x, y = {left:g}, {top:g} to {right:g}, {bottom:g}, but "
            f"the picture is {shape[1]} × {shape[0]} pixels (width × height); choose the image it "
            "was drawn on."
        )
