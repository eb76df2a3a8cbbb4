"""The labels of a picture's levels as napari layers, kept in step both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.components import LayerList
from napari.layers import Image, Labels
from napari.utils.events import Event

from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets import layers as make


class LevelLayers:
    """Shares the arrays of a `LevelLabels` with Labels layers, one per level.

    Level layers the image has already are taken over. A stroke of the user's brush is
    picked up when it ends, other edits (undo, new data) before the next mask is kept.

    Parameters
    ----------
    layers : LayerList
    image : Image
    shape : (height, width)
        Of the picture.
    record : mapping
        ``{checkpoint, level_order}``, noted in the layers that are written to.
    """

    def __init__(
        self, layers: LayerList, image: Image, shape: tuple[int, int], record: Mapping[str, Any]
    ) -> None:
        self.labels = LevelLabels(shape)
        self._layers = layers
        self._image = image
        self._record = record
        self._connected: dict[int, Labels] = {}
        self._edited: set[Labels] = set()
        self.reconcile()

    def reconcile(self) -> None:
        """Take over level layers that appeared, forget those the user deleted."""
        found = make.level_layers(self._layers, self._image.name, self.labels.shape)
        for level, layer in list(self._connected.items()):
            if found.get(level) != layer:
                self._disconnect(level)
                self.labels.detach(level)
                self._show_rows(level)
        for level, layer in found.items():
            if level not in self._connected:
                self._connect(level, layer)
                self._edited.add(layer)
        self._take_over_edits()

    def show(self, level: int) -> None:
        """Show what was written into a level in its layer, made if need be."""
        if level not in self._connected:
            layer = make.level_layer(self._image, level, self.labels.array(level))
            index = make.index_below_finer(self._layers, self._image.name, level)
            make.insert_quietly(self._layers, index, layer)
            self._connect(level, layer)
        make.note(self._connected[level], self._record)
        self._show_rows(level)
        self._connected[level].refresh()
        self._edited.clear()  # what was drawn just now is no edit of the user's

    def place(self) -> None:
        """Follow the image to where it is now."""
        for layer in self._connected.values():
            make.place(layer, self._image)

    def disconnect(self) -> None:
        """Stop listening to the layers, which stay."""
        for level in list(self._connected):
            self._disconnect(level)

    def _take_over_edits(self) -> None:
        edited = [(level, each) for level, each in self._connected.items() if each in self._edited]
        for level, layer in edited:
            self.labels.attach(level, layer.data, make.rows_in(layer))
        if edited:
            self._show_rows(min(level for level, _ in edited))
        self._edited.clear()

    def _show_rows(self, changed: int) -> None:
        # Those of finer levels, too: their labels may have another parent now.
        for level, layer in self._connected.items():
            if level >= changed:
                make.show_rows(layer, self.labels.rows(level))

    def _connect(self, level: int, layer: Labels) -> None:
        self._connected[level] = layer
        layer.events.paint.connect(self._on_stroke)
        layer.events.set_data.connect(self._on_edit)

    def _disconnect(self, level: int) -> None:
        layer = self._connected.pop(level)
        layer.events.paint.disconnect(self._on_stroke)
        layer.events.set_data.disconnect(self._on_edit)

    def _on_stroke(self, event: Event) -> None:
        self._edited.add(event.source)
        self.reconcile()

    def _on_edit(self, event: Event) -> None:
        self._edited.add(event.source)
