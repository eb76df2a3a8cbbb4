"""Clicks and boxes in pixels of a picture, checked and turned into anchor boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.model.types import CLICK_SIZE, Prompts

_SMALLEST_SIDE = 1e-3
"""Of a box, in pixels; far smaller ones vanish in the network's float32."""

Shape = tuple[int, int]
FloatArray = npt.NDArray[np.float64]


def checked_prompts(
    points: npt.ArrayLike, boxes: npt.ArrayLike, shape: Shape
) -> list[tuple[Kind, tuple[float, ...]]]:
    """Return clicks, then boxes, as kinds and coordinates.

    Parameters
    ----------
    points : (N, 2) array
        ``(y, x)``; whole numbers are centres of pixels.
    boxes : (M, 4) array
        ``(y0, x0, y1, x1)``, edges of pixels: ``(0, 0, H, W)`` is the whole picture.
    shape : (H, W)
        Of the picture.

    Raises
    ------
    UserError
        If a coordinate is not finite, a click lies outside, or a box has no area inside
        (a side below a thousandth of a pixel).
    """
    prompts: list[tuple[Kind, tuple[float, ...]]] = []
    for point in _rows(points, 2, "A click is (y, x)"):
        _check_point(point, shape)
        prompts.append(("click", tuple(point.tolist())))
    for box in _rows(boxes, 4, "A box is (y0, x0, y1, x1)"):
        _check_box(box, shape)
        prompts.append(("box", tuple(box.tolist())))
    return prompts


def to_anchor_boxes(prompts: Sequence[tuple[Kind, tuple[float, ...]]], shape: Shape) -> Prompts:
    """Turn checked prompts into the network's, in fractions of the picture."""
    anchors = [
        _click_anchor(where, shape) if kind == "click" else _box_anchor(where, shape)
        for kind, where in prompts
    ]
    return Prompts(torch.tensor(anchors), [kind for kind, _ in prompts])


def _click_anchor(point: tuple[float, ...], shape: Shape) -> list[float]:
    y, x = point
    return [(x + 0.5) / shape[1], (y + 0.5) / shape[0], CLICK_SIZE, CLICK_SIZE]


def _box_anchor(box: tuple[float, ...], shape: Shape) -> list[float]:
    y0, x0, y1, x1 = _inside(np.array(box), shape) / np.tile(shape, 2)
    return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]


def _inside(box: FloatArray, shape: Shape) -> FloatArray:
    return np.clip(box, 0, np.tile(shape, 2).astype(np.float64))


def _rows(values: npt.ArrayLike, width: int, meaning: str) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{meaning}: {width} numbers, not {values!r}.") from error
    if array.size == 0:
        return np.zeros((0, width))
    if array.ndim != 2 or array.shape[1] != width:
        raise UserError(f"{meaning}: {width} numbers each, not an array of shape {array.shape}.")
    return array


def _check_point(point: FloatArray, shape: Shape) -> None:
    y, x = point
    if not (-0.5 <= y < shape[0] - 0.5 and -0.5 <= x < shape[1] - 0.5):  # NaN fails, too
        raise UserError(
            f"The click at y = {y:g}, x = {x:g} lies outside the picture, which is {shape[0]} × "
            f"{shape[1]} pixels (height × width); click inside."
        )


def _check_box(box: FloatArray, shape: Shape) -> None:
    y0, x0, y1, x1 = _inside(box, shape)
    if not (np.isfinite(box).all() and min(y1 - y0, x1 - x0) >= _SMALLEST_SIDE):
        numbers = ", ".join(f"{value:g}" for value in box)
        raise UserError(
            f"The box ({numbers}) covers no area of the picture, which is {shape[0]} × {shape[1]} "
            "pixels (height × width); a box is (y0, x0, y1, x1) with y0 < y1 and x0 < x1."
        )
