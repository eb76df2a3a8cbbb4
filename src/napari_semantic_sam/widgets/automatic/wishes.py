"""What a user wants of the whole image, and the request that this is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import napari.viewer
import numpy as np
import numpy.typing as npt

from napari_semantic_sam.annotation.automatic import AutomaticRequest
from napari_semantic_sam.annotation.editing import Label
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import Region, SizeRange
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Box
from napari_semantic_sam.widgets.automatic.region import (
    regions_of,
    selected_region,
    visible_region,
)
from napari_semantic_sam.widgets.automatic.stack_search import Linking, StackRequest
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.session_view import SessionView

Where = Literal["all", "shape", "objects"]


@dataclass(frozen=True)
class Wishes:
    """What the panel says.

    Attributes
    ----------
    levels : tuple of int
        At least one, unless `like_kept`.
    quality : float
        -1 to 1.
    sizes : SizeRange
    where : "all", "shape", "objects"
        Whether to look inside of the selected shapes or objects only.
    like_kept : bool
        Whether levels and sizes are those of the objects that were kept.
    is_preview : bool
        Whether to look in the part of the image on the screen, and to keep nothing.
    objects : tuple of Label
        Those that are selected.
    is_all_slices : bool
        Whether to look in all slices of a stack.
    linking : Linking, optional
        How objects go on from slice to slice then.
    """

    levels: tuple[int, ...]
    quality: float
    sizes: SizeRange
    where: Where
    like_kept: bool
    is_preview: bool
    objects: tuple[Label, ...] = ()
    is_all_slices: bool = False
    linking: Linking | None = None

    def request(
        self, viewer: napari.viewer.Viewer, view: SessionView
    ) -> AutomaticRequest | StackRequest:
        """Return what to look for now.

        Raises
        ------
        UserError
            If no level, no shape, no object or nothing of the image is there to go by.
        """
        like = _kept(view.session.levels) if self.like_kept else ()
        if self.like_kept and not like:
            raise UserError(MESSAGES["nothing kept"])
        if not (self.like_kept or self.levels):
            raise UserError(MESSAGES["no level"])
        request = AutomaticRequest(self.levels, self.quality, self.sizes, None, like)
        objects = self._in_objects(view)
        if self.is_all_slices:
            shape = self._in_shapes(viewer, view)
            return StackRequest(replace(request, inside=shape), objects, self.linking)
        here = None
        if objects is not None and (here := objects.get(view.session.plane)) is None:
            raise UserError(MESSAGES["not in slice"])
        return replace(request, inside=self._inside(here, viewer, view))

    def _inside(
        self, objects: Region | None, viewer: napari.viewer.Viewer, view: SessionView
    ) -> Region | None:
        regions = [objects, self._in_shapes(viewer, view)]
        if self.is_preview:
            regions.append(visible_region(viewer, view.image, view.frame))
        wanted = [region for region in regions if region is not None]
        return _Common(*wanted) if len(wanted) == 2 else next(iter(wanted), None)

    def _in_shapes(self, viewer: napari.viewer.Viewer, view: SessionView) -> Region | None:
        return selected_region(viewer, view.image, view.frame) if self.where == "shape" else None

    def _in_objects(self, view: SessionView) -> dict[PlaneIndex, Region] | None:
        if self.where != "objects":
            return None
        if not self.objects:
            raise UserError(MESSAGES["no objects"])
        return dict(regions_of(view.session.levels, self.objects))


@dataclass(frozen=True)
class _Common:
    """What two regions have in common."""

    first: Region
    second: Region

    def window(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return which of the pixels ``[y0:y1, x0:x1]`` belong to it."""
        return self.first.window(box) & self.second.window(box)


def _kept(levels: LevelLabels) -> tuple[LabelRow, ...]:
    """Return the labels that a user chose, not what an earlier run found, with a usual area.

    That is the one in a plane: labels of a stack are counted over all planes.
    """
    rows = (row for level in levels.levels for row in levels.rows(level))
    return tuple(
        replace(row, area=round(row.area / len(levels.planes_of(row.level, row.index))))
        for row in rows
        if row.source != "automatic"
    )
