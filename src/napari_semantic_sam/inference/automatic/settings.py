"""What automatic segmentation keeps, and how closely it looks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from napari_semantic_sam.errors import UserError


@dataclass(frozen=True)
class Thresholds:
    """Which masks are kept; the defaults are those of the published pipeline.

    Attributes
    ----------
    predicted_iou : float
        Masks with a predicted IoU above this …
    stability : float
        … and a stability, in the picture's full size, of at least this are kept, 0..1.
    box_overlap : float
        Of two masks whose bounding boxes have an IoU above this, the one with the higher
        predicted IoU is kept, 0..1.
    smallest_region : int
        Holes and islands of fewer pixels of the picture are filled and removed; 0 leaves all.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    predicted_iou: float = 0.88
    stability: float = 0.92
    box_overlap: float = 0.7
    smallest_region: int = 10

    def __post_init__(self) -> None:
        numbers = [getattr(self, item.name) for item in fields(self)]
        in_range = 0 <= self.stability <= 1 and 0 <= self.box_overlap <= 1
        if not (all(map(math.isfinite, numbers)) and in_range and self.smallest_region >= 0):
            raise ValueError(f"thresholds out of range: {self}")


@dataclass(frozen=True)
class AutomaticSettings:
    """How a whole picture is segmented.

    Attributes
    ----------
    levels : tuple of int
        The levels to look for, coarse to fine.
    thresholds : Thresholds
    points_per_side : int or None
        Ask at the points of a regular grid of so many rows and columns; None adapts the
        grid to the picture.
    spacing : float
        Of the adaptive grid: distance of its points in pixels of the network's input. The
        first points are twice as far apart, the last ones, near small objects, half as far.
    across_levels : bool
        Whether masks of different levels count as duplicates of each other, as in the
        published pipeline; otherwise every level is complete in itself.
    closer_below : float
        Where the median object is smaller than so many pixels of the network's input across,
        a picture of moderate size is segmented again at twice the scale; 0 never does.

    Raises
    ------
    ValueError
        If there is no level, or a number is not positive.
    """

    levels: tuple[int, ...]
    thresholds: Thresholds = Thresholds()
    points_per_side: int | None = None
    spacing: float = 20.0
    across_levels: bool = False
    closer_below: float = 0.0

    def __post_init__(self) -> None:
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels must be different and ascending, not {self.levels}")
        has_points = self.points_per_side is None or self.points_per_side > 0
        if not (has_points and 0 < self.spacing < math.inf):
            raise ValueError("spacing and points_per_side must be positive")
        if not 0 <= self.closer_below < math.inf:
            raise ValueError("closer_below must not be negative")


def checked_levels(wanted: Iterable[int], existing: Iterable[int]) -> tuple[int, ...]:
    """Return the levels to look for, all that exist if none is named.

    Raises
    ------
    UserError
        If one does not exist.
    """
    known = sorted(existing)
    chosen = sorted(set(wanted)) or known
    if strange := [level for level in chosen if level not in known]:
        raise UserError(
            f"There is no level {strange[0]}; this checkpoint has the levels {known[0]} to "
            f"{known[-1]}."
        )
    return tuple(chosen)
