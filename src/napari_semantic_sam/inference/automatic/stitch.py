"""Masks of overlapping tiles as masks of the plane, each object once.

1. A tile answers for what reaches into its core; what lies in its margin alone is left to the
   neighbour, which sees it from nearer to the middle.
2. Masks that end at a border beyond which the picture goes on are *cut*. Two masks of one level
   from two tiles, of which at least one is cut, show the same object if, of the pixels that both
   tiles see, they have more than half in common (IoU).
3. A cut mask that shows the same as a whole one is dropped.
4. Cut masks that show the same, one after the other, become one mask if at every border where
   one is cut the mask of the tile beyond is one of them; otherwise coarser tiles see the object.
5. Of two whole masks from two tiles whose boxes overlap, the one with the better predicted IoU
   stays, as within a tile.

Whole masks go before joined ones, and those of finer passes before those of coarser ones: what is
the same as a mask before (IoU, as above) is dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_semantic_sam.inference.automatic.boxes import BoxIndex, longest_side, shared
from napari_semantic_sam.inference.automatic.duplicates import corners, suppress
from napari_semantic_sam.inference.automatic.mask_store import MaskStore
from napari_semantic_sam.inference.automatic.passes import Pass, SurveyTile
from napari_semantic_sam.inference.automatic.plane_masks import PlaneMask
from napari_semantic_sam.inference.results import Box, Candidate, around

SAME_OBJECT = 0.5
"""Above this IoU a mask has one partner at most, as masks of a level hardly overlap."""
_AT_BORDER = 2
"""Masks that end so few pixels before a border are cut by it."""


@dataclass(frozen=True)
class _Piece:
    """What one tile sees of an object.

    Attributes
    ----------
    mask : PlaneMask
    tile : SurveyTile
    cut : set of int
        At which borders of the tile it ends although the picture goes on: 0 top, 1 left,
        2 bottom, 3 right.
    """

    mask: PlaneMask
    tile: SurveyTile
    cut: frozenset[int]

    @property
    def is_whole(self) -> bool:
        """Whether it is cut nowhere."""
        return not self.cut

    def sides_towards(self, tile: SurveyTile) -> set[int]:
        """Return the borders beyond which another tile sees most of what lies there."""
        mine, other, cells = self.tile.box, tile.box, self.mask.cells
        found = set()
        for side in self.cut:
            along = 1 - side % 2
            width = min(cells[along + 2], other[along + 2]) - max(cells[along], other[along])
            is_beyond = other[side] < mine[side] if side < 2 else other[side] > mine[side]
            if is_beyond and 2 * width >= cells[along + 2] - cells[along]:
                found.add(side)
        return found


@dataclass(eq=False)
class Stitcher:
    """Puts the masks of one pass together, tile by tile.

    Attributes
    ----------
    survey : Pass
    box_overlap : float
        See `Thresholds`.
    store : MaskStore
        For pixels of masks.
    is_last : bool
        Whether objects that are cut everywhere are kept in parts, as no coarser tile will
        see them.
    """

    survey: Pass
    box_overlap: float
    store: MaskStore
    is_last: bool
    _pieces: list[_Piece] = field(default_factory=list, init=False)
    _tiles: list[tuple[SurveyTile, range]] = field(default_factory=list, init=False)
    _dropped: set[int] = field(default_factory=set, init=False)
    _same: list[tuple[int, int]] = field(default_factory=list, init=False)
    _goes_on: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set), init=False)

    def add(self, tile: SurveyTile, masks: Iterable[Candidate]) -> list[PlaneMask]:
        """Take the masks of a tile, in its pixels, and return those that are not cut."""
        first = len(self._pieces)
        for mask in masks:
            piece = _piece(tile, PlaneMask.of(mask, self.store, tile.box[:2], self.survey.factor))
            if self._counts(piece):
                self._pieces.append(piece)
        these = range(first, len(self._pieces))
        for other, those in self._tiles:
            both = shared(tile.box, other.box)
            if both is not None:
                self._compare(both, those, these)
        self._tiles.append((tile, these))
        return [self._pieces[index].mask for index in these if self._pieces[index].is_whole]

    def finish(self) -> list[PlaneMask]:
        """Return the masks of the pass."""
        whole = [
            piece.mask
            for index, piece in enumerate(self._pieces)
            if piece.is_whole and index not in self._dropped
        ]
        joined = [self._join(group) for group in self._groups() if self._is_complete(group)]
        large = [mask for mask in joined if longest_side(mask.box) >= self.survey.least]
        return unrivalled(whole, large)

    def _counts(self, piece: _Piece) -> bool:
        if shared(piece.mask.cells, piece.tile.core) is None:
            return False
        return not piece.is_whole or longest_side(piece.mask.box) >= self.survey.least

    def _compare(self, both: Box, those: range, these: range) -> None:
        """Find out which masks of two tiles are the same, in the pixels that both see."""
        ours, theirs = (
            [n for n in indices if shared(self._pieces[n].mask.cells, both)]
            for indices in (these, those)
        )
        for first in ours:
            one = self._pieces[first]
            for second in theirs:
                other = self._pieces[second]
                if one.mask.level != other.mask.level or (one.is_whole and other.is_whole):
                    continue
                if one.mask.iou_within(other.mask, both) > SAME_OBJECT:
                    self._same.append((second, first))
                    self._goes_on[first] |= one.sides_towards(other.tile)
                    self._goes_on[second] |= other.sides_towards(one.tile)
        self._drop_duplicates([n for n in (*theirs, *ours) if self._pieces[n].is_whole])

    def _drop_duplicates(self, indices: Sequence[int]) -> None:
        alive = [index for index in indices if index not in self._dropped]
        masks = [self._pieces[index].mask for index in alive]
        kept = suppress(
            [corners(mask.cells) for mask in masks],
            [mask.predicted_iou for mask in masks],
            [mask.level for mask in masks],
            self.box_overlap,
        )
        self._dropped |= set(alive) - {alive[place] for place in kept}

    def _groups(self) -> list[list[int]]:
        """Return the pieces that are one object, if one of them is cut."""
        count, pairs = len(self._pieces), np.array(self._same, dtype=np.intp).reshape(-1, 2)
        if not count:
            return []
        links = coo_array((np.ones(len(pairs), dtype=bool), pairs.T), shape=(count, count))
        groups: dict[int, list[int]] = {}
        numbers = connected_components(links, directed=False)[1].tolist()
        for index, number in enumerate(numbers):
            groups.setdefault(number, []).append(index)
        cut = {index for index, piece in enumerate(self._pieces) if not piece.is_whole}
        return [group for group in groups.values() if not cut.isdisjoint(group)]

    def _is_complete(self, group: Sequence[int]) -> bool:
        """Whether pieces make an object that no tile sees whole."""
        if any(self._pieces[index].is_whole for index in group):
            return False
        return self.is_last or all(
            self._pieces[index].cut <= self._goes_on[index] for index in group
        )

    def _join(self, group: Sequence[int]) -> PlaneMask:
        """Return pieces as one mask; scores are means over their areas."""
        masks = [self._pieces[index].mask for index in group]
        if len(masks) == 1:
            return masks[0]
        box = around(mask.cells for mask in masks)
        crop = np.logical_or.reduce([mask.cells_in(box) for mask in masks])
        areas = [mask.area for mask in masks]
        score, stability = (
            float(np.average(values, weights=areas))
            for values in (
                [mask.predicted_iou for mask in masks],
                [mask.stability for mask in masks],
            )
        )
        joined = masks[0].with_crop(crop, box, self.store)
        return replace(joined, predicted_iou=score, stability=stability)


def unrivalled(masks: Sequence[PlaneMask], others: Iterable[PlaneMask]) -> list[PlaneMask]:
    """Return masks, and those of others that show what none of the same level does."""
    index = BoxIndex(mask.box for mask in masks)

    def is_shown(other: PlaneMask) -> bool:
        near = (masks[number] for number in index.meeting(other.box))
        return any(mask.level == other.level and _is_same(mask, other) for mask in near)

    return [*masks, *(other for other in others if not is_shown(other))]


def _is_same(mask: PlaneMask, other: PlaneMask) -> bool:
    small, large = sorted((mask.area, other.area))
    if small <= SAME_OBJECT * large:  # areas alone rule most pairs out
        return False
    common = mask.common(other)
    return common > SAME_OBJECT * (small + large - common)


def _piece(tile: SurveyTile, mask: PlaneMask) -> _Piece:
    y0, x0, y1, x1 = mask.cells
    top, left, bottom, right = tile.box
    ends = (
        y0 < top + _AT_BORDER,
        x0 < left + _AT_BORDER,
        y1 > bottom - _AT_BORDER,
        x1 > right - _AT_BORDER,
    )
    cut = (side for side in range(4) if ends[side] and tile.inner[side])
    return _Piece(mask, tile, frozenset(cut))
