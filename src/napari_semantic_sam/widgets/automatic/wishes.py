"""What a user wants of the whole image, and the request that this is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import napari.viewer
import numpy as np
import numpy.typing as npt

from napari_semantic_sam.annotation.automatic import AutomaticRequest
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import Region, SizeRange
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Box
from napari_semantic_sam.widgets.automatic.region import selected_region, visible_region
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.session_view import SessionView


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
    is_inside_shape : bool
        Whether to look inside of the selected shapes only.
    like_kept : bool
        Whether levels and sizes are those of the objects that were kept.
    is_preview : bool
        Whether to look in the part of the image on the screen, and to keep nothing.
    """

    levels: tuple[int, ...]
    quality: float
    sizes: SizeRange
    is_inside_shape: bool
    like_kept: bool
    is_preview: bool

    def request(self, viewer: napari.viewer.Viewer, view: SessionView) -> AutomaticRequest:
        """Return what to look for now.

        Raises
        ------
        UserError
            If no level, no shape, no kept object or nothing of the image is there to go by.
        """
        like = _kept(view.session.levels) if self.like_kept else ()
        if self.like_kept and not like:
            raise UserError(MESSAGES["nothing kept"])
        if not (self.like_kept or self.levels):
            raise UserError(MESSAGES["no level"])
        inside = self._inside(viewer, view)
        return AutomaticRequest(self.levels, self.quality, self.sizes, inside, like)

    def _inside(self, viewer: napari.viewer.Viewer, view: SessionView) -> Region | None:
        regions: list[Region] = []
        if self.is_inside_shape:
            regions.append(selected_region(viewer, view.image, view.frame))
        if self.is_preview:
            regions.append(visible_region(viewer, view.image, view.frame))
        return _Common(*regions) if len(regions) == 2 else next(iter(regions), None)


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
