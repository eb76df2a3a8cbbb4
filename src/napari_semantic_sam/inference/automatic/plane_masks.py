"""Masks of a large plane: found in tiles, perhaps coarser than it, never drawn as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.automatic.boxes import shared
from napari_semantic_sam.inference.automatic.guided import LEAST_INSIDE, Guide, Region
from napari_semantic_sam.inference.automatic.mask_store import MaskStore, StoredCrop
from napari_semantic_sam.inference.results import Box, Candidate, around, tight

Bools = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.float64]

_MOST_SAMPLES = 2**22
"""Two masks are compared at no more points than this."""


@dataclass(frozen=True, eq=False)
class PlaneMask:
    """One mask of a plane.

    Attributes
    ----------
    cells : Box
        Its bounding box on a grid of which each cell is `factor` pixels wide and high.
    factor : float
    crop : StoredCrop
        The mask in `cells`.
    area : int
        In pixels of the plane, rounded.
    token, level, predicted_iou, stability
        As of a `Candidate`.
    """

    cells: Box
    factor: float
    crop: StoredCrop
    area: int
    token: int
    level: int
    predicted_iou: float
    stability: float

    @classmethod
    def of(
        cls,
        mask: Candidate,
        store: MaskStore,
        origin: tuple[int, int] = (0, 0),
        factor: float = 1.0,
    ) -> PlaneMask:
        """Carry a mask of a tile to the plane.

        Parameters
        ----------
        mask : Candidate
            In pixels of the tile.
        store : MaskStore
        origin : (y, x)
            Of the tile, in its own pixels.
        factor : float
            Pixels of the plane per pixel of the tile.
        """
        y0, x0, y1, x1 = mask.box
        top, left = origin
        return cls(
            cells=(y0 + top, x0 + left, y1 + top, x1 + left),
            factor=factor,
            crop=store.keep(mask.crop),
            area=round(mask.area * factor**2),
            token=mask.token,
            level=mask.level,
            predicted_iou=mask.predicted_iou,
            stability=mask.stability,
        )

    @property
    def box(self) -> Box:
        """Pixels of the plane that hold it; may reach beyond the plane by part of a cell."""
        y0, x0, y1, x1 = (edge * self.factor for edge in self.cells)
        return math.floor(y0), math.floor(x0), math.ceil(y1), math.ceil(x1)

    def with_crop(self, crop: Bools, box: Box, store: MaskStore) -> PlaneMask:
        """Return it with other cells, which fill `box`; not with none."""
        cells, cut = tight(crop, *box[:2])
        area = round(int(np.count_nonzero(cut)) * self.factor**2)
        return replace(self, cells=cells, crop=store.keep(cut), area=area)

    def at(self, ys: Positions, xs: Positions) -> Bools:
        """Return the mask at all pairs of positions in the plane, ``(len(ys), len(xs))``."""
        rows, columns = (
            np.floor(positions / self.factor).astype(np.intp) - start
            for positions, start in zip((ys, xs), self.cells, strict=False)
        )
        height, width = self.crop.shape
        y, x = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        found = np.zeros((len(ys), len(xs)), dtype=bool)
        if y.any() and x.any():
            found[np.ix_(y, x)] = self.crop.load()[np.ix_(rows[y], columns[x])]
        return found

    def window(self, box: Box) -> Bools:
        """Return what pixels ``[y0:y1, x0:x1]`` of the plane hold of the mask."""
        return self.at(*centres(box))

    def common(self, other: PlaneMask) -> int:
        """Return how many pixels of the plane it shares with another mask, nearly."""
        if self.factor == other.factor:
            cells = shared(self.cells, other.cells)
            if cells is None:
                return 0
            both = np.count_nonzero(self.cells_in(cells) & other.cells_in(cells))
            return round(int(both) * self.factor**2)
        box = shared(self.box, other.box)
        if box is None:
            return 0
        fewest = math.sqrt((box[2] - box[0]) * (box[3] - box[1]) / _MOST_SAMPLES)
        step = max(1.0, min(self.factor, other.factor), fewest)
        ys, xs = centres(box, step)
        return round(np.count_nonzero(self.at(ys, xs) & other.at(ys, xs)) * step**2)

    def iou_within(self, other: PlaneMask, cells: Box) -> float:
        """IoU with a mask of the same grid, counting only what lies in some cells of it."""
        parts = [shared(mask.cells, cells) for mask in (self, other)]
        if None in parts:
            return 0.0
        box = around(part for part in parts if part)
        first, second = (mask.cells_in(box) for mask in (self, other))
        union = np.count_nonzero(first | second)
        return float(np.count_nonzero(first & second) / union) if union else 0.0

    def cells_in(self, cells: Box) -> Bools:
        """Return what a box of the mask's grid holds of it."""
        window = np.zeros((cells[2] - cells[0], cells[3] - cells[1]), dtype=bool)
        part = shared(self.cells, cells)
        if part is not None:
            y0, x0, y1, x1 = part
            (top, left), (first, start) = cells[:2], self.cells[:2]
            crop = self.crop.load()[y0 - first : y1 - first, x0 - start : x1 - start]
            window[y0 - top : y1 - top, x0 - left : x1 - left] = crop
        return window

    def candidate(self, shape: tuple[int, int]) -> Candidate:
        """Return it in full resolution, as a mask of a plane of `shape`."""
        y0, x0, y1, x1 = self.box
        window = self.window((y0, x0, min(y1, shape[0]), min(x1, shape[1])))
        box, crop = tight(window, y0, x0)
        return Candidate(
            box=box,
            crop=crop,
            shape=shape,
            token=self.token,
            level=self.level,
            predicted_iou=self.predicted_iou,
            stability=self.stability,
        )


def guided(mask: PlaneMask, guide: Guide, store: MaskStore) -> PlaneMask | None:
    """Return what a guide leaves of a mask; None if it is not wanted.

    Parameters
    ----------
    mask : PlaneMask
    guide : Guide
    store : MaskStore
        For what is left.
    """
    if not guide.has_size(mask.level, mask.area):
        return None
    if guide.inside is None:
        return mask
    crop = mask.crop.load()
    inside = crop & _in_region(guide.inside, mask)
    before, after = np.count_nonzero(crop), np.count_nonzero(inside)
    if after < LEAST_INSIDE * before:
        return None
    return mask if after == before else mask.with_crop(inside, mask.cells, store)


def sample_region(region: Region, ys: Positions, xs: Positions) -> Bools:
    """Return which of all pairs of positions in the plane lie in a region, one row at a time."""
    left, right = int(xs.min()), int(xs.max()) + 1
    columns = xs.astype(np.intp) - left
    return np.stack([region.window((int(y), left, int(y) + 1, right))[0, columns] for y in ys])


def centres(box: Box, step: float = 1.0) -> tuple[Positions, Positions]:
    """Return the middles of steps along the sides of a box."""
    y0, x0, y1, x1 = box
    return np.arange(y0 + step / 2, y1, step), np.arange(x0 + step / 2, x1, step)


def _in_region(region: Region, mask: PlaneMask) -> Bools:
    if mask.factor == 1.0:
        return region.window(mask.cells)
    ys, xs = (positions * mask.factor for positions in centres(mask.cells))
    return sample_region(region, ys, xs)
