"""How large the shapes are that a user drew over typical objects."""

from __future__ import annotations

import math
import statistics

import napari.viewer
from napari.layers import Image

from napari_semantic_sam.widgets.automatic.region import selected_region
from napari_semantic_sam.widgets.frame import Channels, frame_of


def size_of_selected(viewer: napari.viewer.Viewer, image: Image, channels: Channels | None) -> int:
    """Return the size of the selected shapes, in pixels of an image.

    Of a shape it is the side of the square that is as large as the box around it; of
    several shapes, the median.

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
    region = selected_region(viewer, image, frame)
    corners = [ring.max(axis=0) - ring.min(axis=0) for (ring,) in region.polygons]
    return max(1, round(statistics.median(math.sqrt(x * y) for x, y in corners)))
