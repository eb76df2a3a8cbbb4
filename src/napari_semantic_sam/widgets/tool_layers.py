"""The layers that serve a session, inserted one at a time."""

from __future__ import annotations

from collections.abc import Callable

from napari.components import LayerList
from napari.layers import Image, Layer

from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.preview import preview_layer
from napari_semantic_sam.widgets.prompt_marks import boxes_layer, clicks_layer
from napari_semantic_sam.widgets.tables import BOXES, CLICKS, PREVIEW

_MAKERS: dict[str, Callable[[Image, Frame], Layer]] = {
    PREVIEW: preview_layer,
    BOXES: boxes_layer,
    CLICKS: clicks_layer,
}


def insert_next_tool(layers: LayerList, image: Image, frame: Frame) -> bool:
    """Insert one layer that a session on an image needs and that is not there, hidden.

    napari takes up to a tenth of a second for each.

    Returns
    -------
    bool
        False if all were there.
    """
    for role, make_layer in _MAKERS.items():
        if make.find_tool(layers, image, role) is None:
            layer = make_layer(image, frame)
            layer.visible = False
            make.insert_quietly(layers, len(layers), layer)
            return True
    return False
