"""What a prompt asks the network, and how well a mask agrees with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.polygons import fill
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import CroppedMask, tight

Point = tuple[float, float]
Shape = tuple[int, int]

_CLICKS_OF_A_SCRIBBLE = 5
_NOTHING_IN = {
    "lasso": "The lasso covers no pixel of the picture; remove it and draw it again.",
    "label": "The label that was to be refined is gone; undo what removed it, or begin anew.",
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """One prompt, as clicks and a box for the network and as something to compare masks with.

    Attributes
    ----------
    clicks : tuple of (y, x)
        That the network is asked; of a click and of a scribble.
    box : (y0, x0, y1, x1) or None
        That the network is asked, edges of pixels; of a box, a lasso and a label.
    area : CroppedMask or None
        The pixels that a box, a lasso or a label covers.
    is_outline : bool
        Whether `area` is a first idea of the object itself, not just a box around it.
    """

    clicks: tuple[Point, ...] = ()
    box: tuple[float, ...] | None = None
    area: CroppedMask | None = None
    is_outline: bool = False

    @property
    def centres(self) -> tuple[Point, ...]:
        """The clicks, or the middle of the area."""
        if self.area is None:
            return self.clicks
        y0, x0, y1, x1 = self.area.box
        return (((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2),)

    def agreement(self, mask: CroppedMask) -> float:
        """Return how well a mask agrees with the prompt, 0..1.

        The share of the clicks it holds; the IoU of its bounding box with a drawn box; its
        IoU with the area of a lasso or a label.
        """
        if self.area is not None and self.is_outline:
            return mask.iou(self.area)
        if self.box is not None:
            inside = np.clip(self.box, 0, np.tile(mask.shape, 2)).tolist()
            return _box_iou(mask.box, tuple(inside))
        return sum(holds(mask, click) for click in self.clicks) / len(self.clicks)


def read_evidence(prompt: Prompt, shape: Shape, label: CroppedMask | None = None) -> Evidence:
    """Work out what a prompt asks and says.

    Parameters
    ----------
    prompt : Prompt
    shape : (H, W)
        Of the picture.
    label : CroppedMask, optional
        The mask of a "label" prompt.

    Raises
    ------
    UserError
        If a scribble lies outside the picture, a lasso holds no pixel of it, or a label is gone.
        Clicks and boxes are checked by `Predictor.predict`.
    """
    if prompt.kind == "click":
        return Evidence(clicks=(_point(prompt.coordinates),))
    if prompt.kind == "scribble":
        return Evidence(clicks=_along(_vertices(prompt), shape))
    if prompt.kind == "box":
        return Evidence(box=prompt.coordinates, area=_box_area(prompt.coordinates, shape))
    area = _lasso_area(_vertices(prompt), shape) if prompt.kind == "lasso" else label
    if area is None or not area.area:
        raise UserError(_NOTHING_IN[prompt.kind])
    return Evidence(box=tuple(map(float, area.box)), area=area, is_outline=True)


def holds(mask: CroppedMask, point: Point) -> bool:
    """Tell whether the pixel under a point of the picture belongs to a mask."""
    y, x = pixel_under(point)
    y0, x0, y1, x1 = mask.box
    return y0 <= y < y1 and x0 <= x < x1 and bool(mask.crop[y - y0, x - x0])


def pixel_under(point: Point) -> tuple[int, int]:
    """Return the pixel that holds a point of the picture."""
    y, x = point
    return math.floor(y + 0.5), math.floor(x + 0.5)


def _point(coordinates: tuple[float, ...]) -> Point:
    y, x = coordinates
    return y, x


def _vertices(prompt: Prompt) -> npt.NDArray[np.float64]:
    return np.array(prompt.coordinates, dtype=np.float64).reshape(-1, 2)


def _along(vertices: npt.NDArray[np.float64], shape: Shape) -> tuple[Point, ...]:
    """Spread clicks evenly along a line, each in a pixel of its own inside the picture."""
    if not len(vertices):
        raise UserError("The scribble has no points; draw it on the structure.")
    lengths = np.hypot(*np.diff(vertices, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(lengths)])
    places = travelled[-1] * (np.arange(_CLICKS_OF_A_SCRIBBLE) + 0.5) / _CLICKS_OF_A_SCRIBBLE
    line = np.stack([np.interp(places, travelled, axis) for axis in vertices.T], axis=1)
    pixels = np.floor(line + 0.5)
    inside = ((pixels >= 0) & (pixels < shape)).all(axis=1)  # false for NaN, too
    clicks = tuple(dict.fromkeys((y, x) for y, x in pixels[inside].tolist()))
    if not clicks:
        raise UserError("The scribble lies outside the picture; draw it on the structure.")
    return clicks


def _box_area(box: tuple[float, ...], shape: Shape) -> CroppedMask:
    """Return the pixels whose centres are in a box."""
    limits = np.tile(shape, 2)
    y0, x0, y1, x1 = np.clip(np.ceil(np.nan_to_num(box) - 0.5), 0, limits).astype(int).tolist()
    window = np.ones((max(0, y1 - y0), max(0, x1 - x0)), dtype=bool)
    return CroppedMask(*tight(window, y0, x0), shape)


def _lasso_area(vertices: npt.NDArray[np.float64], shape: Shape) -> CroppedMask | None:
    """Return the pixels whose centres are in a polygon; None if it has no place."""
    if not np.isfinite(vertices).all():
        return None
    return fill([[vertices[:, ::-1] + 0.5]], shape)


def _box_iou(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    common = _extent(max(first[0], second[0]), min(first[2], second[2])) * _extent(
        max(first[1], second[1]), min(first[3], second[3])
    )
    union = _box_size(first) + _box_size(second) - common
    return common / union if union > 0 else 0.0


def _box_size(box: tuple[float, ...]) -> float:
    return _extent(box[0], box[2]) * _extent(box[1], box[3])


def _extent(start: float, stop: float) -> float:
    return max(0.0, stop - start)
