"""The labels of a picture's levels as napari layers, kept in step both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels
from napari.utils.events import Event

from napari_semantic_sam.inference.label_runs import Window, hull
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
    on_stroke : callable
        Called after a stroke of the user was picked up.
    """

    def __init__(
        self,
        layers: LayerList,
        image: Image,
        shape: tuple[int, int],
        record: Mapping[str, Any],
        on_stroke: Callable[[], None],
    ) -> None:
        self.labels = LevelLabels(shape)
        self._layers = layers
        self._image = image
        self._record = record
        self._tell = on_stroke
        self._connected: dict[int, Labels] = {}
        self._edited: set[Labels] = set()
        self._announced: dict[Labels, Window] = {}
        self.reconcile()

    def reconcile(self) -> None:
        """Take over level layers that appeared, forget those the user deleted."""
        found = make.level_layers(self._layers, self._image, self.labels.shape)
        for level, layer in list(self._connected.items()):
            if found.get(level) != layer:
                self._disconnect(level)
                self.labels.detach(level)
                self._show_rows(level)
        for level, layer in sorted(found.items()):  # so that parents are looked for once
            if level not in self._connected:
                self._connect(level, layer)
                self._edited.add(layer)
        self._take_over_edits()

    def show(self, level: int) -> None:
        """Show what was written into a level in its layer, made if need be."""
        if level not in self._connected:
            layer = make.level_layer(self._image, level, self.labels.array(level))
            index = make.index_below_finer(self._layers, self._image, level)
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
        edited = [
            (level, each) for level, each in sorted(self._connected.items()) if each in self._edited
        ]
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
        layer.events.labels_update.connect(self._on_drawn)
        layer.events.set_data.connect(self._on_edit)

    def _disconnect(self, level: int) -> None:
        layer = self._connected.pop(level)
        layer.events.paint.disconnect(self._on_stroke)
        layer.events.labels_update.disconnect(self._on_drawn)
        layer.events.set_data.disconnect(self._on_edit)

    def _on_stroke(self, event: Event) -> None:
        layer, window = event.source, _window_of(event.value)
        if window is not None and not _is_written(layer, event.value[-1]):
            self._announced[layer] = window  # the bucket tells before it pours
        else:
            self._take_over_stroke(layer, window)

    def _on_drawn(self, event: Event) -> None:
        if event.source in self._announced:
            self._take_over_stroke(event.source, self._announced.pop(event.source))

    def _take_over_stroke(self, layer: Labels, window: Window | None) -> None:
        level = next(level for level, each in self._connected.items() if each is layer)
        if window is None or layer in self._edited or layer.data is not self.labels.array(level):
            self._edited.add(layer)
            self.reconcile()
        else:  # counting the whole picture after every stroke would be felt
            self.labels.refresh(level, window, make.rows_in(layer))
            self._show_rows(level)
        self._tell()

    def _on_edit(self, event: Event) -> None:
        self._edited.add(event.source)


def _window_of(stroke: Sequence[Any]) -> Window | None:
    """Return what surrounds the changes in an item of a layer's history, if it is known."""
    parts = []
    for where, *_ in stroke:
        if all(isinstance(along, slice) for along in where):
            parts.append(where)
        else:  # indices, which come from other edits and older releases of napari
            parts.append(tuple(slice(int(i.min()), int(i.max()) + 1) for i in where))
    return hull(parts) if parts else None


def _is_written(layer: Labels, atom: tuple[Any, ...]) -> bool:
    """Whether an atom of history, of which the last item is the new value, is in the data."""
    changed = layer.data[atom[0]]
    mask = getattr(atom, "mask", None)
    return bool(np.all((changed if mask is None else changed[mask]) == atom[-1]))
