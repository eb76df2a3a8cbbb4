"""What a run looks for: sizes, and a region to stay inside, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import (
    Guide,
    PolygonRegion,
    Region,
    SizeRange,
)
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.inference.polygons import Points
from napari_semantic_sam.inference.results import CroppedMask, tight
from napari_semantic_sam.io.files import read_json
from napari_semantic_sam.io.images import read_labels

_POLYGONS = (".json", ".geojson")


@dataclass(frozen=True)
class Wishes:
    """What is wanted of everything that could be found in pictures.

    Attributes
    ----------
    sizes : str
        See `SizeRange.read`; all when empty.
    region : Path or None
        A label image of the pictures' size, of which everything but 0 is the region, or
        GeoJSON with polygons in pixels.
    """

    sizes: str = ""
    region: Path | None = None

    def check(self) -> None:
        """Raise UserError unless sizes and region can be read."""
        if self.sizes:
            SizeRange.read(self.sizes, pixel_size=1.0)
        _ = self._inside

    def guide(self, plane: Plane, levels: Sequence[int]) -> Guide:
        """Return them for a plane.

        Raises
        ------
        UserError
            If the region has another size or lies beside the plane, or the size of a pixel
            is not known.
        """
        inside = self._inside
        if isinstance(inside, PolygonRegion):
            self._check_place(inside, plane)
        if isinstance(inside, CroppedMask) and inside.shape != plane.shape:
            raise UserError(
                f"The region {self.region} has {inside.shape[0]} × {inside.shape[1]} pixels, but "
                f"{plane.name} {plane.shape[0]} × {plane.shape[1]}; give one of the same size."
            )
        if not self.sizes:
            return Guide(inside=inside)
        sizes = SizeRange.read(self.sizes, plane.pixel_size)
        return Guide(dict.fromkeys(levels, sizes), inside)

    def _check_place(self, inside: PolygonRegion, plane: Plane) -> None:
        points = np.concatenate([ring for rings in inside.polygons for ring in rings])
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        height, width = plane.shape
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise UserError(
                f"The region {self.region} (x from {x0:g} to {x1:g}, y from {y0:g} to {y1:g}) "
                f"lies beside {plane.name}, which is {width} pixels wide and {height} high; give "
                "a region in pixels of this picture."
            )

    @cached_property
    def _inside(self) -> Region | None:
        if self.region is None:
            return None
        if self.region.suffix.lower() in _POLYGONS:
            return PolygonRegion(_read_polygons(self.region))
        labels = read_labels(self.region)
        if labels.ndim != 2:
            raise UserError(f"{self.region} has {labels.ndim} dimensions; a region has two.")
        if not labels.any():
            raise UserError(f"{self.region} is 0 everywhere; a region needs other values.")
        return CroppedMask(*tight(labels > 0, 0, 0), (labels.shape[0], labels.shape[1]))


def _read_polygons(path: Path) -> list[list[Points]]:
    try:
        polygons = list(_polygons(read_json(path)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not GeoJSON with polygons; export it again.") from error
    if not polygons:
        raise UserError(f"{path} holds no polygon; a region needs one at least.")
    return polygons


def _polygons(data: Any) -> list[list[Points]]:
    """Return the polygons of anything GeoJSON may hold; none of points and lines."""
    if data is None:  # a feature may be without a place
        return []
    if isinstance(data, list):
        return [rings for part in data for rings in _polygons(part)]
    for key in ("features", "geometries", "geometry"):
        if key in data:
            return _polygons(data[key])
    if data["type"] not in ("Polygon", "MultiPolygon"):
        return []
    coordinates = data["coordinates"]
    outlines = [coordinates] if data["type"] == "Polygon" else coordinates
    return [[_ring(ring) for ring in rings] for rings in outlines if rings]


def _ring(points: Any) -> Points:
    ring = np.array([point[:2] for point in points], dtype=np.float64)
    if ring.ndim != 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError("no outline")
    return ring
