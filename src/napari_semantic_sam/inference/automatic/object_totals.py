"""Objects of stacks and movies as a whole: how much of them there is, where, and in what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_semantic_sam.inference.automatic.tree import MaskTree
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_row import LabelRow

Row = dict[str, Any]

_PLACES = {
    "T": ("frames", "first_frame", "last_frame"),
    "Z": ("slices", "first_slice", "last_slice"),
}


@dataclass(frozen=True)
class WholeObject:
    """A label of a stack with all of its planes.

    Attributes
    ----------
    row : LabelRow
        Area and parent over all planes.
    planes : sequence of PlaneIndex
        Those that it has pixels in.
    """

    row: LabelRow
    planes: Sequence[PlaneIndex]


def measure_objects(
    objects: Iterable[WholeObject], axes: str, steps: Mapping[str, float]
) -> list[Row]:
    """Measure objects over all of their planes.

    Parameters
    ----------
    objects : iterable of WholeObject
        All of the picture.
    axes : str
        Of T and Z those that the indices of planes run along, at least one.
    steps : mapping of letter to float
        Micrometres from plane to plane (Z) and from pixel to pixel (Y, X), where known.

    Returns
    -------
    list of dict
        In the order given; see `object_columns`. `voxels` are the pixels of all planes
        together. `volume_um3` is their volume; of movies of stacks its mean over the frames
        that hold the object. Of movies of planes, `mean_area` and `mean_area_um2` are those of
        one frame. Slices and frames are counted from 0. `children` are the labels directly in
        the object, and `share_of_parent` compares voxels.
    """
    known = list(objects)
    tree = MaskTree.of_rows(each.row for each in known)
    return [
        {
            "level": each.row.level,
            "index": each.row.index,
            "object": each.row.object,
            "part": each.row.part,
            "predicted_iou": each.row.predicted_iou,
            "stability": each.row.stability,
            "voxels": each.row.area,
            **object_size(each, axes, steps),
            **object_extent(each, axes),
            "parent_level": each.row.parent_level,
            "parent": each.row.parent,
            "children": len(tree.children[each.row.level, each.row.index]),
            "share_of_parent": tree.area_ratio((each.row.level, each.row.index)),
            "source": each.row.source,
        }
        for each in known
    ]


def measure_contents(objects: Iterable[WholeObject]) -> list[Row]:
    """Count what lies in every object of a stack, over all planes: "nuclei per cell".

    Parameters
    ----------
    objects : iterable of WholeObject
        All of the picture.

    Returns
    -------
    list of dict
        One for each object and each finer level that has objects, in the order given: how many
        of that level lie in it, directly or through others between; their voxels; and the
        share of its own voxels that these are.
    """
    tree = MaskTree.of_rows(each.row for each in objects)
    levels = sorted({level for level, _ in tree.rows})
    rows = []
    for node, row in tree.rows.items():
        inside = list(tree.below(node))
        for finer in (level for level in levels if level > row.level):
            voxels = [tree.rows[each].area for each in inside if each[0] == finer]
            rows.append(_contents(row, finer, voxels))
    return rows


def content_columns() -> tuple[str, ...]:
    """Return the columns that `measure_contents` gives, even without an object."""
    return tuple(_contents(LabelRow(1, 1, area=1), 2, []))


def object_columns(axes: str, steps: Mapping[str, float]) -> tuple[str, ...]:
    """Return the columns that `measure_objects` gives, even without an object."""
    example = WholeObject(LabelRow(1, 1, area=1), [(0,) * len(axes)])
    return tuple(measure_objects([example], axes, steps)[0])


def object_size(each: WholeObject, axes: str, steps: Mapping[str, float]) -> Row:
    """Return the volume of an object, or its area; parameters are those of `measure_objects`."""
    frames = len({plane[axes.index("T")] for plane in each.planes}) if "T" in axes else 1
    sides = [steps[letter] for letter in "ZYX" if letter in steps]
    pixels = each.row.area / frames
    if "Z" in axes:
        return {"volume_um3": pixels * math.prod(sides)} if len(sides) == 3 else {}
    area = {"mean_area": pixels}
    if "Y" in steps and "X" in steps:
        area["mean_area_um2"] = pixels * steps["Y"] * steps["X"]
    return area


def object_extent(each: WholeObject, axes: str) -> Row:
    """Return how many slices and frames an object has, the first and the last."""
    found: Row = {}
    for place, letter in enumerate(axes):
        numbers = {plane[place] for plane in each.planes}
        facts = (len(numbers), min(numbers), max(numbers))
        found |= dict(zip(_PLACES[letter], facts, strict=True))
    return found


def _contents(row: LabelRow, finer: int, voxels: Sequence[int]) -> Row:
    return {
        "level": row.level,
        "index": row.index,
        "inside_level": finer,
        "inside_count": len(voxels),
        "inside_voxels": sum(voxels),
        "inside_share_of_voxels": sum(voxels) / row.area,
    }
