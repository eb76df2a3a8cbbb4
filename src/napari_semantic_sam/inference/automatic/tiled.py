"""All masks of a plane of any size, tile by tile."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from napari_semantic_sam.inference.automatic.boxes import longest_side
from napari_semantic_sam.inference.automatic.closer import are_small
from napari_semantic_sam.inference.automatic.guided import Guide
from napari_semantic_sam.inference.automatic.mask_store import MaskStore
from napari_semantic_sam.inference.automatic.objects import searched_levels
from napari_semantic_sam.inference.automatic.passes import Pass, SurveyTile, plan_passes
from napari_semantic_sam.inference.automatic.pipeline import Progress, automatic_masks
from napari_semantic_sam.inference.automatic.plane_masks import (
    PlaneMask,
    centres,
    guided,
    sample_region,
)
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.stitch import Stitcher, unrivalled
from napari_semantic_sam.inference.automatic.suited import main_level
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.inference.predictor import Predictor, clear_about_memory
from napari_semantic_sam.inference.preparation import input_size
from napari_semantic_sam.inference.results import Box, Candidate
from napari_semantic_sam.inference.tiles.layout import Tile
from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding
from napari_semantic_sam.inference.tiles.reading import read_input

Bools = npt.NDArray[np.bool_]

_STEPS_A_TILE = 1000
_REGION_SAMPLES = 256
_MOST_SHOWN = 2**24
"""Pixels of the bounding box of masks that are told before the end."""


@dataclass(frozen=True)
class Watch:
    """What somebody wants to hear and say while a plane is segmented.

    Attributes
    ----------
    progress : callable, optional
        Called with how much is done and how much there is to do; only the ratio means
        something.
    cancelled : callable, optional
        Asked now and then; once true, nothing more is asked, and what was found is kept.
    draft : callable, optional
        Called after each tile with masks that were found in it, but for huge ones. Some
        may be dropped or changed in the end.
    """

    progress: Progress | None = None
    cancelled: Callable[[], bool] | None = None
    draft: Callable[[Sequence[Candidate]], None] | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.cancelled is not None and self.cancelled()

    def tell(self, done: float, count: int) -> None:
        """Tell how many of so many tiles are done."""
        if self.progress is not None:
            self.progress(round(_STEPS_A_TILE * done), _STEPS_A_TILE * count)

    def half(self, number: int) -> Watch:
        """Return what watches the first (0) or the second (1) of two equal parts."""
        tell = self.progress
        if tell is None:
            return self
        return replace(self, progress=lambda done, count: tell(number * count + done, 2 * count))

    def of_tile(self, done: int, count: int) -> Progress:
        """Return what tells the progress within one tile, after others that are done."""
        return lambda asked, total: self.tell(done + asked / total, count)


def find_masks(
    predictor: Predictor,
    embedding: PictureEmbedding | PlaneEmbedding,
    settings: AutomaticSettings,
    store: MaskStore,
    guide: Guide,
    watch: Watch,
) -> list[PlaneMask]:
    """Segment a plane of any size.

    A plane of one tile gives what `automatic_masks` finds, at twice the scale where its
    objects are small (`are_small`). Larger ones are cut into tiles (`plan_passes`), whose
    masks are put together (`Stitcher`). Pixels of no more than one tile are in memory at a
    time, and the masks are in the store.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding or PlaneEmbedding
        From its `embed` or `embed_plane`.
    settings : AutomaticSettings
    store : MaskStore
        For the pixels of masks.
    guide : Guide
    watch : Watch

    Returns
    -------
    list of PlaneMask
        Those that the guide wants, from all of `searched_levels`.

    Raises
    ------
    UserError
        If the plane cannot be read or memory runs out.
    """
    settings, guide = _with_rivals(predictor, settings, guide)
    survey = _Survey(predictor, settings, store, guide, watch)
    if isinstance(embedding, PictureEmbedding):
        found = survey.whole(embedding)
    elif not embedding.is_one_tile:
        found = survey.tiled(embedding)
    else:
        found = [] if _is_constant(embedding) else survey.one_tile(embedding)
    left = (guided(mask, guide, store) for mask in found)
    return [mask for mask in left if mask is not None]


def _with_rivals(
    predictor: Predictor, settings: AutomaticSettings, guide: Guide
) -> tuple[AutomaticSettings, Guide]:
    """Look at the levels next to that of the objects, too, for what has its sizes."""
    main = main_level(predictor)
    levels = searched_levels(settings.levels, predictor.levels, main)
    if main is None or main.level not in guide.sizes:
        return replace(settings, levels=levels), guide
    rivals = set(levels).difference(settings.levels)
    sizes = {**guide.sizes, **dict.fromkeys(rivals, guide.sizes[main.level])}
    return replace(settings, levels=levels), replace(guide, sizes=sizes)


@dataclass(frozen=True)
class _Survey:
    """What is the same for all tiles."""

    predictor: Predictor
    settings: AutomaticSettings
    store: MaskStore
    guide: Guide
    watch: Watch

    def one_tile(self, embedding: PlaneEmbedding) -> list[PlaneMask]:
        """Segment a plane that is one tile; small objects once more, from closer."""
        picture = embedding.embed(_whole(embedding))
        closer = embedding.closer() if self.settings.closer_below else None
        if closer is None:
            return self.whole(picture)
        found = replace(self, watch=self.watch.half(0)).whole(picture)
        main = main_level(self.predictor)
        if not self.watch.is_cancelled and are_small(found, self.settings, main, embedding.scale):
            second = replace(self, watch=self.watch.half(1))
            again = second.whole(closer.embed(_whole(closer)))
            return found if self.watch.is_cancelled else again
        self.watch.tell(1, 1)
        return found

    def whole(self, embedding: PictureEmbedding) -> list[PlaneMask]:
        """Segment a picture at once."""
        allowed = self._allowed((0, 0, *embedding.shape), 1.0)
        found = self._segment(embedding, (0.0, 0.0), allowed, self.watch.of_tile(0, 1))
        masks = [PlaneMask.of(mask, self.store) for mask in found]
        self._show(masks, embedding.shape)
        return masks

    def tiled(self, embedding: PlaneEmbedding) -> list[PlaneMask]:
        """Segment a plane pass by pass, the coarsest and quickest first."""
        passes = plan_passes(embedding.levels[0], embedding.context)
        plans = [(survey, survey.tiles()) for survey in passes]
        count, done = sum(len(tiles) for _, tiles in plans), 0
        stitchers = []
        for survey, tiles in reversed(plans):
            is_last = survey is passes[-1]
            overlap = self.settings.thresholds.box_overlap
            stitcher = Stitcher(survey, overlap, self.store, is_last=is_last)
            stitchers.append(stitcher)
            for tile in tiles:
                if self.watch.is_cancelled:
                    break
                masks = self._segment_tile(embedding, survey, tile, self.watch.of_tile(done, count))
                whole = stitcher.add(tile, masks)
                self._show(whole, embedding.shape)
                done += 1
                self.watch.tell(done, count)
        found: list[PlaneMask] = []
        for stitcher in reversed(stitchers):
            found = unrivalled(found, stitcher.finish())
        return found

    def _segment_tile(
        self,
        embedding: PlaneEmbedding,
        survey: Pass,
        tile: SurveyTile,
        progress: Progress,
    ) -> list[Candidate]:
        allowed = self._allowed(tile.core, survey.factor)
        if allowed is not None and not allowed.any():
            return []
        picture = _embed(self.predictor, embedding, survey, tile)
        origin = tile.box[0] * survey.scale, tile.box[1] * survey.scale
        if picture is None:
            return []
        y0, x0 = tile.box[:2]
        core = (tile.core[0] - y0, tile.core[1] - x0, tile.core[2] - y0, tile.core[3] - x0)
        return self._segment(picture, origin, allowed, progress, core)

    def _segment(
        self,
        picture: PictureEmbedding,
        origin: tuple[float, float],
        allowed: Bools | None,
        progress: Progress,
        within: Box | None = None,
    ) -> list[Candidate]:
        return automatic_masks(
            self.predictor,
            picture,
            self.settings,
            origin=origin,
            within=within,
            allowed=allowed,
            progress=progress,
            cancelled=self.watch.cancelled,
        )

    def _allowed(self, box: Box, factor: float) -> Bools | None:
        """Return which parts of a box of a pass the region holds, at up to 256 × 256 points."""
        if self.guide.inside is None:
            return None
        step = max(1.0, longest_side(box) / _REGION_SAMPLES)
        ys, xs = (positions * factor for positions in centres(box, step))
        return sample_region(self.guide.inside, ys, xs)

    def _show(self, masks: Sequence[PlaneMask], shape: tuple[int, int]) -> None:
        if self.watch.draft is not None:
            sides = ((box[2] - box[0], box[3] - box[1]) for box in (mask.box for mask in masks))
            shown = (height * width <= _MOST_SHOWN for height, width in sides)
            self.watch.draft([mask.candidate(shape) for mask in itertools.compress(masks, shown)])


def _embed(
    predictor: Predictor, embedding: PlaneEmbedding, survey: Pass, tile: SurveyTile
) -> PictureEmbedding | None:
    """Embed a tile as if it were a picture; None if nothing is in it."""
    height, width = embedding.shape
    y0, x0, y1, x1 = (round(edge * survey.factor) for edge in tile.box)
    box = (y0, x0, min(y1, height), min(x1, width))
    size = input_size(tile.shape, survey.scale)
    with torch.inference_mode(), clear_about_memory():
        values = read_input(embedding.plane, box, size, predictor.model.config)
        if _has_one_value(values):
            return None
        pixels = torch.from_numpy(values)[None]
        return PictureEmbedding(
            predictor.model.encode(pixels, embedding.preparation_hash), tile.shape
        )


def _is_constant(embedding: PlaneEmbedding) -> bool:
    # The network would find something even there.
    values = embedding.plane.read(_whole(embedding).box)
    return _has_one_value(np.moveaxis(values, -1, 0))


def _has_one_value(values: npt.NDArray[np.float32]) -> bool:
    """Whether all pixels of a (3, H, W) picture are the same."""
    return bool((values == values[:, :1, :1]).all())


def _whole(embedding: PlaneEmbedding) -> Tile:
    return Tile((0, 0, *embedding.shape), 0)
