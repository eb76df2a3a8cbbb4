"""The candidate on display, as a layer between the image and the prompts."""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Image
from napari.utils.transforms import Affine

from napari_semantic_sam.annotation.overlay import Rgba, draw_overlay
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.tables import LEVEL_COLOURS, PREVIEW

_NOTHING = np.zeros((1, 1, 4), dtype=np.uint8)


class Preview:
    """Shows one candidate over an image, as a picture no larger than its box.

    Parameters
    ----------
    layers : LayerList
    image : Image
        What the candidates were found in.
    """

    def __init__(self, layers: LayerList, image: Image) -> None:
        self._layers = layers
        self._image = image
        self._shown: Candidate | None = None
        self._shown_kept = False
        self.layer = make.find_tool(layers, image, PREVIEW) or Image(
            _NOTHING, rgb=True, **make.tool_options(image, PREVIEW)
        )
        make.put_on_top(layers, self.layer)
        self.layer.visible = True
        self.show(None)
        self.place()

    def show(self, candidate: Candidate | None, *, kept: bool = False) -> None:
        """Show a candidate, only its outline if it was kept; nothing for None."""
        if candidate is not None:
            self._ensure_layer()
            if candidate is self._shown and kept == self._shown_kept:
                return  # drawing a large one takes a while
        self._shown, self._shown_kept = candidate, kept
        if candidate is None:
            self.layer.data = _NOTHING
        else:
            self.layer.data = _draw(candidate, kept)
            self._move_to_box()

    def place(self) -> None:
        """Follow the image to where it is now."""
        make.place(self.layer, self._image)
        self._move_to_box()

    def close(self) -> None:
        """Hide the layer, for a later session on the image."""
        self.show(None)
        self.layer.visible = False

    def _ensure_layer(self) -> None:
        # The user may have deleted it.
        if self.layer not in self._layers:
            index = make.index_below_prompts(self._layers, self._image)
            make.insert_quietly(self._layers, index, self.layer)

    def _move_to_box(self) -> None:
        if self._shown is not None:
            image = self._image
            # The part of the image's placement that comes before its `affine`.
            to_physical = Affine(
                scale=image.scale, translate=image.translate, rotate=image.rotate, shear=image.shear
            )
            self.layer.translate = to_physical(self._shown.box[:2])


def _draw(candidate: Candidate, kept: bool) -> Rgba:
    colour = LEVEL_COLOURS[(candidate.level - 1) % len(LEVEL_COLOURS)]
    return draw_overlay(candidate, colour, filled=not kept)
