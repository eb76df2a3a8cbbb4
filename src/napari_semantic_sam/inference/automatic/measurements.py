"""Sizes and shapes of masks, and of what lies in them, in pixels or in physical units."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from napari_semantic_sam.inference.automatic.shapes import Crops, Shape, measure_shapes
from napari_semantic_sam.inference.automatic.tree import MaskTree, Node
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Box

Row = dict[str, Any]

_LENGTHS = ("equivalent_diameter", "perimeter", "major_axis", "minor_axis")
"""What grows with the pixel size."""
_RATIOS = ("eccentricity", "solidity")


class Measurable(Protocol):
    """Labels of one plane with their rows, such as `LevelLabels` and `StoredLabels`."""

    @property
    def levels(self) -> list[int]:
        """The levels, coarse to fine."""

    def rows(self, level: int, /) -> list[LabelRow]:
        """Return the rows of a level, by index."""

    def box(self, level: int, index: int, /) -> Box:
        """Return a box that holds all pixels of a label."""

    def store(self, level: int, /) -> Crops:
        """Return the labels of a level, to be read in crops."""


def measure_masks(labels: Measurable, pixel_size: float | None = None) -> list[Row]:
    """Measure every label.

    Parameters
    ----------
    labels : LevelLabels or StoredLabels
        Read in crops: no label image is needed as a whole.
    pixel_size : float, optional
        Side of a pixel in micrometres.

    Returns
    -------
    list of dict
        By level and index: the columns of `LabelRow`; the centroid and the bounding box
        in pixels; the diameter of the disc of the same area, the perimeter and the axes of
        the ellipse with the same moments, in pixels or, with a pixel size, in micrometres
        (``…_um``, and also ``area_um2``); eccentricity and solidity; the number of labels
        directly in it; and its share of its parent's area.
    """
    tree = _tree(labels)
    shapes = {node: shape for level in labels.levels for node, shape in _shapes(labels, level)}
    return [
        {
            **asdict(row),
            **_place(shapes[node]),
            **_size(shapes[node], pixel_size),
            **{name: float(getattr(shapes[node], name)) for name in _RATIOS},
            "children": len(tree.children[node]),
            "share_of_parent": tree.area_ratio(node),
        }
        for node, row in tree.rows.items()
    ]


def measure_parents(labels: Measurable, pixel_size: float | None = None) -> list[Row]:
    """Count and measure what lies in every label: "nuclei per cell", "nucleus / cell area".

    Parameters
    ----------
    labels : LevelLabels or StoredLabels
    pixel_size : float, optional
        Side of a pixel in micrometres.

    Returns
    -------
    list of dict
        One for each label and each finer level that has an image, by level and index: the
        labels of that level in it, directly or through others between; their area, as in
        `measure_masks`; and its share of the label's own.
    """
    tree, levels = _tree(labels), labels.levels
    rows = []
    for (level, index), row in tree.rows.items():
        inside = list(tree.below((level, index)))
        for finer in (each for each in levels if each > level):
            area = sum(tree.rows[node].area for node in inside if node[0] == finer)
            rows.append(
                {
                    "level": level,
                    "index": index,
                    "inside_level": finer,
                    "inside_count": sum(node[0] == finer for node in inside),
                    **_in_units({"inside_area": float(area)}, 2, pixel_size),
                    "inside_share_of_area": area / row.area,
                }
            )
    return rows


def columns_of(
    measure: Callable[[Measurable, float | None], list[Row]], pixel_size: float | None
) -> tuple[str, ...]:
    """Return the columns that `measure_masks` or `measure_parents` gives, even without a label."""
    example = LevelLabels((1, 1))
    for level in (1, 2):
        example.attach(level, np.ones((1, 1), dtype=np.int32))
    return tuple(measure(example, pixel_size)[0])


def _tree(labels: Measurable) -> MaskTree:
    return MaskTree.of_rows(row for level in labels.levels for row in labels.rows(level))


def _shapes(labels: Measurable, level: int) -> Iterator[tuple[Node, Shape]]:
    boxes = {row.index: labels.box(level, row.index) for row in labels.rows(level)}
    for index, shape in measure_shapes(labels.store(level), boxes):
        yield (level, index), shape


def _place(shape: Shape) -> Row:
    edges = zip(("y0", "x0", "y1", "x1"), shape.box, strict=True)
    centroid = {"centroid_y": shape.centroid[0], "centroid_x": shape.centroid[1]}
    return {**centroid, **{f"box_{name}": edge for name, edge in edges}}


def _size(shape: Shape, pixel_size: float | None) -> Row:
    lengths: Row = {name: getattr(shape, name) for name in _LENGTHS}
    area = {} if pixel_size is None else _in_units({"area": float(shape.area)}, 2, pixel_size)
    return {**area, **_in_units(lengths, 1, pixel_size)}


def _in_units(values: Row, dimensions: int, pixel_size: float | None) -> Row:
    if pixel_size is None:
        return values
    unit = "um" if dimensions == 1 else "um2"
    factor = math.pow(pixel_size, dimensions)
    return {f"{name}_{unit}": value * factor for name, value in values.items()}
