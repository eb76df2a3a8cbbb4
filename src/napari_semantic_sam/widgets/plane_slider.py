"""The plane of an image that the sliders of the viewer are at."""

from __future__ import annotations

from collections.abc import Callable

import napari.viewer
from napari.layers import Image

from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.widgets.frame import Frame


class PlaneSlider:
    """Hears when another plane is on display, and goes to planes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : Image
    frame : Frame
        Its axes.
    on_plane : bound method
        Called with a plane after the user has gone to it.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        image: Image,
        frame: Frame,
        on_plane: Callable[[PlaneIndex], None],
    ) -> None:
        self._viewer = viewer
        self._image = image
        self._frame = frame
        self._on_plane = on_plane
        self._plane: PlaneIndex = (0,) * len(frame.walked)
        self._plane = self.plane
        self._is_moving = False
        viewer.dims.events.point.connect(self._on_point)

    @property
    def plane(self) -> PlaneIndex:
        """The plane on display, or the nearest one if the sliders are beside the image."""
        dims = self._viewer.dims
        if dims.ndim < self._frame.ndim:  # the image is being removed
            return self._plane
        return self._frame.plane_of(self._image.world_to_data(dims.point))

    def go(self, plane: PlaneIndex) -> None:
        """Show a plane, without telling anybody."""
        self._plane = plane
        dims, frame = self._viewer.dims, self._frame
        where = self._image.data_to_world(frame.origin(plane))
        self._is_moving = True
        try:
            for axis in frame.walked:
                dims.set_point(axis - frame.ndim + dims.ndim, float(where[axis]))
        finally:
            self._is_moving = False

    def close(self) -> None:
        """Hear nothing more."""
        self._viewer.dims.events.point.disconnect(self._on_point)

    def _on_point(self) -> None:
        plane = self._plane if self._is_moving else self.plane
        if plane != self._plane:
            self._plane = plane
            self._on_plane(plane)
