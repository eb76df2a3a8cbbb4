"""Between the panel, the viewer and the work beside them; a mediator without widgets."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import napari.viewer
from napari.layers import Image, Points, Shapes
from napari.utils.events import Event
from napari.utils.notifications import show_error, show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_semantic_sam.annotation.engine import (
    LoadedModel,
    OpenPicture,
    Request,
    find_candidates,
    open_picture,
)
from napari_semantic_sam.annotation.session import AnnotationSession, Prompt
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.native import load_triton_apart
from napari_semantic_sam.widgets.session_view import SessionView
from napari_semantic_sam.widgets.tables import MESSAGES, SHORTCUTS
from napari_semantic_sam.widgets.worker import Job, Progress


@dataclass(frozen=True)
class _Opening:
    """An image on its way to a session."""

    job: Job
    image: Image
    request: Request


class Annotator:
    """Runs one annotation session at a time in a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    changed = Signal()
    """Emitted when anything a panel shows may have changed."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._view: SessionView | None = None
        self._opening: _Opening | None = None
        self._finding: Job | None = None
        self._asked: tuple[Prompt, ...] = ()
        self.model: LoadedModel | None = None
        self._names: dict[Image, str] = {}
        self._on_layers()
        for name in ("inserted", "removed", "reordered"):
            getattr(viewer.layers.events, name).connect(self._on_layers)
        viewer.layers.events.renamed.connect(self._on_renamed)
        self._bound_before = {
            shortcut.key: viewer.bind_key(
                shortcut.key, _weak_key(getattr(self, name)), overwrite=True
            )
            for name, shortcut in SHORTCUTS.items()
        }

    @property
    def images(self) -> list[Image]:
        """The images a user can choose from."""
        return list(self._names)

    @property
    def session(self) -> AnnotationSession | None:
        """The session in progress."""
        return self._view.session if self._view else None

    @property
    def image(self) -> Image | None:
        """The image of the session in progress."""
        return self._view.image if self._view else None

    @property
    def clicks(self) -> Points | None:
        """The layer for clicks of the session in progress."""
        return self._view.clicks if self._view else None

    @property
    def boxes(self) -> Shapes | None:
        """The layer for boxes of the session in progress."""
        return self._view.boxes if self._view else None

    @property
    def progress(self) -> Progress | None:
        """How far opening an image is; None while none is being opened."""
        if self._opening is None:
            return None
        return self._opening.job.progress or Progress("")

    def start(
        self, image: Image | None, checkpoint: str, device: str, *, as_displayed: bool = False
    ) -> None:
        """Embed an image beside the user interface, then begin a session on it.

        A session in progress stays until the new one begins. With `as_displayed` the model
        sees a grey image with the contrast limits of its layer.
        """
        try:
            image = _checked(image)
        except UserError as error:
            show_error(str(error))
            return
        self._stop_opening()
        limits = image.contrast_limits if as_displayed and not image.rgb else None
        contrast = None if limits is None else (float(limits[0]), float(limits[1]))
        request = Request(image.name, _pixels(image), checkpoint, device, contrast)
        loaded = self.model
        job = Job(
            lambda job: _open(request, job, loaded),
            self._on_opened,
            self._on_progress,
        )
        self._opening = _Opening(job, image, request)
        job.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Stop opening an image; a session in progress stays."""
        self._stop_opening()
        self.changed.emit()

    def stop(self) -> None:
        """End the session: its clicks, boxes and preview are hidden, its levels stay."""
        self._stop_opening()
        self._end_session()
        self.changed.emit()

    def close(self) -> None:
        """Stop, and let go of the viewer."""
        self.changed.disconnect()
        self.stop()
        for name in ("inserted", "removed", "reordered"):
            getattr(self._viewer.layers.events, name).disconnect(self._on_layers)
        self._viewer.layers.events.renamed.disconnect(self._on_renamed)
        for key, function in self._bound_before.items():
            self._viewer.bind_key(key, function, overwrite=True)  # None takes ours away

    def show(self, index: int) -> None:
        """Display a candidate of the newest prompt, 0 for the coarsest."""
        if self._view:
            self._view.show(index)
            self.changed.emit()

    def coarser(self) -> None:
        """Display the next coarser candidate."""
        if self._view:
            self.show(self._view.session.current.index - 1)

    def finer(self) -> None:
        """Display the next finer candidate."""
        if self._view:
            self.show(self._view.session.current.index + 1)

    def keep(self) -> None:
        """Write the candidate on display into its level layer."""
        if self._view is None:
            return
        try:
            self._view.keep()
        except UserError as error:
            show_warning(str(error))
        self.changed.emit()

    def _on_progress(self, job: Job) -> None:
        self.changed.emit()

    def _on_opened(self, job: Job) -> None:
        opening, self._opening = self._opening, None
        if job.error is None and opening is not None and self._is_still_there(opening):
            self._begin_session(opening.image, job.result)
        self.changed.emit()
        _tell(job.error)

    def _is_still_there(self, opening: _Opening) -> bool:
        if opening.image not in self._viewer.layers:
            self._warn("image gone", opening.image)
            return False
        if opening.request.picture is not _pixels(opening.image):
            self._warn("image changed", opening.image)
            return False
        return True

    def _begin_session(self, image: Image, opened: OpenPicture) -> None:
        self._end_session()
        self.model = opened.model
        self._view = SessionView(self._viewer.layers, image, opened, self._on_prompts)
        image.events.data.connect(self._on_new_pixels)
        self._find()

    def _on_prompts(self) -> None:
        self._find()
        self.changed.emit()

    def _find(self) -> None:
        """Look for candidates of all prompts that wait, unless a job is at it."""
        if self._view is None or self._finding or not self._view.session.waiting:
            return
        opened, prompts = self._view.opened, self._view.session.waiting
        self._asked = prompts
        self._finding = Job(lambda job: find_candidates(opened, prompts), self._on_found)
        self._finding.start()

    def _on_found(self, job: Job) -> None:
        self._finding = None
        if self._view:
            nothing: dict[Prompt, tuple[Any, ...]] = dict.fromkeys(self._asked, ())
            self._view.receive(job.result if job.error is None else nothing)
        self._find()
        self.changed.emit()
        _tell(job.error)

    def _on_layers(self) -> None:
        self._names = {layer: layer.name for layer in make.pictures(self._viewer.layers)}
        # Later, because layers may be removed in a loop that must not be disturbed.
        QTimer.singleShot(0, _weak(self._reconcile))
        self.changed.emit()

    def _reconcile(self) -> None:
        """Notice which layers the user deleted."""
        if self._opening and self._opening.image not in self._viewer.layers:
            self._warn("image gone", self._opening.image)
            self._stop_opening()
        if self._view and self._view.image not in self._viewer.layers:
            self._warn("image gone", self._view.image)
            self._end_session()
        if self._view:
            self._view.reconcile()
        self.changed.emit()

    def _on_renamed(self, event: Event) -> None:
        layer = self._viewer.layers[event.index]
        old = self._names.get(layer)
        if old not in (None, layer.name):
            self._names[layer] = layer.name
            make.rename_image(self._viewer.layers, layer, old)
            self.changed.emit()

    def _on_new_pixels(self) -> None:
        if self._view:
            self._warn("image changed", self._view.image)
            self._end_session()
            self.changed.emit()

    def _warn(self, message: str, image: Image) -> None:
        show_warning(MESSAGES[message].format(image=image.name))

    def _stop_opening(self) -> None:
        if self._opening:
            self._opening.job.cancel()
        self._opening = None

    def _end_session(self) -> None:
        if self._finding:
            self._finding.cancel()
            self._finding = None
        view, self._view = self._view, None
        if view:
            view.image.events.data.disconnect(self._on_new_pixels)
            view.close()


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


def _tell(error: Exception | None) -> None:
    """Show the user what they can mend; raise anything else."""
    if isinstance(error, UserError):
        show_error(str(error))
    elif error is not None:
        raise error


def _weak(method: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls a method as long as its object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    return call


def _weak_key(method: Callable[[], None]) -> Callable[[Any], None]:
    call = _weak(method)
    return lambda viewer: call()
