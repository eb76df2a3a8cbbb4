"""An image on its way to a session: loaded and embedded beside the user interface."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import napari.viewer
from napari.layers import Image
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QTimer

from napari_semantic_sam.annotation.engine import LoadedModel, OpenPicture, Request, open_picture
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.tiles.scale import ObjectSize
from napari_semantic_sam.widgets.frame import Channels, Frame, frame_of
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.native import load_libraries
from napari_semantic_sam.widgets.tool_layers import insert_next_tool
from napari_semantic_sam.widgets.worker import Job, Progress, weakly


@dataclass(frozen=True)
class Opened:
    """An image that is ready for a session."""

    image: Image
    frame: Frame
    request: Request
    picture: OpenPicture


@dataclass(frozen=True)
class _Wanted:
    """An image on its way; its pixels tell whether it was given others meanwhile."""

    image: Image
    data: Any
    frame: Frame
    request: Request


class Opener:
    """Opens one image at a time; the newest wins.

    What takes seconds to load for it is loaded from the beginning.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the images are.
    on_opened : callable
        Called with an `Opened`.
    on_change : callable
        Called whenever `progress` may have changed.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        on_opened: Callable[[Opened], None],
        on_change: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._on_opened = on_opened
        self._on_change = on_change
        self._job: Job | None = None
        self._wanted: _Wanted | None = None
        self._ahead = Job(lambda job: load_libraries(job.is_cancelled), self._on_loaded)
        self._ahead.start()

    @property
    def progress(self) -> Progress | None:
        """How far it is; None while nothing is being opened."""
        return None if self._job is None else self._job.progress or Progress("")

    def start(
        self,
        image: Image | None,
        checkpoint: str,
        device: str,
        *,
        as_displayed: bool,
        channels: Channels | None,
        object_size: ObjectSize | None,
        loaded: LoadedModel | None,
    ) -> None:
        """Embed an image; see `Annotator.start`. `loaded` is used again if it fits."""
        try:
            if image is None:
                raise UserError(MESSAGES["no image"])
            dims = self._viewer.dims
            frame = frame_of(image, dims, channels.axis if channels else None)
            source = _source_of(image, frame, channels, as_displayed=as_displayed)
        except UserError as error:
            show_error(str(error))
            return
        self.cancel()
        plane = frame.plane_of(image.world_to_data(dims.point))
        request = Request(source, checkpoint, device, plane, object_size)
        self._wanted = _Wanted(image, image.data, frame, request)
        self._job = Job(
            lambda job: _open(request, job, loaded),
            self._on_end,
            self._on_progress,
        )
        self._job.start()

    def cancel(self) -> None:
        """Stop, and say nothing more."""
        if self._job:
            self._job.cancel()
        self._job = self._wanted = None

    def close(self) -> None:
        """Stop for good."""
        self._ahead.cancel()
        self.cancel()

    def reconcile(self) -> None:
        """Notice whether the user deleted the image."""
        if self._wanted is not None and self._wanted.image not in self._viewer.layers:
            warn("image gone", self._wanted.image)
            self.cancel()

    def _on_loaded(self, job: Job) -> None:
        """Leave what went wrong to the first image, whose user wants to know."""

    def _on_progress(self, job: Job) -> None:
        self._on_change()

    def _on_end(self, job: Job) -> None:
        """Insert the layers for a session, one in each turn of the event loop, then begin it."""
        wanted = self._wanted
        if job is not self._job or wanted is None:  # cancelled between two turns
            return
        is_ready = job.error is None and self._is_unchanged(wanted)
        if is_ready and insert_next_tool(self._viewer.layers, wanted.image, wanted.frame):
            QTimer.singleShot(0, weakly(self._on_end, job))
            return
        self._job = self._wanted = None
        if is_ready:
            self._on_opened(Opened(wanted.image, wanted.frame, wanted.request, job.result))
        self._on_change()
        tell(job.error)

    def _is_unchanged(self, wanted: _Wanted) -> bool:
        """Whether the image is as it was when opening it began; if not, say so."""
        if wanted.image not in self._viewer.layers:
            warn("image gone", wanted.image)
        elif wanted.data is not wanted.image.data:
            warn("image changed", wanted.image)
        else:
            return True
        return False


def warn(message: str, image: Image) -> None:
    """Show the user a sentence about an image."""
    show_warning(MESSAGES[message].format(image=image.name))


def tell(error: Exception | None) -> None:
    """Show the user what they can mend; raise anything else."""
    if isinstance(error, UserError):
        show_error(str(error))
    elif error is not None:
        raise error


def _source_of(
    image: Image, frame: Frame, channels: Channels | None, *, as_displayed: bool
) -> ImageSource:
    """Return what the layer shows, without reading it."""
    limits = image.contrast_limits if as_displayed and not image.rgb else None
    return ImageSource(
        tuple(image.data) if image.multiscale else (image.data,),
        frame.letters(image.axis_labels) + ("S" if image.rgb else ""),
        channels.chosen if channels else None,
        None if limits is None else (float(limits[0]), float(limits[1])),
        _pixel_size(image, frame),
        image.name,
    )


def _pixel_size(image: Image, frame: Frame) -> float | None:
    """Return the side of a pixel in micrometres; None if the layer does not say."""
    sides = [image.scale[axis] * image.units[axis] for axis in (frame.y, frame.x)]
    if not all(side.check("[length]") for side in sides):
        return None
    y, x = (abs(float(side.to("micrometer").magnitude)) for side in sides)
    return math.sqrt(y * x) or None


def _open(request: Request, job: Job, loaded: LoadedModel | None) -> OpenPicture | None:
    job.report(HINTS["libraries"])
    load_libraries(job.is_cancelled)
    return open_picture(request, job.report, job.is_cancelled, loaded)
