"""An image on its way to a session: loaded and embedded beside the user interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.components import LayerList
from napari.layers import Image
from napari.utils.notifications import show_error, show_warning

from napari_semantic_sam.annotation.engine import LoadedModel, OpenPicture, Request, open_picture
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets.native import load_triton_apart
from napari_semantic_sam.widgets.tables import MESSAGES
from napari_semantic_sam.widgets.worker import Job, Progress


@dataclass(frozen=True)
class Opened:
    """An image that is ready for a session."""

    image: Image
    request: Request
    picture: OpenPicture


class Opener:
    """Opens one image at a time; the newest wins.

    Parameters
    ----------
    layers : LayerList
        Where the images are.
    on_opened : callable
        Called with an `Opened`.
    on_change : callable
        Called whenever `progress` may have changed.
    """

    def __init__(
        self,
        layers: LayerList,
        on_opened: Callable[[Opened], None],
        on_change: Callable[[], None],
    ) -> None:
        self._layers = layers
        self._on_opened = on_opened
        self._on_change = on_change
        self._job: Job | None = None
        self._image: Image | None = None
        self._request: Request | None = None

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
        loaded: LoadedModel | None,
    ) -> None:
        """Embed an image; see `Annotator.start`. `loaded` is used again if it fits."""
        try:
            image = _checked(image)
        except UserError as error:
            show_error(str(error))
            return
        self.cancel()
        limits = image.contrast_limits if as_displayed and not image.rgb else None
        contrast = None if limits is None else (float(limits[0]), float(limits[1]))
        request = Request(image.name, _pixels(image), checkpoint, device, contrast)
        self._image, self._request = image, request
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
        self._job = self._image = self._request = None

    def reconcile(self) -> None:
        """Notice whether the user deleted the image."""
        if self._image is not None and self._image not in self._layers:
            warn("image gone", self._image)
            self.cancel()

    def _on_progress(self, job: Job) -> None:
        self._on_change()

    def _on_end(self, job: Job) -> None:
        image, request = self._image, self._request
        self._job = self._image = self._request = None
        if job.error is None and image is not None and request is not None:
            if image not in self._layers:
                warn("image gone", image)
            elif request.picture is not _pixels(image):
                warn("image changed", image)
            else:
                self._on_opened(Opened(image, request, job.result))
        self._on_change()
        tell(job.error)


def warn(message: str, image: Image) -> None:
    """Show the user a sentence about an image."""
    show_warning(MESSAGES[message].format(image=image.name))


def tell(error: Exception | None) -> None:
    """Show the user what they can mend; raise anything else."""
    if isinstance(error, UserError):
        show_error(str(error))
    elif error is not None:
        raise error


def _checked(image: Image | None) -> Image:
    if image is None:
        raise UserError(MESSAGES["no image"])
    if image.ndim != 2:
        raise UserError(MESSAGES["not 2-D"].format(image=image.name, ndim=image.ndim))
    return image


def _pixels(image: Image) -> Any:
    return image.data[0] if image.multiscale else image.data


def _open(request: Request, job: Job, loaded: LoadedModel | None) -> OpenPicture | None:
    load_triton_apart()  # before anything imports torch
    return open_picture(request, job.report, job.is_cancelled, loaded)
