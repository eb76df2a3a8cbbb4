"""Between the panel, the viewer and the work beside them; a mediator without widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import napari.viewer
from napari.layers import Image, Points, Shapes
from napari.utils.events import Event
from qtpy.QtCore import QTimer

from napari_semantic_sam.annotation.engine import LoadedModel, OpenPicture
from napari_semantic_sam.annotation.propagating import Followed, follow
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.tiles.scale import ObjectSize
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.acts import Acts
from napari_semantic_sam.widgets.automatic.runner import AutomaticRun
from napari_semantic_sam.widgets.automatic.wishes import Wishes
from napari_semantic_sam.widgets.camera import is_in_view, look_at
from napari_semantic_sam.widgets.finding import Finder
from napari_semantic_sam.widgets.frame import Channels, Coordinates, Frame
from napari_semantic_sam.widgets.history_keys import HistoryKeys
from napari_semantic_sam.widgets.journal import JournalKeeper
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.next_region import NextRegion
from napari_semantic_sam.widgets.opening import Opened, Opener, tell, warn
from napari_semantic_sam.widgets.session_view import SessionView
from napari_semantic_sam.widgets.shortcuts import SHORTCUTS
from napari_semantic_sam.widgets.single_job import SingleJob
from napari_semantic_sam.widgets.wheel import LevelWheel
from napari_semantic_sam.widgets.worker import Progress, weakly

_OF_HISTORY = ("undo", "redo")
_LAYER_EVENTS = ("inserted", "removed", "reordered")


class Annotator(Acts):
    """Runs one annotation session at a time in a viewer.

    What a user can cause is told as a notification, never raised.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Attributes
    ----------
    model : LoadedModel or None
        The one in use.
    hover : bool
        Whether the mask under the mouse is shown.
    next_region : NextRegion
    propagation : SingleJob
    automatic : AutomaticRun
    keeper : JournalKeeper
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self._finder: Finder | None = None
        self.model: LoadedModel | None = None
        self.hover = False
        self._opener = Opener(viewer, self._on_opened, self.changed.emit)
        self.next_region = NextRegion(viewer, self.changed.emit)
        self.propagation = SingleJob(self.changed.emit, self._on_followed)
        self.automatic = AutomaticRun(viewer, self.changed.emit)
        self.keeper = JournalKeeper(self._on_offer, self._on_restored)
        self._names: dict[Image, str] = {}
        self._on_layers()
        for name in _LAYER_EVENTS:
            getattr(viewer.layers.events, name).connect(self._on_layers)
        viewer.layers.events.renamed.connect(self._on_renamed)
        self._wheel = LevelWheel(viewer, self.coarser, self.finer)
        self._wheel.attach()
        self._bound_before = {
            shortcut.key: viewer.bind_key(shortcut.key, self._key(name), overwrite=True)
            for name, shortcut in SHORTCUTS.items()
            if name not in _OF_HISTORY
        }

    @property
    def images(self) -> list[Image]:
        """The images a user can choose from."""
        return list(self._names)

    @property
    def image(self) -> Image | None:
        """The image of the session in progress."""
        return self._view.image if self._view else None

    @property
    def opened(self) -> OpenPicture | None:
        """The plane on display of the picture of the session in progress."""
        return self._view.picture if self._view else None

    @property
    def frame(self) -> Frame | None:
        """The axes of the image of the session in progress."""
        return self._view.frame if self._view else None

    @property
    def clicks(self) -> Points | None:
        """The layer for clicks of the session in progress."""
        return self._view.prompts.clicks if self._view else None

    @property
    def boxes(self) -> Shapes | None:
        """The layer for boxes, lines and outlines of the session in progress."""
        return self._view.prompts.boxes if self._view else None

    @property
    def progress(self) -> Progress | None:
        """How far opening an image is; None while none is being opened."""
        return self._opener.progress

    def start(
        self,
        image: Image | None,
        checkpoint: str,
        device: str,
        *,
        as_displayed: bool = False,
        channels: Channels | None = None,
        object_size: ObjectSize | None = None,
    ) -> None:
        """Embed an image beside the user interface, then begin a session on it.

        A session in progress stays until the new one begins. The two axes of the image that
        are on display make its planes; the others are walked, except for that of channels.
        With `as_displayed` the model sees a grey image with the contrast limits of its layer.
        `object_size` sets how large the model sees the image.
        """
        self._opener.start(
            image,
            checkpoint,
            device,
            as_displayed=as_displayed,
            channels=channels,
            object_size=object_size,
            loaded=self.model,
        )
        self.changed.emit()

    def cancel(self) -> None:
        """Stop opening an image; a session in progress stays."""
        self._opener.cancel()
        self.changed.emit()

    def stop(self) -> None:
        """End the session: its prompts and preview are hidden, its levels stay."""
        self._opener.cancel()
        self._end_session()
        self.changed.emit()

    def close(self) -> None:
        """Stop, and let go of the viewer."""
        self.changed.disconnect()
        self.stop()
        self._opener.close()
        self._wheel.detach()
        for name in _LAYER_EVENTS:
            getattr(self._viewer.layers.events, name).disconnect(self._on_layers)
        self._viewer.layers.events.renamed.disconnect(self._on_renamed)
        for key, function in self._bound_before.items():
            self._viewer.bind_key(key, function, overwrite=True)  # None takes ours away

    def set_hover(self, on: bool) -> None:
        """Show the mask under the mouse, or no longer."""
        self.hover = on
        if self._view:
            (self._view.hover.attach if on else self._view.hover.detach)()
        self.changed.emit()

    def toggle_hover(self) -> None:
        """Show the mask under the mouse if it is not, and the other way round."""
        self.set_hover(not self.hover)

    def go_to(self, level: int, index: int) -> None:
        """Bring a label into view, and select it in its layer."""

        def do(view: SessionView) -> None:
            corners, layer = _where_is(view, level, index), view.levels.layer(level)
            if layer is not None:
                layer.selected_label = index
                look_at(self._viewer, layer, corners)

        self._act(do)

    def highlight(self, level: int, index: int) -> None:
        """Select a label in its layer, and bring it into view if it is not."""

        def do(view: SessionView) -> None:
            corners, layer = _where_is(view, level, index), view.levels.layer(level)
            if layer is not None:
                layer.selected_label = index
                if not is_in_view(self._viewer, layer, corners):
                    look_at(self._viewer, layer, corners)

        self._act(do)

    def segment(self, wishes: Wishes) -> None:
        """Find all objects that a user wishes for; see `AutomaticRun`."""

        def do(view: SessionView) -> None:
            request = wishes.request(self._viewer, view)
            if self.opened is not None:
                self.automatic.start(view, self.opened, request, is_preview=wishes.is_preview)

        self._act(do)

    def propagate(self) -> None:
        """Follow the object kept last in this slice, or the selected label, through the stack."""

        def do(view: SessionView) -> None:
            label = view.label_to_follow()
            if label is None:
                raise UserError(MESSAGES["no start"])
            picture, start = view.picture, view.session.begin_following(*label)
            self.propagation.start(lambda job: follow(picture, start, job.report, job.is_cancelled))

        self._act(do)

    def what_next(self) -> None:
        """Go to the unlabelled region that the model is least sure of."""
        if self._view:
            view = self._view
            self.next_region.walk(view.image, view.frame, view.session, view.picture)

    def _act(self, do: Callable[[SessionView], Any]) -> None:
        """Let the user act on the session, unless its image was removed a moment ago."""
        self._end_without_image()
        super()._act(do)

    def _on_change(self) -> None:
        if self._finder:
            self._finder.find()
        if self._view and self._view.session.is_writing:
            self.automatic.write(self._view)
        self.changed.emit()

    def _on_opened(self, opened: Opened) -> None:
        self.model = opened.picture.model
        self._begin_session(opened)

    def _on_offer(self) -> None:
        self.changed.emit()

    def _on_restored(self, session: AnnotationSession, picture: OpenPicture) -> None:
        if self._view:
            self._begin_session(replace(self._view.opened, picture=picture), session)

    def _begin_session(self, opened: Opened, session: AnnotationSession | None = None) -> None:
        """Show a session, a new one if there is none to go on with."""
        self._end_session()
        keys = HistoryKeys({name: self._key(name) for name in _OF_HISTORY})
        self._view = view = SessionView(
            self._viewer,
            opened,
            keys,
            self._on_change,
            self._on_hover_error,
            session,
        )
        view.session.options, view.session.separate = self.options, self.separate
        self._finder = Finder(view.session, lambda: view.picture, self._on_found)
        self.keeper.begin(view.session, opened.request, opened.picture)
        opened.image.events.data.connect(self._on_new_pixels)
        view.begin()
        self.set_hover(self.hover)
        self._on_change()

    def _end_session(self) -> None:
        self.next_region.end()
        self.propagation.cancel()
        self.automatic.end()
        if self._finder:
            self._finder.cancel()
            self._finder = None
        view, self._view = self._view, None
        if view:
            self.keeper.end()
            view.image.events.data.disconnect(self._on_new_pixels)
            view.close()

    def _on_found(self) -> None:
        if self._view:
            self._view.draw()
        self.changed.emit()

    def _on_followed(self, followed: Followed) -> None:
        self._act(lambda view: view.session.take_followed(followed))

    def _on_hover_error(self, error: Exception) -> None:
        self.set_hover(False)
        tell(error)

    def _on_layers(self) -> None:
        self._names = {layer: layer.name for layer in make.pictures(self._viewer.layers)}
        # Later, because layers may be removed in a loop that must not be disturbed.
        QTimer.singleShot(0, weakly(self._reconcile))
        self.changed.emit()

    def _reconcile(self) -> None:
        """Notice which layers the user deleted."""
        self._opener.reconcile()
        self._end_without_image()
        if self._view:
            self._view.reconcile()
        self.changed.emit()

    def _end_without_image(self) -> None:
        if self._view and self._view.image not in self._viewer.layers:
            warn("image gone", self._view.image)
            self._end_session()

    def _on_renamed(self, event: Event) -> None:
        layer = self._viewer.layers[event.index]
        old = self._names.get(layer)
        if old not in (None, layer.name):
            self._names[layer] = layer.name
            make.rename_image(self._viewer.layers, layer, old)
            self.changed.emit()

    def _on_new_pixels(self) -> None:
        if self._view:
            warn("image changed", self._view.image)
            self._end_session()
            self.changed.emit()

    def _key(self, name: str) -> Callable[[Any], None]:
        call = weakly(getattr(self, name))
        return lambda _: call()


def _where_is(view: SessionView, level: int, index: int) -> Coordinates:
    """Go to a plane that holds some of a label, and return the corners around it there."""
    view.session.seek(level, index)
    return view.frame.corners(view.session.plane, view.session.mask_of(level, index).box)
