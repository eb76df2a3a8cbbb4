"""The labels of a session as the data of layers, and back: the same memory wherever possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels

from napari_semantic_sam.inference.label_arrays import dense, stored
from napari_semantic_sam.inference.label_chunks import ChunkedLabels, Stored
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.large_labels import Labels as LargeLabels


@dataclass(frozen=True, eq=False)
class LevelData:
    """What the layers of levels have as their data.

    Attributes
    ----------
    levels : LevelLabels
        Of a session.
    frame : Frame
        The axes of the layers.
    """

    levels: LevelLabels
    frame: Frame

    def of(self, level: int) -> Stored:
        """Return the labels of a level as its layer has them, those in blocks as they are."""
        labels = self.levels.store(level)
        return labels if isinstance(labels, ChunkedLabels) else self.frame.in_layer(labels)

    def in_layer(self, layer: Labels) -> Stored:
        """Return the labels of a layer as the session has them."""
        if not isinstance(layer, LargeLabels):
            return self.frame.in_session(layer.data)
        pyramid = layer.pyramid
        if pyramid.frame == self.frame:
            return pyramid.labels
        # It was made when other axes were on display.
        return stored(self.frame.in_session(pyramid.frame.in_layer(dense(pyramid.labels))))

    def fits(self, level: int, layer: Labels) -> bool:
        """Whether a layer is of the kind that can show a level."""
        is_in_blocks = isinstance(self.levels.store(level), ChunkedLabels)
        return isinstance(layer, LargeLabels) == is_in_blocks

    def is_in(self, level: int, layer: Labels) -> bool:
        """Whether a layer has just the labels of a level, perhaps as another view of them."""
        labels = self.of(level)
        if isinstance(labels, ChunkedLabels):
            return (
                isinstance(layer, LargeLabels)
                and layer.shows_pyramid
                and layer.pyramid.labels is labels
            )
        return _is_same(layer.data, labels)


def _is_same(data: object, labels: LabelArray) -> bool:
    if not isinstance(data, np.ndarray) or (data.shape, data.dtype) != (labels.shape, labels.dtype):
        return False
    return data.ctypes.data == labels.ctypes.data and _steps(data) == _steps(labels)


def _steps(array: LabelArray) -> list[int]:
    """Return the strides that matter."""
    return [step for step, n in zip(array.strides, array.shape, strict=True) if n > 1]
