"""Masks as they are found, before they are labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels

from napari_semantic_sam.inference.label_arrays import zeros
from napari_semantic_sam.inference.label_chunks import ChunkedLabels, within
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import slices_of
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.large_labels import Labels as LargeLabels
from napari_semantic_sam.widgets.large_labels import large_labels
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
    plane : tuple of int, optional
        The only one of its planes in which there will be masks; any when left out.
    """

    def __init__(
        self, layers: LayerList, image: Image, frame: Frame, plane: PlaneIndex | None = None
    ) -> None:
        self._layers = layers
        self._drawn = 0
        options = make.tool_options(image, DRAFT, frame) | {"opacity": 0.5}
        self._plane = plane
        if plane is not None:
            options |= frame.placement(image, frame.origin(plane))
            lengths = (1 if axis in frame.walked else n for axis, n in enumerate(frame.lengths))
            frame = replace(frame, lengths=tuple(lengths))
        self._pixels = zeros((*frame.stack, *frame.shape), np.uint16)
        if isinstance(self._pixels, ChunkedLabels):
            self.layer: Labels = large_labels(self._pixels, frame, **options)
        else:
            self.layer = Labels(frame.in_layer(self._pixels), **options)
        self.layer.editable = False
        make.insert_quietly(layers, make.index_below_prompts(layers, image), self.layer)

    def draw(self, plane: PlaneIndex, masks: Sequence[Candidate]) -> None:
        """Add masks of a plane to those on display."""
        place = plane if self._plane is None else (0,) * len(plane)
        for mask in sorted(masks, key=lambda each: -each.area):
            window = within(place, slices_of(mask.box))
            self._drawn = self._drawn % _COLOURS + 1
            self._pixels[window] = np.where(mask.crop, self._drawn, self._pixels[window])
        if isinstance(self.layer, LargeLabels):
            self.layer.show_again()
        else:
            self.layer.refresh(extent=False)

    def remove(self) -> None:
        """Take the layer away, unless the user did."""
        if self.layer in self._layers:
            was_active = self._layers.selection.active == self.layer
            self._layers.remove(self.layer)
            if was_active:
                self._layers.selection.active = None
