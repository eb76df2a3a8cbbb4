"""Bring a part of a picture into view."""

from __future__ import annotations

import napari.viewer
import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from napari_semantic_sam.widgets.frame import Coordinates

_SMALLEST, _LARGEST = 1 / 12, 3 / 4
"""Share of the canvas that something may take and the zoom still stays as it is."""
_SHARE = 1 / 3


def look_at(viewer: napari.viewer.Viewer, layer: Layer, corners: Coordinates) -> None:
    """Centre the camera on a box, and zoom if it would look tiny or not fit.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Layer
        In which the box is.
    corners : (2, ndim) array
        Of the box, in coordinates of the layer's data; see `Frame.corners`.
    """
    low, high = _in_world(viewer, layer, corners)
    camera = viewer.scene.camera
    camera.center = (camera.center[0], *(low + high) / 2)
    canvas = min(viewer.canvas.size)
    side = float(max(high - low))
    if not _SMALLEST * canvas <= side * camera.zoom <= _LARGEST * canvas:
        camera.zoom = _SHARE * canvas / side


def is_in_view(viewer: napari.viewer.Viewer, layer: Layer, corners: Coordinates) -> bool:
    """Whether the middle of a box is on the screen; parameters are those of `look_at`."""
    low, high = _in_world(viewer, layer, corners)
    camera = viewer.scene.camera
    offset = np.abs((low + high) / 2 - np.array(camera.center[-2:]))
    return bool((offset <= np.array(viewer.canvas.size) / camera.zoom / 2).all())


def _in_world(
    viewer: napari.viewer.Viewer, layer: Layer, corners: Coordinates
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the smallest and the largest coordinates of a box along the axes on the screen."""
    shown = [axis - viewer.dims.ndim for axis in viewer.dims.displayed[-2:]]
    world = np.array([layer.data_to_world(each) for each in corners])[:, shown]
    return world.min(axis=0), world.max(axis=0)
