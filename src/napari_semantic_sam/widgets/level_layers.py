"""The labels of a session's levels as napari layers, kept in step both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from napari.components import LayerList
from napari.layers import Image, Labels
from napari.utils.events import Event

from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.label_chunks import ChunkedLabels
from napari_semantic_sam.inference.label_runs import measure
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.history_keys import HistoryKeys
from napari_semantic_sam.widgets.large_labels import Labels as LargeLabels
from napari_semantic_sam.widgets.level_data import LevelData
from napari_semantic_sam.widgets.quiet import Quiet
from napari_semantic_sam.widgets.strokes import read_stroke


class LevelLayers:
    """Shares the arrays of a session's levels with Labels layers, one per level.

    Level layers the image has already are taken over; of a large picture, in a layer of
    `large_labels`. What the user does to one of them, a stroke, other data, deleting it or
    opening one from a file, becomes a step of the session.

    Parameters
    ----------
    layers : LayerList
    image : Image
    frame : Frame
        Its axes.
    session : AnnotationSession
    record : mapping
        ``{checkpoint, level_order}``, noted in the layers that are written to.
    keys : HistoryKeys
        For every level layer.
    on_edit : callable
        Called after an edit of the user was picked up.
    """

    def __init__(
        self,
        layers: LayerList,
        image: Image,
        frame: Frame,
        session: AnnotationSession,
        record: Mapping[str, Any],
        keys: HistoryKeys,
        on_edit: Callable[[], None],
    ) -> None:
        self._layers = layers
        self._image = image
        self._frame = frame
        self._session = session
        self._data = LevelData(session.levels, frame)
        self._record = record
        self._keys = keys
        self._tell = on_edit
        self._connected: dict[int, Labels] = {}
        self._deleted: dict[int, Labels] = {}
        self._tables: dict[Labels, Any] = {}
        self._shown: dict[Labels, list[LabelRow]] = {}
        self._refreshed: set[Labels] = set()
        self._spare: set[Labels] = set()
        self._quietly = Quiet()
        self._begin()

    def layer(self, level: int) -> Labels | None:
        """Return the layer of a level, None if there is none."""
        return self._connected.get(level)

    def label_at(self, level: int, position: tuple[float, ...]) -> int:
        """Return the label of a level on the screen at a world position, 0 for none."""
        layer = self._connected.get(level)
        found = layer.get_value(position, world=True) if layer else None
        if isinstance(found, tuple):  # a multiscale layer says on which scale it looked
            found = found[1]
        return int(found or 0)

    def level_of(self, layer: object) -> int | None:
        """Return the level that a layer shows, None if it is none of these."""
        # Not by identity, because plugins get some layers in a wrapper.
        return next((level for level, each in self._connected.items() if each == layer), None)

    def reconcile(self) -> None:
        """Pick up what happened to level layers that no event tells."""
        found = self._find()
        for level, layer in list(self._connected.items()):
            if found.get(level) != layer:
                self._lose(level, layer)
        for level, layer in sorted(found.items()):
            if level not in self._connected:
                self._adopt(level, layer)
            elif self._is_drawn_on(level, layer):
                self._take_over(level, layer)
            elif not self._tables[layer].equals(layer.features):
                self._read_rows(level, layer)

    def newly_spare(self) -> list[Labels]:
        """Return the layers, new since the last call, of levels that have a layer already."""
        every = make.all_level_layers(self._layers, self._image, self._frame.own_lengths)
        spare = [layer for level, layer in every if self.layer(level) != layer]
        new = [layer for layer in spare if layer not in self._spare]
        self._spare = set(spare)
        return new

    def show(self, levels: Iterable[int], facts: Iterable[int] = ()) -> None:
        """Show what the session did; layers come and go as needed.

        Parameters
        ----------
        levels : iterable of int
            Those in which pixels changed.
        facts : iterable of int
            Those in which only facts about labels changed.
        """
        changed = set(levels)
        present = changed.intersection(self._session.levels.levels)
        gone = changed.intersection(self._connected) - present
        if gone:
            with self._layers.batched_update():  # napari tidies up after each batch, slowly
                for level in sorted(gone):
                    self._take_away(level)
        for level in sorted(present):
            self._show_pixels(level)
        self._show_rows(min(changed.union(facts), default=0))

    def show_all(self) -> None:
        """Show every level as it is now."""
        self.show({*self._session.levels.levels, *self._connected})

    def place(self) -> None:
        """Follow the image to where it is now."""
        for layer in self._connected.values():
            make.place(layer, self._image, self._frame)

    def close(self) -> None:
        """Stop listening to the layers, which stay."""
        for level in list(self._connected):
            self._disconnect(level)

    def _begin(self) -> None:
        """Bring layers and a session that has labels already, or none, together."""
        present = self._session.levels.levels
        found = make.level_layers(self._layers, self._image, self._frame.own_lengths)
        for level, layer in sorted(found.items()):  # so that parents are looked for once
            if level not in present:
                self._session.levels.attach(level, self._data.in_layer(layer), make.rows_in(layer))
            self._connect(level, self._fitting(level, layer))
        copied = {level for level in found if not self._data.is_in(level, self._connected[level])}
        self.show({*present, *copied})
        self._show_rows(min(found, default=0))

    def _find(self) -> dict[int, Labels]:
        """Return the level layers there are; of several of one level, the one in use."""
        shape = self._frame.own_lengths
        used = [layer for layer in self._connected.values() if layer in self._layers]
        found = make.level_layers(self._layers, self._image, shape)
        return found | make.level_layers(used, self._image, shape)

    def _show_pixels(self, level: int) -> None:
        with self._quietly():
            if level in self._connected:
                self._update(level, self._connected[level])
            else:
                self._bring(level)
            layer = self._connected[level]
            make.note(layer, self._record)
        self._refreshed.discard(layer)

    def _update(self, level: int, layer: Labels) -> None:
        """Have a layer show the labels of a level as they are now."""
        labels = self._session.levels.store(level)
        if isinstance(layer, LargeLabels) and isinstance(labels, ChunkedLabels):
            layer.show_labels(labels, self._frame)
        elif not self._data.is_in(level, layer):
            layer.data = self._data.of(level)
        else:
            layer.refresh(extent=False)

    def _bring(self, level: int) -> None:
        """Insert a layer for a level, the one that was there before if there was one."""
        layer = self._deleted.pop(level, None)
        if layer is None:
            layer, visible = self._new_layer(level, visible=False), True
        else:
            make.place(layer, self._image, self._frame)
            visible, layer.visible = layer.visible, False
            self._update(level, layer)
        index = make.index_below_finer(self._layers, self._image, level)
        make.insert_quietly(self._layers, index, layer)
        layer.visible = visible  # not before, or napari draws it more than once
        self._connect(level, layer)

    def _show_rows(self, changed: int) -> None:
        """Show the rows of a level and of finer ones, which may have other parents now."""
        for level, layer in self._connected.items():
            rows = self._session.levels.rows(level)
            # Many labels take a while, and those of other levels are mostly as they were.
            if level == changed or (level > changed and rows != self._shown.get(layer)):
                make.show_rows(layer, rows)
                self._shown[layer] = rows
                self._tables[layer] = layer.features.copy()

    def _take_away(self, level: int) -> None:
        layer = self._disconnect(level)
        self._deleted[level] = layer
        was_active = self._layers.selection.active == layer  # it may be in a wrapper
        self._layers.remove(layer)
        if was_active:  # the keys of undo and redo work in layers of the session only
            self._layers.selection.active = self._image

    def _lose(self, level: int, layer: Labels) -> None:
        """Make a step of a layer that was deleted, or turned into something else."""
        self._disconnect(level)
        if layer not in self._layers:
            self._deleted[level] = layer
        self._session.settle()  # which may be what takes the level away
        if level in self._session.levels.levels:
            self._session.remove_level(level)
        self._show_rows(level)

    def _adopt(self, level: int, layer: Labels) -> None:
        self._deleted.pop(level, None)
        self._session.replace_level(level, self._data.in_layer(layer), make.rows_in(layer))
        self._connect(level, self._fitting(level, layer))
        if not self._data.is_in(level, self._connected[level]):
            self._show_pixels(level)
        self._show_rows(level)

    def _take_over(self, level: int, layer: Labels) -> None:
        self._session.adopt(level, self._data.in_layer(layer), make.rows_in(layer))
        self._show_rows(level)

    def _fitting(self, level: int, layer: Labels) -> Labels:
        """Return a layer that can share the labels of a level, in place of one that cannot."""
        if self._data.fits(level, layer):
            return layer
        other = self._new_layer(level, visible=layer.visible)
        other.metadata, other.features = layer.metadata, layer.features
        other.name, other.opacity = layer.name, layer.opacity
        other.colormap = layer.colormap
        index, was_active = self._layers.index(layer), self._layers.selection.active == layer
        with self._quietly():
            self._layers.remove(layer)
            make.insert_quietly(self._layers, index, other)
        if was_active:
            self._layers.selection.active = other
        return other

    def _new_layer(self, level: int, *, visible: bool) -> Labels:
        data = self._data.of(level)
        return make.level_layer(self._image, level, data, self._frame, visible=visible)

    def _is_drawn_on(self, level: int, layer: Labels) -> bool:
        """Whether something wrote pixels that neither the session nor the user's brush wrote.

        Only the plane on display is looked at.
        """
        if layer not in self._refreshed or isinstance(layer, LargeLabels):
            return False
        self._refreshed.discard(layer)
        levels = self._session.levels
        measured = measure(levels.plane_array(level), (0, 0))
        return levels.areas(level) != {index: area for index, (area, _) in measured.items()}

    def _read_rows(self, level: int, layer: Labels) -> None:
        """Make a step of facts, such as names, that were written into the features."""
        columns, shown, table = list(COLUMNS), self._tables[layer], layer.features
        rows = make.rows_in(layer)
        if rows and not table[columns].equals(shown[columns]):
            self._session.replace_level(level, self._data.in_layer(layer), rows)
        self._show_rows(level)

    def _connect(self, level: int, layer: Labels) -> None:
        self._connected[level] = layer
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_data)
        layer.events.set_data.connect(self._on_refresh)
        self._keys.bind(layer)

    def _disconnect(self, level: int) -> Labels:
        layer = self._connected.pop(level)
        layer.events.paint.disconnect(self._on_paint)
        layer.events.data.disconnect(self._on_data)
        layer.events.set_data.disconnect(self._on_refresh)
        self._keys.unbind(layer)
        self._tables.pop(layer, None)
        self._shown.pop(layer, None)
        self._refreshed.discard(layer)
        return layer

    def _on_paint(self, event: Event) -> None:
        layer, level = event.source, self.level_of(event.source)
        if level is None:
            return
        self._session.settle()  # before the stroke is taken out of the pixels again
        if isinstance(layer, LargeLabels):
            self.reconcile()
            self._session.record_drawn(level, event.value)
        else:
            self._record_stroke(level, event)
        self._show_rows(level)
        self._tell()

    def _record_stroke(self, level: int, event: Event) -> None:
        layer = event.source
        region, before, after = read_stroke(event.value, layer.data)
        # The session remembers it. Two memories would not agree once one of them is used.
        event.value.clear()
        layer.data[region] = before  # for what may have to be counted first
        self.reconcile()
        first, box = self._frame.region(region)
        old, new = self._frame.in_session(before), self._frame.in_session(after)
        self._session.record_stroke(level, box, old, new, first)

    def _on_data(self, event: Event) -> None:
        layer, level = event.source, self.level_of(event.source)
        if self._quietly.is_on or level is None:
            return
        if self._data.is_in(level, layer):
            return
        if make.level_layers([layer], self._image, self._frame.own_lengths):
            self._session.replace_level(level, self._data.in_layer(layer), make.rows_in(layer))
            self.show([level])
        else:  # what it is now cannot be a level of this picture
            self.reconcile()
        self._tell()

    def _on_refresh(self, event: Event) -> None:
        if not self._quietly.is_on:
            self._refreshed.add(event.source)
