"""Bring a part of a picture into view."""

from __future__ import annotations

import napari.viewer
import numpy as np
from napari.layers import Layer

_SMALLEST, _LARGEST = 1 / 12, 3 / 4
"""Share of the canvas that something may take and the zoom still stays as it is."""
_SHARE = 1 / 3


def look_at(
    viewer: napari.viewer.Viewer, layer: Layer, box: tuple[float, float, float, float]
) -> None:
    """Centre the camera on a box, and zoom if it would look tiny or not fit.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Layer
        Two-dimensional, to whose pixels the box belongs.
    box : (y0, x0, y1, x1)
        Edges of pixels.
    """
    # napari puts whole numbers at the centres of pixels.
    corners = [layer.data_to_world((y - 0.5, x - 0.5)) for y, x in (box[:2], box[2:])]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    camera = viewer.scene.camera
    camera.center = (camera.center[0], *(low + high)[-2:] / 2)
    canvas = min(viewer.canvas.size)
    side = float(max((high - low)[-2:]))
    if not _SMALLEST * canvas <= side * camera.zoom <= _LARGEST * canvas:
        camera.zoom = _SHARE * canvas / side
