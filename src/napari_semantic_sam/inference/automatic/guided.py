"""What to look for: sizes, a region to stay inside, and "more like these"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.polygons import Points, fill
from napari_semantic_sam.inference.results import Box

_SIZES = re.compile(r"\s*(\d+\.?\d*|\.\d+)?\s*:\s*(\d+\.?\d*|\.\d+)?\s*([uµμ]m)?\s*")

LEAST_INSIDE = 0.5
"""Masks with a smaller share in the region are left out."""
LIKE_THESE = 1.5
"""How much smaller and larger than the labels shown others may be."""


def diameter(area: float) -> float:
    """Return the diameter of the disc of an area."""
    return math.sqrt(4 * area / math.pi)


@dataclass(frozen=True)
class SizeRange:
    """How large objects are.

    Attributes
    ----------
    smallest, largest : float
        Diameter of the disc of the same area, in pixels of the picture.

    Raises
    ------
    UserError
        If that is no range of positive sizes.
    """

    smallest: float = 0.0
    largest: float = math.inf

    def __post_init__(self) -> None:
        if not (0 <= self.smallest <= self.largest and self.largest > 0):  # NaN fails, too
            raise UserError(
                f"Sizes from {self.smallest:g} to {self.largest:g} are no range; give a smaller "
                "and a larger diameter."
            )

    def __contains__(self, area: float) -> bool:
        """Whether an area in pixels is that of an object of these sizes."""
        return self.smallest <= diameter(area) <= self.largest

    @classmethod
    def read(cls, text: str, pixel_size: float | None = None) -> SizeRange:
        """Read ``"10:40"``, ``"10:"``, ``":40"`` in pixels or ``"2.5:10um"`` in micrometres.

        Parameters
        ----------
        text : str
            The smallest and the largest diameter.
        pixel_size : float, optional
            Side of a pixel in micrometres.

        Raises
        ------
        UserError
            If that is no range, or micrometres are given and the pixel size is not known.
        """
        match = _SIZES.fullmatch(text)
        if match is None:
            raise UserError(
                f'The sizes "{text}" cannot be read; write the smallest and the largest diameter '
                'as "10:40" in pixels or "2.5:10um" in micrometres.'
            )
        first, last, unit = match.groups()
        if unit and pixel_size is None:
            raise UserError(
                f"The sizes {text} are in micrometres, but the size of a pixel is not known; give "
                "it, or sizes in pixels."
            )
        factor = pixel_size if unit and pixel_size else 1.0
        return cls(float(first or 0) / factor, float(last or math.inf) / factor)


class Region(Protocol):
    """A part of a picture. A `CroppedMask` is one."""

    def window(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return which of the pixels ``[y0:y1, x0:x1]`` belong to it."""


@dataclass(frozen=True, eq=False)
class PolygonRegion:
    """The pixels whose centres lie in polygons; never drawn as a whole.

    Attributes
    ----------
    polygons : sequence of sequences of (n, 2) arrays
        As for `fill`.
    """

    polygons: Sequence[Sequence[Points]]

    def window(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return which of the pixels ``[y0:y1, x0:x1]`` belong to it."""
        y0, x0, y1, x1 = box
        shifted = [
            [np.asarray(ring, dtype=np.float64) - (x0, y0) for ring in rings]
            for rings in self.polygons
        ]
        return fill(shifted, (y1 - y0, x1 - x0)).full_mask()


@dataclass(frozen=True)
class Guide:
    """What is wanted of everything that could be found.

    Attributes
    ----------
    sizes : mapping of int to SizeRange
        By level, as the network tells it; levels without an entry are not limited. Sizes
        are those before masks are cut at the region's border.
    inside : Region or None
        Only points in it are asked; a mask of which at least half lies in it is kept and
        cut off at its border, others are left out.
    """

    sizes: Mapping[int, SizeRange] = field(default_factory=dict)
    inside: Region | None = None

    def has_size(self, level: int, area: float) -> bool:
        """Whether a mask of a level has one of the sizes that are wanted."""
        return level not in self.sizes or area in self.sizes[level]


def like_these(
    rows: Iterable[LabelRow], settings: AutomaticSettings
) -> tuple[AutomaticSettings, Guide]:
    """Look for more of what a user has kept.

    Parameters
    ----------
    rows : iterable of LabelRow
        Of the labels to learn from.
    settings : AutomaticSettings
        Everything but the levels is kept.

    Returns
    -------
    settings : AutomaticSettings
        With the levels of the labels.
    guide : Guide
        For each of these levels the sizes from 1/1.5 of the smallest label to 1.5 times the
        largest one.

    Raises
    ------
    UserError
        If there is no label.
    """
    sizes: dict[int, list[float]] = {}
    for row in rows:
        sizes.setdefault(row.level, []).append(diameter(row.area))
    if not sizes:
        raise UserError("There are no labels to learn from; keep some masks first.")
    ranges = {
        level: SizeRange(min(found) / LIKE_THESE, max(found) * LIKE_THESE)
        for level, found in sizes.items()
    }
    return replace(settings, levels=tuple(sorted(sizes))), Guide(ranges)
