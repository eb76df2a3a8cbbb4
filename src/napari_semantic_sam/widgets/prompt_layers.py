"""Clicks and boxes as napari layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari.components import LayerList
from napari.layers import Image, Points, Shapes
from napari.layers.base import ActionType
from napari.utils.events import Event

from napari_semantic_sam.annotation.session import Coordinates
from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.tables import BOXES, CLICKS

_FINISHED = (ActionType.ADDED, ActionType.CHANGED, ActionType.REMOVED)


class PromptLayers:
    """A Points layer for clicks and a Shapes layer for boxes, ready to draw on.

    Those of an earlier session on the image are used again, with the prompts in them.

    Parameters
    ----------
    layers : LayerList
        Where they are added, clicks on top; clicks become active.
    image : Image
    shape : (height, width)
        Of the picture.
    on_change : callable
        Called with ``"click"`` or ``"box"`` after the user changed such prompts.
    """

    def __init__(
        self,
        layers: LayerList,
        image: Image,
        shape: tuple[int, int],
        on_change: Callable[[Kind], None],
    ) -> None:
        self._layers = layers
        self._on_change = on_change
        self._present: set[Kind] = {"click", "box"}
        self.boxes = make.find_tool(layers, image, BOXES) or make.boxes_layer(image, shape)
        self.clicks = make.find_tool(layers, image, CLICKS) or make.clicks_layer(image)
        for layer in (self.boxes, self.clicks):
            make.put_on_top(layers, layer)
            layer.visible = True
        self.place(image)
        # Not before: the controls of a layer show the mode it is given once it is in the viewer.
        self.boxes.mode = "add_rectangle"
        self.clicks.mode = "add"
        layers.selection.active = self.clicks
        self.clicks.events.data.connect(self._on_clicks)
        self.boxes.events.data.connect(self._on_boxes)

    def layer(self, kind: Kind) -> Points | Shapes:
        """Return the layer of a kind of prompt."""
        return self.clicks if kind == "click" else self.boxes

    def read(self, kind: Kind) -> list[Coordinates]:
        """Return the prompts of a kind."""
        return make.clicks_in(self.clicks) if kind == "click" else make.boxes_in(self.boxes)

    def drop(self, kind: Kind, indices: Sequence[int]) -> None:
        """Take prompts out of their layer."""
        self.layer(kind).remove(list(indices))

    def place(self, image: Image) -> None:
        """Follow the image to where it is now."""
        make.place(self.clicks, image)
        make.place(self.boxes, image)

    def newly_deleted(self) -> list[Kind]:
        """Return the kinds whose layer the user deleted since the last call."""
        gone = [kind for kind in self._present if self.layer(kind) not in self._layers]
        self._present -= set(gone)
        return gone

    def close(self) -> None:
        """Hide the layers, for a later session on the image."""
        self.clicks.events.data.disconnect(self._on_clicks)
        self.boxes.events.data.disconnect(self._on_boxes)
        self.clicks.visible = False
        self.boxes.visible = False

    def _on_clicks(self, event: Event) -> None:
        if event.action in _FINISHED:
            self._on_change("click")

    def _on_boxes(self, event: Event) -> None:
        if event.action in _FINISHED:
            self._on_change("box")
