"""Labels of a large plane as napari shows them: what is on the screen, as finely as needed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_semantic_sam.inference.label_chunks import ChunkedLabels
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.widgets.frame import Frame

_OVERVIEW = 1024
"""Pixels: the longer side of the coarsest picture of a plane is at most this."""


class Pyramid:
    """Pictures of the same labels, each of every n-th pixel, which are read when looked at.

    Parameters
    ----------
    labels : ChunkedLabels
    frame : Frame
        How their axes are those of the layer.

    Attributes
    ----------
    labels : ChunkedLabels
    frame : Frame
    levels : list of array-likes
        The data of a multiscale layer.
    """

    def __init__(self, labels: ChunkedLabels, frame: Frame) -> None:
        self.labels = labels
        self.frame = frame
        count = max(1, math.ceil(math.log2(max(frame.shape) / _OVERVIEW)))
        self._coarsest = PyramidLevel(self, 2**count)
        self.levels: list[Any] = [PyramidLevel(self, 2**step) for step in range(count)]
        # Of a plane napari reads the coarsest picture only once, so that it has to be an array.
        self._overview = self._coarsest[...] if frame.ndim == 2 else None
        self.levels.append(self._coarsest if self._overview is None else self._overview)

    def show(self, labels: ChunkedLabels, frame: Frame) -> None:
        """Show labels, others or the same ones after they changed."""
        self.labels, self.frame = labels, frame
        if self._overview is not None:
            self._overview[...] = self._coarsest[...]


class PyramidLevel:
    """Every n-th pixel of labels, with the axes of a layer.

    Parameters
    ----------
    pyramid : Pyramid
    step : int
    """

    def __init__(self, pyramid: Pyramid, step: int) -> None:
        self._pyramid = pyramid
        self._step = step

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        frame = self._pyramid.frame
        planes = (frame.y, frame.x)
        return tuple(
            -(-length // self._step) if axis in planes else length
            for axis, length in enumerate(frame.own_lengths)
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the labels."""
        return self._pyramid.labels.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._pyramid.frame.ndim

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> LabelArray:
        """Return a copy of a part: integers, and slices with a step of 1."""
        frame = self._pyramid.frame
        parts = [part for part in (key if isinstance(key, tuple) else (key,)) if part is not ...]
        parts += [slice(None)] * (self.ndim - len(parts))
        spans = [
            slice(*part.indices(length)[:2]) if isinstance(part, slice) else slice(part, part + 1)
            for part, length in zip(parts, self.shape, strict=True)
        ]
        rows, columns = (
            slice(spans[axis].start * self._step, spans[axis].stop * self._step, self._step)
            for axis in (frame.y, frame.x)
        )
        crop = self._pyramid.labels[(*(spans[axis] for axis in frame.walked), rows, columns)]
        kept = tuple(slice(None) if isinstance(part, slice) else 0 for part in parts)
        picture: LabelArray = frame.in_layer(crop)[kept]
        return picture

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> LabelArray:
        """Return all of it."""
        return self[...].astype(dtype or self.dtype, copy=False)
