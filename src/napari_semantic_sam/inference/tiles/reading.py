"""A part of a plane at the size the network wants, without reading more than that needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.preparation import Window, to_input
from napari_semantic_sam.inference.results import Box
from napari_semantic_sam.model.config import ModelConfig

if TYPE_CHECKING:
    from napari_semantic_sam.inference.image import Plane

_AT_ONCE = 2**24
"""Pixels that are read at once: 200 MB of RGB."""
_EXACT = 1 + 1e-3
"""Levels of a pyramid are seldom coarser by exactly a whole number."""

Values = npt.NDArray[np.float32]


def read_input(plane: Plane, box: Box, size: tuple[int, int], config: ModelConfig) -> Values:
    """Return a box of a plane as the input of a network.

    It is read from the coarsest pyramid level that is still as fine as the input. Where that
    has many more pixels than the input, blocks of them are averaged strip by strip.

    Parameters
    ----------
    plane : Plane
    box : (y0, x0, y1, x1)
        In pixels of the plane.
    size : (height, width)
        Of the input.
    config : ModelConfig

    Returns
    -------
    (3, height, width) float32 array
        RGB, 0 to 255.

    Raises
    ------
    UserError
        If that part of the plane cannot be read.
    """
    reduction = min((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1])
    fine_enough = [i for i, factor in enumerate(plane.factors) if factor <= reduction * _EXACT]
    index = max(fine_enough, default=0)
    part = _on_level(box, plane.factors[index], plane.shapes[index])
    pixels = (part[2] - part[0]) * (part[3] - part[1])
    times = int(reduction * _EXACT / plane.factors[index])
    if pixels <= _AT_ONCE or times < 2:
        times, values = 1, plane.read(part, index)
    else:
        values = _averaged(plane, part, index, times)
    window = _window(box, part, plane.factors[index], times, values.shape)
    return to_input(values, size, config, window)


def _on_level(box: Box, factor: float, shape: tuple[int, int]) -> Box:
    """Return a box in pixels of a pyramid level."""
    y0, x0 = (math.floor(edge / factor) for edge in box[:2])
    y1, x1 = (math.ceil(edge / factor) for edge in box[2:])
    return y0, x0, min(y1, shape[0]), min(x1, shape[1])


def _window(box: Box, part: Box, factor: float, times: int, shape: tuple[int, ...]) -> Window:
    """Return where a box lies in a part of a level that was read, and averaged, around it."""
    y0, x0, y1, x1 = (
        min(max(0.0, (edge / factor - start) / times), float(length))
        for edge, start, length in zip(box, part[:2] * 2, shape[:2] * 2, strict=True)
    )
    return y0, x0, y1, x1


def _averaged(plane: Plane, box: Box, index: int, times: int) -> Values:
    """Read strips, and average blocks of `times` × `times` pixels."""
    y0, x0, y1, x1 = box
    rows = max(1, _AT_ONCE // (x1 - x0) // times) * times
    strips = []
    for top in range(y0, y1, rows):
        strip = plane.read((top, x0, min(top + rows, y1), x1), index)
        for axis in (0, 1):
            strip = _mean(strip, times, axis)
        strips.append(strip)
    return np.concatenate(strips)


def _mean(values: Values, times: int, axis: int) -> Values:
    """Average neighbours along an axis; the last ones may be fewer."""
    starts = np.arange(0, values.shape[axis], times)
    counts = np.diff(starts, append=values.shape[axis]).astype(np.float32)
    total: Values = np.add.reduceat(values, starts, axis=axis)
    total /= counts[:, None, None] if axis == 0 else counts[None, :, None]
    return total
