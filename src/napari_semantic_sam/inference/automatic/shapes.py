"""Size and form of every label, from label images that need not fit memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.label_runs import LabelArray, Window, slices_of
from napari_semantic_sam.inference.results import Box, around, tight

Bools = npt.NDArray[np.bool_]

_NEIGHBOURHOOD = 1024
"""Pixels: labels whose boxes begin in one square of this side are read together."""
_LONGEST = 2048
"""Pixels: labels with a longer box are measured a strip at a time."""
_STRIP = 2**22
"""Pixels of a strip."""
_MARGIN = 4
"""Rows that strips have in common: the perimeter at a pixel depends on two to either side."""
_CORNERS = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])
"""Middles of the sides of a pixel, which scikit-image takes for its outline."""
_ROUNDING = 1e-7


class Crops(Protocol):
    """Labels ``(H, W)`` that are read in crops: numpy, zarr, blocks."""

    def __getitem__(self, key: Window, /) -> Any:
        """Return a part as an array of integers."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is measured of a mask, in pixels; as scikit-image's `regionprops` defines it.

    Attributes
    ----------
    area : int
    box : (y0, x0, y1, x1) ints
    centroid : (y, x)
    equivalent_diameter : float
        Of the disc of the same area.
    perimeter : float
    major_axis, minor_axis : float
        Of the ellipse with the same second moments.
    eccentricity : float
        Of that ellipse, 0 (a circle) .. 1.
    solidity : float
        Area over that of the convex hull.
    """

    area: int
    box: Box
    centroid: tuple[float, float]
    equivalent_diameter: float
    perimeter: float
    major_axis: float
    minor_axis: float
    eccentricity: float
    solidity: float


def measure_shapes(labels: Crops, boxes: Mapping[int, Box]) -> Iterator[tuple[int, Shape]]:
    """Measure labels, some of them at a time, so that memory does not grow with the picture.

    Parameters
    ----------
    labels : Crops
    boxes : mapping of int to (y0, x0, y1, x1)
        Labels to measure, and what holds all of their pixels; there may be smaller boxes.

    Yields
    ------
    (int, Shape)
        In any order.
    """
    together: dict[tuple[int, int], list[int]] = {}
    for index, box in boxes.items():
        if max(box[2] - box[0], box[3] - box[1]) > _LONGEST:
            yield index, _measure_in_strips(labels, index, box)
        else:
            place = box[0] // _NEIGHBOURHOOD, box[1] // _NEIGHBOURHOOD
            together.setdefault(place, []).append(index)
    for members in together.values():
        top, left, bottom, right = around(boxes[index] for index in members)
        part: LabelArray = np.asarray(labels[top:bottom, left:right])
        for index in members:
            y0, x0, y1, x1 = boxes[index]
            mask = part[y0 - top : y1 - top, x0 - left : x1 - left] == index
            yield index, _measure_at_once(*tight(mask, y0, x0))


def _measure_at_once(box: Box, mask: Bools) -> Shape:
    from skimage.measure import regionprops

    (found,) = regionprops(mask.astype(np.uint8))
    return Shape(
        area=int(found.area),
        box=box,
        centroid=(float(found.centroid[0]) + box[0], float(found.centroid[1]) + box[1]),
        equivalent_diameter=float(found.equivalent_diameter_area),
        perimeter=float(found.perimeter),
        major_axis=float(found.axis_major_length),
        minor_axis=float(found.axis_minor_length),
        eccentricity=float(found.eccentricity),
        solidity=float(found.solidity),
    )


def _measure_in_strips(labels: Crops, index: int, box: Box) -> Shape:
    y0, x0, y1, x1 = box
    rows = max(_MARGIN, _STRIP // (x1 - x0))
    sums = _Sums()
    for start in range(y0, y1, rows):
        first = max(y0, start - _MARGIN)
        part = labels[slices_of((first, x0, min(start + rows, y1), x1))]
        sums.add(np.asarray(part) == index, first - y0, start - first)
    return sums.shape((y0, x0))


@dataclass
class _Sums:
    """What strips of one mask add up to; positions count from the corner of its box.

    Sums are Python integers, as those of the largest planes exceed 64 bits.
    """

    area: int = 0
    perimeter: float = 0.0
    y: int = 0
    x: int = 0
    yy: int = 0
    xx: int = 0
    xy: int = 0
    ends: list[npt.NDArray[np.intp]] = field(default_factory=list)
    """The first and the last pixel of each row, ``(2 * rows, 2)``."""

    def add(self, mask: Bools, top: int, known: int) -> None:
        """Add a strip that begins at row `top` and has its first `known` rows in common."""
        from skimage.measure import perimeter

        self.perimeter += float(perimeter(mask))
        if known:  # what the edges of the strip add is the same in what is in common
            self.perimeter -= float(perimeter(mask[:known]))
        mask, top = mask[known:], top + known
        ys, xs = np.arange(top, top + len(mask)), np.arange(mask.shape[1])
        in_rows, in_columns = np.count_nonzero(mask, axis=1), np.count_nonzero(mask, axis=0)
        self.area += int(in_rows.sum())
        self.y += int(ys @ in_rows)
        self.x += int(xs @ in_columns)
        self.yy += int((ys * ys) @ in_rows)
        self.xx += int((xs * xs) @ in_columns)
        self.xy += int(ys @ (mask @ xs))
        rows = np.flatnonzero(in_rows)
        first = mask[rows].argmax(axis=1)
        last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
        self.ends += [np.stack([rows + top, each], axis=1) for each in (first, last)]

    def shape(self, origin: tuple[int, int]) -> Shape:
        """Return what is known of the mask whose box begins at `origin`."""
        ends, n = np.concatenate(self.ends), self.area
        (y0, x0), (y1, x1) = ends.min(axis=0), ends.max(axis=0) + 1
        large, small = self._second_moments()
        return Shape(
            area=n,
            box=(
                int(y0) + origin[0],
                int(x0) + origin[1],
                int(y1) + origin[0],
                int(x1) + origin[1],
            ),
            centroid=(self.y / n + origin[0], self.x / n + origin[1]),
            equivalent_diameter=math.sqrt(4 * n / math.pi),
            perimeter=self.perimeter,
            major_axis=4 * math.sqrt(large),
            minor_axis=4 * math.sqrt(small),
            eccentricity=math.sqrt(1 - small / large) if large else 0.0,
            solidity=n / _convex_area(ends),
        )

    def _second_moments(self) -> tuple[float, float]:
        """Return those along the axes of the ellipse, the larger one first."""
        n = self.area
        yy, xx, xy = (
            (n * both - one * other) / n**2
            for both, one, other in (
                (self.yy, self.y, self.y),
                (self.xx, self.x, self.x),
                (self.xy, self.x, self.y),
            )
        )
        middle, apart = (yy + xx) / 2, math.hypot((yy - xx) / 2, xy)
        return middle + apart, max(0.0, middle - apart)


def _convex_area(pixels: npt.NDArray[np.intp]) -> int:
    """Count the pixels whose middles lie in the convex hull of the outlines of some."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull((pixels[:, np.newaxis] + _CORNERS).reshape(-1, 2))
    rows = np.arange(pixels[:, 0].min(), pixels[:, 0].max() + 1)
    left, right = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    for along_y, along_x, offset in hull.equations:
        if abs(along_x) > _ROUNDING:  # others are above or below all rows
            edge = -(along_y * rows + offset) / along_x
            np.maximum(left, edge, out=left, where=along_x < 0)
            np.minimum(right, edge, out=right, where=along_x > 0)
    return int((np.floor(right + _ROUNDING) - np.ceil(left - _ROUNDING) + 1).sum())
