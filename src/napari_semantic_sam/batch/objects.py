"""A row for each object of a stack, over all of its planes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from napari_semantic_sam.batch.linking import Planes
from napari_semantic_sam.inference.automatic.canvas import blocks
from napari_semantic_sam.inference.automatic.label_counts import LabelCounts
from napari_semantic_sam.inference.automatic.object_totals import WholeObject
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_row import LabelRow
from napari_semantic_sam.inference.label_runs import slices_of

OBJECTS, CONTENTS = "objects.csv", "objects_inside.csv"

Label = tuple[int, int]


def whole_objects(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    levels: Mapping[int, Planes],
    places: Sequence[PlaneIndex],
) -> list[WholeObject]:
    """Put the labels of all planes together into objects, by level and number.

    Predicted IoU and stability are the means of the planes. Parents are counted over all
    planes: the object of the nearest coarser level that covers at least 0.8.

    Parameters
    ----------
    rows : iterable of (int, mapping)
        The number of the plane, and the columns of `LabelRow` with the number of the object.
    levels : mapping of level to Planes
        After `link_levels`.
    places : sequence of PlaneIndex
        Where each plane lies.
    """
    parts: dict[Label, list[tuple[int, Mapping[str, Any]]]] = {}
    for number, row in rows:
        parts.setdefault((row["level"], row["index"]), []).append((number, row))
    counts = _counts(levels)
    return [
        _whole(label, found, counts.parent(label), places) for label, found in sorted(parts.items())
    ]


def _whole(
    label: Label,
    parts: Sequence[tuple[int, Mapping[str, Any]]],
    parent: Label,
    places: Sequence[PlaneIndex],
) -> WholeObject:
    level, index = label
    first = parts[0][1]
    row = LabelRow(
        index,
        level,
        object=first["object"],
        part=first["part"],
        predicted_iou=float(np.mean([row["predicted_iou"] for _, row in parts])),
        stability=float(np.mean([row["stability"] for _, row in parts])),
        area=sum(row["area"] for _, row in parts),
        parent_level=parent[0],
        parent=parent[1],
        source=first["source"],
    )
    return WholeObject(row, [places[number] for number, _ in parts])


def _counts(levels: Mapping[int, Planes]) -> LabelCounts:
    """Count the labels of all planes, a block of all levels at a time."""
    counts = LabelCounts()
    for planes in zip(*levels.values(), strict=True):
        for block in blocks(planes[0].shape):
            window = slices_of(block)
            counts.add({level: plane[window] for level, plane in zip(levels, planes, strict=True)})
    return counts
