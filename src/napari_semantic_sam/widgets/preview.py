"""The candidates of an object, as a layer between the image and the prompts."""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Image

from napari_semantic_sam.annotation.overlay import Overlay, Scene, compose
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.latest import LatestJob
from napari_semantic_sam.widgets.tables import BOXES, CLICKS, LEVEL_COLOURS, PREVIEW
from napari_semantic_sam.widgets.worker import Job

_NOTHING = Overlay(np.zeros((1, 1, 4), dtype=np.uint8), (0, 0, 1, 1))


class Preview:
    """Shows candidates over an image, as a picture no larger than the box around them.

    The picture is drawn beside the user interface and appears a little later. Until the user
    has to decide about a candidate, what lies under the mouse may be shown instead.

    Parameters
    ----------
    layers : LayerList
    image : Image
        What the candidates were found in.
    frame : Frame
        Its axes.

    Attributes
    ----------
    image, layer : Image
        The picture itself, and the layer over it.
    frame : Frame
    level : int or None
        Of the candidate that was on display last.
    """

    def __init__(self, layers: LayerList, image: Image, frame: Frame) -> None:
        self.image = image
        self.frame = frame
        self._plane: PlaneIndex = (0,) * len(frame.walked)
        self.level: int | None = None
        self._layers = layers
        self._scene: Scene | None = None
        self._drawn: Overlay | None = None
        self._hovered: Overlay | None = None
        self._on_layer: Overlay | None = None
        self._composer = LatestJob[Scene](
            lambda scene: compose(scene, LEVEL_COLOURS), self._on_composed
        )
        self.layer = make.find_tool(layers, image, PREVIEW) or preview_layer(image, frame)
        make.put_on_top(layers, self.layer, below=(BOXES, CLICKS))
        if self.layer.data.any():  # of an earlier session
            self.layer.data = frame.one_plane(_NOTHING.rgba)
        self.layer.visible = True
        self.place()

    @property
    def undecided(self) -> bool:
        """Whether a candidate is on display, or about to be, that was not kept."""
        return self._scene is not None and self._scene.undecided

    def go(self, plane: PlaneIndex) -> None:
        """Show what is shown from now on in another plane of a stack."""
        if plane != self._plane:
            self._plane = plane
            self._hovered = None
            self.show(None)

    def show(self, scene: Scene | None) -> None:
        """Show candidates; nothing for None."""
        if scene is not None:
            self._ensure_layer()
            if scene == self._scene:
                return  # drawing large ones takes a while
            if scene.shown is not None:
                self.level = scene.candidates[scene.shown].level
        self._scene = scene
        if scene is None:
            self._drawn = None
            self._composer.clear()
            self._display()
        else:
            self._composer.ask(scene)

    def hover(self, overlay: Overlay | None) -> None:
        """Show what lies under the mouse, unless there is something to decide about."""
        self._hovered = None if self.undecided else overlay
        self._display()

    def place(self) -> None:
        """Follow the image to where it is now."""
        y, x = (self._on_layer or _NOTHING).box[:2]
        make.place(self.layer, self.image, self.frame, self.frame.origin(self._plane, y, x))

    def close(self) -> None:
        """Hide the layer, for a later session on the image."""
        self._hovered = None
        self.show(None)
        self._composer.cancel()
        self.layer.visible = False

    def _on_composed(self, scene: Scene, job: Job) -> None:
        if job.error is not None:
            raise job.error
        # An earlier step through the same candidates is nearer than what is on the screen.
        if self._scene is not None and scene.candidates == self._scene.candidates:
            self._drawn = job.result
            if self.undecided:
                self._hovered = None
            self._display()

    def _display(self) -> None:
        overlay = self._hovered or self._drawn
        if overlay is self._on_layer:
            return
        self._on_layer = overlay
        if overlay is not None:
            self._ensure_layer()
        self.layer.data = self.frame.one_plane((overlay or _NOTHING).rgba)
        if overlay is not None:
            self.place()

    def _ensure_layer(self) -> None:
        # The user may have deleted it, perhaps with the image, which ends the session soon.
        if self.layer not in self._layers and self.image in self._layers:
            index = make.index_below_prompts(self._layers, self.image)
            make.insert_quietly(self._layers, index, self.layer)


def preview_layer(image: Image, frame: Frame) -> Image:
    """Return a layer that shows nothing yet."""
    options = make.tool_options(image, PREVIEW, frame)
    return Image(frame.one_plane(_NOTHING.rgba), rgb=True, **options)
