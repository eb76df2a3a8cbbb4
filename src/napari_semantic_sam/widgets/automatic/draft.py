"""Masks as they are found, before they are labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels

from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.tables import DRAFT

_COLOURS = np.iinfo(np.uint16).max


class DraftLayer:
    """A layer of its own for masks of a run, smaller ones above larger ones.

    Parameters
    ----------
    layers : LayerList
    image : Image
        In which they are found.
    frame : Frame
        Its axes.
    plane : tuple of int
        Which of its planes.
    """

    def __init__(self, layers: LayerList, image: Image, frame: Frame, plane: PlaneIndex) -> None:
        self._layers = layers
        self._drawn = 0
        self._pixels = np.zeros(frame.shape, dtype=np.uint16)
        options = make.tool_options(image, DRAFT, frame)
        options |= frame.placement(image, frame.origin(plane))
        self.layer = Labels(frame.one_plane(self._pixels), opacity=0.5, **options)
        self.layer.editable = False
        make.insert_quietly(layers, make.index_below_prompts(layers, image), self.layer)

    def draw(self, masks: Sequence[Candidate]) -> None:
        """Add masks to those on display."""
        for mask in sorted(masks, key=lambda each: -each.area):
            y0, x0, y1, x1 = mask.box
            self._drawn = self._drawn % _COLOURS + 1
            self._pixels[y0:y1, x0:x1][mask.crop] = self._drawn
        self.layer.refresh()

    def remove(self) -> None:
        """Take the layer away, unless the user did."""
        if self.layer in self._layers:
            was_active = self._layers.selection.active == self.layer
            self._layers.remove(self.layer)
            if was_active:
                self._layers.selection.active = None
