"""Masks of a plane as label images, drawn block by block."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.automatic.boxes import BoxIndex, shared
from napari_semantic_sam.inference.automatic.labels import LEAST_FREE
from napari_semantic_sam.inference.automatic.objects import MainLevel, settle_levels
from napari_semantic_sam.inference.automatic.plane_masks import PlaneMask, centres
from napari_semantic_sam.inference.label_runs import slices_of
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Box

BLOCK = 1024
"""Side of the blocks in which label images are drawn."""

Labels = npt.NDArray[np.int32]


class Canvas:
    """The masks that one level keeps, to be drawn a block at a time.

    By the rules of `label_levels`: the mask with the best predicted IoU wins, and a mask of
    which better ones leave less than half is left out.

    Parameters
    ----------
    level : int
    masks : iterable of PlaneMask
        Of this level.
    """

    def __init__(self, level: int, masks: Iterable[PlaneMask]) -> None:
        self.level = level
        self._masks: list[PlaneMask] = []
        self._index = BoxIndex()
        for mask in sorted(masks, key=lambda each: -each.predicted_iou):
            cells = mask.crop.load()
            free = np.count_nonzero(cells & ~self._taken(mask))
            if free >= max(1, LEAST_FREE * np.count_nonzero(cells)):
                self._index.add(mask.box)
                self._masks.append(mask)

    def rows(self) -> list[LabelRow]:
        """Return what is known about the labels before they are drawn, in their order."""
        return [
            LabelRow(
                index,
                self.level,
                predicted_iou=mask.predicted_iou,
                stability=mask.stability,
                source="automatic",
            )
            for index, mask in enumerate(self._masks, start=1)
        ]

    def draw(self, block: Box) -> Labels:
        """Return the labels of a block, counted from 1."""
        labels = np.zeros((block[2] - block[0], block[3] - block[1]), dtype=np.int32)
        for number in self._index.meeting(block):
            part = shared(self._masks[number].box, block) or block
            y0, x0, y1, x1 = part
            window = labels[y0 - block[0] : y1 - block[0], x0 - block[1] : x1 - block[1]]
            window[self._masks[number].window(part) & (window == 0)] = number + 1
        return labels

    def _taken(self, mask: PlaneMask) -> npt.NDArray[np.bool_]:
        """Return which cells of a mask's box belong to those that are kept so far."""
        taken = np.zeros(mask.crop.shape, dtype=bool)
        ys, xs = (positions * mask.factor for positions in centres(mask.cells))
        for number in self._index.meeting(mask.box):
            other = self._masks[number]
            y0, x0, y1, x1 = other.box
            rows = slice(*np.searchsorted(ys, (y0, y1)).tolist())
            columns = slice(*np.searchsorted(xs, (x0, x1)).tolist())
            taken[rows, columns] |= other.at(ys[rows], xs[columns])
        return taken


def canvases(
    masks: Sequence[PlaneMask], levels: Sequence[int], main: MainLevel | None
) -> list[Canvas]:
    """Settle the levels of masks as `label_levels` does, and return what each level keeps."""
    settled = settle_levels(masks, levels, main)
    return [Canvas(level, (mask for mask in settled if mask.level == level)) for level in levels]


def draw_levels(
    masks: Sequence[PlaneMask],
    levels: Sequence[int],
    shape: tuple[int, int],
    *,
    main: MainLevel | None = None,
) -> LevelLabels:
    """Put masks into one label image in memory for each level; see `label_levels`."""
    labels = LevelLabels(shape)
    for canvas in canvases(masks, levels, main):
        array = np.zeros(shape, dtype=np.int32)
        for block in blocks(shape):
            array[slices_of(block)] = canvas.draw(block)
        labels.attach(canvas.level, array, canvas.rows())
    return labels


def blocks(shape: tuple[int, int]) -> Iterator[Box]:
    """Yield the blocks of a plane, row by row."""
    height, width = shape
    for y0, x0 in itertools.product(range(0, height, BLOCK), range(0, width, BLOCK)):
        yield y0, x0, min(y0 + BLOCK, height), min(x0 + BLOCK, width)
