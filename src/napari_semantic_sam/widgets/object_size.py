"""How large the shapes are that a user drew over typical objects."""

from __future__ import annotations

import math
import statistics

import napari.viewer
from napari.layers import Image

from napari_semantic_sam.widgets.automatic.region import Ring, selected_shapes
from napari_semantic_sam.widgets.frame import Channels, frame_of


def size_of_selected(viewer: napari.viewer.Viewer, image: Image, channels: Channels | None) -> int:
    """Return the size of the selected shapes, in pixels of an image.

    Of a shape it is the side of the square that is as large as the box around it, of a line or
    path the diagonal of that box; of several shapes, the median.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : Image
    channels : Channels, optional
        The axis of channels, of the image's data.

    Raises
    ------
    UserError
        If no shape is selected, none lies on the image, or the viewer shows volumes.
    """
    frame = frame_of(image, viewer.dims, channels.axis if channels else None)
    shapes = selected_shapes(viewer, image, frame)
    return max(1, round(statistics.median(_size(*shape) for shape in shapes)))


def _size(is_closed: bool, ring: Ring) -> float:
    """Return the size of a shape; a line along an axis has a box without area."""
    width, height = ring.max(axis=0) - ring.min(axis=0)
    return math.sqrt(width * height) if is_closed else math.hypot(width, height)
