"""Putting our layers where their image is."""

from __future__ import annotations

import numpy as np
from panel_actions import CELLS

from napari_semantic_sam.widgets.frame import frame_of
from napari_semantic_sam.widgets.layers import place


def test_a_layer_that_lies_right_is_left_alone(viewer_model):
    options = {"scale": (2, 3), "translate": (5, 6), "rotate": 30}
    image = viewer_model.add_image(CELLS, **options)
    layer = viewer_model.add_image(np.zeros((4, 5)))
    frame = frame_of(image, viewer_model.dims)
    heard = []
    for name in ("scale", "translate", "rotate", "shear", "affine"):
        getattr(layer.events, name).connect(lambda event: heard.append(event.type))
    place(layer, image, frame)
    assert heard == ["scale", "translate", "rotate"]
    np.testing.assert_allclose(layer.data_to_world((1, 2)), image.data_to_world((1, 2)))
    place(layer, image, frame)
    assert len(heard) == 3
    image.translate = (7, 8)
    place(layer, image, frame)
    assert heard[3:] == ["translate"]
    np.testing.assert_allclose(layer.data_to_world((1, 2)), image.data_to_world((1, 2)))
