"""The mask under the mouse, before any click."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import napari.viewer
import numpy as np

from napari_semantic_sam.annotation.engine import OpenPicture
from napari_semantic_sam.annotation.hover import Spot, outline_under
from napari_semantic_sam.widgets.latest import LatestJob
from napari_semantic_sam.widgets.preview import Preview
from napari_semantic_sam.widgets.tables import LEVEL_COLOURS
from napari_semantic_sam.widgets.worker import Job


class Hover:
    """Lets the preview of a session follow the mouse, at the level that was shown last.

    It keeps away while a mask is on display that the user has not decided about.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    preview : Preview
        Of the picture.
    opened : OpenPicture
        The picture, embedded.
    on_error : bound method
        Called with what went wrong, after this has detached itself.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        preview: Preview,
        opened: OpenPicture,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._viewer = viewer
        self._preview = preview
        self._shape = opened.embedding.shape
        self._on_error = weakref.WeakMethod(on_error)
        self._spot: Spot | None = None
        self._finder = LatestJob[Spot](
            lambda spot: outline_under(opened, spot, LEVEL_COLOURS), self._on_found
        )

    @property
    def attached(self) -> bool:
        """Whether the mouse is followed."""
        return self._on_move in self._viewer.mouse_move_callbacks

    def attach(self) -> None:
        """Follow the mouse."""
        if not self.attached:
            self._viewer.mouse_move_callbacks.append(self._on_move)
            self._viewer.events.mouse_over_canvas.connect(self._on_border)

    def detach(self) -> None:
        """Follow the mouse no more; nothing that is still computed will be shown."""
        if self.attached:
            self._viewer.mouse_move_callbacks.remove(self._on_move)
            self._viewer.events.mouse_over_canvas.disconnect(self._on_border)
        self._finder.cancel()
        self._leave()

    def _on_move(self, viewer: object, event: Any) -> None:
        spot = self._spot_at(event)
        if spot is None:
            self._leave()
        elif spot != self._spot:
            self._spot = spot
            self._finder.ask(spot)

    def _on_border(self) -> None:
        if not self._viewer.mouse_over_canvas:
            self._leave()

    def _leave(self) -> None:
        self._spot = None
        self._finder.clear()
        self._preview.hover(None)

    def _spot_at(self, event: Any) -> Spot | None:
        """Return the pixel under the mouse, None if it is of no interest."""
        frame = self._preview.frame
        is_shown = frame.is_shown(event.dims_displayed, len(event.position))
        if self._preview.undecided or not is_shown:
            return None
        where = self._preview.image.world_to_data(event.position)
        y, x = np.floor(np.array(frame.pixel(where)) + 0.5)
        if not (0 <= y < self._shape[0] and 0 <= x < self._shape[1]):
            return None
        return Spot(int(y), int(x), self._preview.level)

    def _on_found(self, spot: Spot, job: Job) -> None:
        if job.error is not None:
            self.detach()
            on_error = self._on_error()
            if on_error:
                on_error(job.error)
        elif self._spot is not None:
            self._preview.hover(job.result)
