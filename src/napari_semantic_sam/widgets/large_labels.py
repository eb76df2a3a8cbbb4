"""A Labels layer of a large plane, which can be drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import napari.layers
import numpy as np
from napari.utils.events import Event
from napari.utils.notifications import show_info

from napari_semantic_sam.annotation.drawing import Stroke, disc, same_label
from napari_semantic_sam.inference.label_chunks import ChunkedLabels
from napari_semantic_sam.inference.polygons import fill
from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.label_pyramid import Pyramid
from napari_semantic_sam.widgets.messages import MESSAGES


# The same name as napari's, because napari finds icons, writers and menus of a layer by it.
class Labels(napari.layers.Labels):
    """A multiscale Labels layer whose brush, eraser, bucket and polygon work.

    napari reads of a multiscale layer only what is on the screen, but draws on arrays only.
    Its tools call the methods below, which draw into blocks instead. A finished stroke is
    announced as `paint`, with what `Stroke.drawn` returns as its value.
    """

    pyramid: Pyramid
    _unfinished: Stroke | None = None
    _goes_on: bool = False

    @property
    def shows_pyramid(self) -> bool:
        """Whether it has the data it was made with, and not others that a user gave it."""
        return bool(self.data[0] is self.pyramid.levels[0])

    @property
    def selected_label(self) -> int:
        """The label that is drawn."""
        number: int = super().selected_label
        return number

    @selected_label.setter
    def selected_label(self, label: int | tuple[int, int | None]) -> None:
        # napari's pick tool hands over (level of the pyramid, label).
        number = (label[1] or 0) if isinstance(label, tuple) else label
        napari.layers.Labels.selected_label.fset(self, number)

    def paint(self, coord: Sequence[float], new_label: int, refresh: bool = True) -> None:
        """Draw with the brush, in the plane that a coordinate lies in."""
        frame = self.pyramid.frame
        sides = (abs(float(self.scale[frame.y])), abs(float(self.scale[frame.x])))
        mask = disc(frame.pixel(coord), self.brush_size, sides, frame.shape)
        self._write_mask(coord, mask, new_label)
        if refresh and not self._goes_on:
            self.end_stroke()

    def paint_polygon(self, points: Any, new_label: int) -> None:
        """Draw a polygon, in the plane that its first corner lies in."""
        corners = np.asarray(points, dtype=float)
        ring = self.pyramid.frame.pixels(corners)[:, ::-1] + 0.5
        self._write_mask(corners[0], fill([[ring]], self.pyramid.frame.shape), new_label)
        if not self._goes_on:
            self.end_stroke()

    def fill(self, coord: Sequence[float], new_label: int, refresh: bool = True) -> None:
        """Give a label, or the piece of it under the mouse, another number."""
        frame, labels = self.pyramid.frame, self.pyramid.labels
        pixel = tuple(int(np.round(each)) for each in frame.pixel(coord))
        if not all(0 <= each < length for each, length in zip(pixel, frame.shape, strict=True)):
            return
        plane = frame.plane_of(coord)
        old = int(labels[(*plane, *pixel)])
        if old == 0:
            show_info(MESSAGES["no bucket"])
        elif old != new_label:
            mask = same_label(labels, plane, (pixel[0], pixel[1]), connected=self.contiguous)
            self._write_mask(coord, mask, new_label)
        if refresh and not self._goes_on:
            self.end_stroke()

    @contextmanager
    def block_history(self) -> Iterator[None]:
        """Make all that is drawn in a ``with`` statement one stroke."""
        before, self._goes_on = self._goes_on, True
        try:
            yield
        finally:
            self._goes_on = before
        if not before:
            self.end_stroke()

    def show_stroke(self) -> None:
        """Show what was drawn so far."""
        if self._unfinished:
            self.refresh(extent=False, thumbnail=False)

    def end_stroke(self) -> None:
        """Announce what was drawn since the last time, if anything was."""
        stroke, self._unfinished = self._unfinished, None
        drawn = stroke.drawn() if stroke else []
        if drawn:
            self.events.paint(value=drawn)
            self.show_again()

    def show_labels(self, labels: ChunkedLabels, frame: Frame) -> None:
        """Show labels, others or the same ones after they changed."""
        self.pyramid.show(labels, frame)
        self.refresh(extent=False)

    def show_again(self) -> None:
        """Show the labels after they changed."""
        self.show_labels(self.pyramid.labels, self.pyramid.frame)

    def _write_mask(self, coord: Sequence[float], mask: CroppedMask, label: int) -> None:
        over = None
        if self.preserve_labels:
            over = self.selected_label if label == 0 else 0
        self._unfinished = self._unfinished or Stroke(self.pyramid.labels)
        self._unfinished.write(self.pyramid.frame.plane_of(coord), mask, label, over)


def large_labels(labels: ChunkedLabels, frame: Frame, **options: Any) -> Labels:
    """Return a layer for labels of a large plane.

    Parameters
    ----------
    labels : ChunkedLabels
        Shared with the layer.
    frame : Frame
        How their axes are those of the layer.
    **options
        Of a Labels layer.
    """
    pyramid = Pyramid(labels, frame)
    layer = Labels(pyramid.levels, multiscale=True, **options)
    layer.pyramid = pyramid
    layer.editable = True  # napari says no to all multiscale layers
    layer.mouse_drag_callbacks.append(_follow_stroke)
    return layer


def _follow_stroke(layer: Labels, event: Event) -> Iterator[None]:
    """Show a stroke while the mouse is moved, and end it when its button is let go."""
    yield
    while event.type == "mouse_move":
        layer.show_stroke()
        yield
    layer.end_stroke()
