"""Walks to the regions that the model is least sure of."""

from __future__ import annotations

import math
from collections.abc import Callable

import napari.viewer
from napari.layers import Image
from napari.utils.notifications import show_error, show_info

from napari_semantic_sam.annotation.engine import OpenPicture
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.annotation.suggest import (
    Region,
    is_labelled,
    unclear_regions,
    unlabelled_clicks,
)
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets.camera import look_at
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.single_job import SingleJob
from napari_semantic_sam.widgets.worker import Progress


class NextRegion:
    """Looks for unclear regions beside the user interface, and brings them into view in turn.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    on_change : bound method
        Called when `progress` or `text` may have changed.

    Attributes
    ----------
    text : str
        Which region is in view, for the panel; "" before the first.
    """

    def __init__(self, viewer: napari.viewer.Viewer, on_change: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_change = on_change
        self._search = SingleJob(on_change, self._on_found)
        self._image: Image | None = None
        self._levels: LevelLabels | None = None
        self._frame: Frame | None = None
        self._plane: PlaneIndex = ()
        self.end()

    @property
    def progress(self) -> Progress | None:
        """How far the search is; None while there is none."""
        return self._search.progress

    def walk(
        self, image: Image, frame: Frame, session: AnnotationSession, opened: OpenPicture
    ) -> None:
        """Go to the next unclear region without a label; look for some if none is known."""
        if self.progress is not None:
            return
        if "click" not in opened.model.prompt_kinds:
            show_error(MESSAGES["no clicks"])
            return
        if opened.plane != self._plane:
            self.end()
        self._image, self._levels = image, session.levels
        self._frame, self._plane = frame, opened.plane
        if not self._go_to_next():
            clicks = unlabelled_clicks(session.levels)
            self._search.start(
                lambda job: unclear_regions(opened, clicks, job.report, job.is_cancelled)
            )
        self._on_change()

    def cancel(self) -> None:
        """Stop looking; regions that are known stay known."""
        self._search.cancel()

    def end(self) -> None:
        """Forget the picture and its regions."""
        self._search.cancel()
        self._image = self._levels = self._frame = None
        self._plane = ()
        self._regions: list[Region] = []
        self._position = 0
        self.text = ""

    def _on_found(self, regions: list[Region]) -> None:
        self._regions, self._position = regions, 0
        if self._go_to_next() or self._image is None or self._levels is None:
            return
        if self._levels.plane == self._plane:  # of another slice nothing was found out
            show_info(MESSAGES["nothing unclear"].format(image=self._image.name))

    def _go_to_next(self) -> bool:
        """Bring the next region that has no label yet into view, if there is one."""
        self.text = ""
        if self._image is None or self._levels is None or self._frame is None:
            return False
        if self._levels.plane != self._plane:  # the user has gone to another slice
            return False
        while self._position < len(self._regions):
            region = self._regions[self._position]
            self._position += 1
            if not is_labelled(self._levels, region.click):
                corners = self._frame.corners(self._plane, _surroundings(region))
                look_at(self._viewer, self._image, corners)
                self.text = HINTS["unclear"].format(number=self._position, count=len(self._regions))
                return True
        return False


def _surroundings(region: Region) -> tuple[float, float, float, float]:
    """Return a square around the click with the area of the region, whose box may be far off."""
    (y, x), half = region.click, math.sqrt(region.mask.area) / 2
    return y - half, x - half, y + half, x + half
