"""A row for each object of a stack, over all of its planes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from napari_semantic_sam.batch.label_stack import LabelStack
from napari_semantic_sam.inference.automatic.object_totals import WholeObject
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_row import LabelRow
from napari_semantic_sam.inference.label_runs import find_parents

OBJECTS, CONTENTS = "objects.csv", "objects_inside.csv"

Label = tuple[int, int]


def whole_objects(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    labels: LabelStack,
    places: Sequence[PlaneIndex],
) -> list[WholeObject]:
    """Put the labels of all planes together into objects, by level and number.

    Predicted IoU and stability are the means of the planes. Parents are counted over all
    planes: the object of the nearest coarser level that covers at least 0.8.

    Parameters
    ----------
    rows : iterable of (int, mapping)
        The number of the plane, and the columns of `LabelRow` with the number of the object.
    labels : LabelStack
        After `link`.
    places : sequence of PlaneIndex
        Where each plane lies.
    """
    parts: dict[Label, list[tuple[int, Mapping[str, Any]]]] = {}
    for number, row in rows:
        parts.setdefault((row["level"], row["index"]), []).append((number, row))
    parents = _parents(labels, parts)
    return [
        _whole(label, found, parents.get(label, (0, 0)), places)
        for label, found in sorted(parts.items())
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


def _parents(labels: LabelStack, objects: Iterable[Label]) -> dict[Label, Label]:
    found: dict[Label, Label] = {}
    levels, known = labels.levels, list(objects)
    for level in levels:
        children = {index for each, index in known if each == level}
        coarser = [each for each in levels if each < level]
        if children and coarser:
            above = find_parents(_together(labels, level, coarser), children)
            found |= {(level, index): parent for index, parent in above.items()}
    return found


def _together(
    labels: LabelStack, level: int, coarser: Sequence[int]
) -> Iterator[tuple[Any, dict[int, Any]]]:
    """Yield the planes of a level with those of coarser ones, one at a time."""
    levels = labels.levels
    for own, *above in zip(*(levels[each] for each in (level, *coarser)), strict=True):
        yield own, dict(zip(coarser, above, strict=True))
