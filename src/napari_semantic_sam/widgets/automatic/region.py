"""Where to look: the part of an image on the screen, or inside of what a user drew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import napari.viewer
import numpy as np
import numpy.typing as npt
from napari.layers import Image, Shapes

from napari_semantic_sam.annotation.editing import Label
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import PolygonRegion, Region
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.results import CroppedMask, around
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.prompt_marks import HALF_PIXEL, ellipse_outline

_OPEN = frozenset({"line", "path"})
"""Shapes that enclose nothing."""

Ring = npt.NDArray[np.float64]


def selected_region(viewer: napari.viewer.Viewer, image: Image, frame: Frame) -> PolygonRegion:
    """Return what lies inside of the selected shapes; lines and paths do not count.

    Parameters
    ----------
    viewer, image, frame
        See `selected_shapes`.

    Raises
    ------
    UserError
        If no shape that encloses anything is selected, or none lies on the image.
    """
    shapes = selected_shapes(viewer, image, frame, but=_OPEN)
    return PolygonRegion([[ring] for _, ring in shapes])


def selected_shapes(
    viewer: napari.viewer.Viewer, image: Image, frame: Frame, but: Collection[str] = ()
) -> list[tuple[bool, Ring]]:
    """Return the selected shapes: whether each is closed, and its vertices.

    They are those of the active layer or, if nothing is selected there, of the uppermost
    Shapes layer with a selection.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : Image
    frame : Frame
        Its axes.
    but : collection of str
        Types of shapes that do not count.

    Raises
    ------
    UserError
        If no shape is selected, or none lies on the image.
    """
    active = viewer.layers.selection.active
    for layer in (active, *reversed(viewer.layers)):
        chosen = _selected_in(layer, but) if isinstance(layer, Shapes) else []
        if chosen:
            break
    else:
        raise UserError(MESSAGES["no shape"])
    found = [
        (layer.shape_type[index] not in _OPEN, _ring(layer, index, image, frame))
        for index in chosen
    ]
    if not any(_meets(ring, frame.shape) for _, ring in found):
        raise UserError(MESSAGES["shape outside"].format(image=image.name))
    return found


def regions_of(levels: LevelLabels, labels: Iterable[Label]) -> Iterator[tuple[PlaneIndex, Region]]:
    """Yield each plane that holds some of the labels, and what they cover there.

    Parameters
    ----------
    levels : LevelLabels
    labels : iterable of Label
        Of any levels.
    """
    found: dict[PlaneIndex, list[Label]] = {}
    for level, index in labels:
        for plane in levels.planes_of(level, index):
            found.setdefault(plane, []).append((level, index))
    for plane, here in found.items():
        with levels.at(plane):
            yield plane, _covered(levels, here)


def visible_region(viewer: napari.viewer.Viewer, image: Image, frame: Frame) -> PolygonRegion:
    """Return the part of an image that is on the screen.

    Parameters
    ----------
    viewer, image, frame
        See `selected_region`.

    Raises
    ------
    UserError
        If nothing of the image is in view.
    """
    camera, canvas = viewer.scene.camera, viewer.canvas.size
    centre = np.array(camera.center[-2:])
    half = np.array(canvas) / camera.zoom / 2
    world = [centre + half * np.array(corner) for corner in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    point = np.array(viewer.dims.point, dtype=float)
    places = [_placed(point, viewer.dims.displayed, corner) for corner in world]
    ring = _as_ring([image.world_to_data(each) for each in places], frame)
    if not _meets(ring, frame.shape):
        raise UserError(MESSAGES["view outside"].format(image=image.name))
    return PolygonRegion([[ring]])


def _placed(
    point: npt.NDArray[np.float64], displayed: Iterable[int], corner: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return a point of the world at a corner of the view."""
    place = point.copy()
    place[list(displayed)[-2:]] = corner
    return place


def _covered(levels: LevelLabels, labels: Collection[Label]) -> CroppedMask:
    """Return what labels cover in this plane, each read in its own box: they may be far apart."""
    boxes = [levels.box(*label) for label in labels]
    y0, x0, y1, x1 = around(boxes)
    covered = np.zeros((y1 - y0, x1 - x0), dtype=bool)
    for (level, index), (top, left, bottom, right) in zip(labels, boxes, strict=True):
        own = levels.pixels(level, (top, left, bottom, right)) == index
        covered[top - y0 : bottom - y0, left - x0 : right - x0] |= own
    return CroppedMask((y0, x0, y1, x1), covered, levels.shape)


def _selected_in(layer: Shapes, but: Collection[str]) -> list[int]:
    """Return which shapes of a layer are selected, but for those of some types."""
    types = layer.shape_type
    return [index for index in sorted(layer.selected_data) if types[index] not in but]


def _ring(layer: Shapes, index: int, image: Image, frame: Frame) -> Ring:
    vertices = np.asarray(layer.data[index], dtype=float)
    if layer.shape_type[index] == "ellipse":
        vertices = ellipse_outline(vertices)
    places = [layer.data_to_world(each) for each in vertices]
    return _as_ring([image.world_to_data(each) for each in places], frame)


def _as_ring(places: Iterable[npt.ArrayLike], frame: Frame) -> Ring:
    """Return places in the data of an image as ``(x, y)``, pixels beginning at whole numbers."""
    points = frame.pixels(np.array([np.asarray(each, dtype=float) for each in places]))
    return points[:, ::-1] + HALF_PIXEL


def _meets(ring: Ring, shape: tuple[int, int]) -> bool:
    """Whether the box around a ring shares pixels with a picture."""
    (x0, y0), (x1, y1) = ring.min(axis=0), ring.max(axis=0)
    return bool(x1 > 0 and y1 > 0 and x0 < shape[1] and y0 < shape[0])
