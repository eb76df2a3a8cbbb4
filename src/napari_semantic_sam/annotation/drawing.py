"""Drawing into labels in blocks: what a stroke changes is remembered block by block."""

from __future__ import annotations

import numpy as np

from napari_semantic_sam.inference.label_chunks import ChunkedLabels, windows, within
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import LabelArray, box_of, slices_of
from napari_semantic_sam.inference.results import EMPTY, Box, CroppedMask, tight

Drawn = tuple[PlaneIndex, Box, LabelArray, LabelArray]
"""A plane, a box in it, and the pixels there before and after."""


class Stroke:
    """Writes masks into labels, and knows what was there before.

    Parameters
    ----------
    labels : ChunkedLabels
    """

    def __init__(self, labels: ChunkedLabels) -> None:
        self._labels = labels
        self._before: dict[tuple[PlaneIndex, Box], LabelArray] = {}

    def write(
        self, plane: PlaneIndex, mask: CroppedMask, label: int, over: int | None = None
    ) -> None:
        """Make the pixels of a mask a label.

        Parameters
        ----------
        plane : tuple of int
        mask : CroppedMask
        label : int
            0 for background.
        over : int, optional
            Only pixels of this label change; all do when left out.
        """
        for window in windows(self._labels.shape[-2:], mask.box):
            here, box = within(plane, window), box_of(window)
            pixels = self._labels[here]
            inside = mask.window(box) if over is None else mask.window(box) & (pixels == over)
            if inside.any():
                self._before.setdefault((plane, box), pixels.copy())
                pixels[inside] = label
                self._labels[here] = pixels

    def drawn(self) -> list[Drawn]:
        """Return what is other than it was."""
        found = []
        for (plane, (top, left, bottom, right)), before in self._before.items():
            after = self._labels[within(plane, slices_of((top, left, bottom, right)))]
            box, _ = tight(before != after, top, left)
            if box != EMPTY:
                inner = slices_of((box[0] - top, box[1] - left, box[2] - top, box[3] - left))
                found.append((plane, box, before[inner], after[inner]))
        return found


def disc(
    centre: tuple[float, float], diameter: float, sides: tuple[float, float], shape: tuple[int, int]
) -> CroppedMask:
    """Return a round brush.

    Parameters
    ----------
    centre : (y, x)
        In pixels; a whole number is the middle of one.
    diameter : float
        In pixels along their shorter side.
    sides : (y, x) floats
        Lengths of the sides of a pixel.
    shape : (H, W)
        Of the plane, outside of which nothing is drawn.
    """
    radius = diameter // 2 + 0.5
    spans = []
    for middle, side, length in zip(centre, sides, shape, strict=True):
        reach = int(radius * min(sides) / side)
        first, last = round(middle) - reach, round(middle) + reach
        spans.append(np.arange(max(first, 0), min(last, length - 1) + 1))
    rows, columns = (
        ((span - round(middle)) * side / min(sides)) ** 2
        for span, middle, side in zip(spans, centre, sides, strict=True)
    )
    inside = rows[:, None] + columns[None, :] <= radius**2
    top, left = (int(span[0]) if span.size else 0 for span in spans)
    return CroppedMask(*tight(inside, top, left), shape)


def same_label(
    labels: ChunkedLabels, plane: PlaneIndex, pixel: tuple[int, int], *, connected: bool
) -> CroppedMask:
    """Return the pixels of a plane with the label of one of them, which is not background.

    Parameters
    ----------
    labels : ChunkedLabels
    plane : tuple of int
    pixel : (y, x) ints
    connected : bool
        Only those that are joined with it along the sides of pixels.
    """
    from skimage.segmentation import flood

    label = labels[(*plane, *pixel)]
    hits = [
        tight(labels[within(plane, labels.window(block))] == label, *_corner(labels.window(block)))
        for block in labels.blocks(plane)
    ]
    boxes = [box for box, _ in hits if box != EMPTY]
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    box = (min(tops), min(lefts), max(bottoms), max(rights))
    mask = labels[within(plane, slices_of(box))] == label
    if connected:
        mask = flood(mask, (pixel[0] - box[0], pixel[1] - box[1]), connectivity=1)
    return CroppedMask(*tight(mask, *box[:2]), (labels.shape[-2], labels.shape[-1]))


def _corner(window: tuple[slice, slice]) -> tuple[int, int]:
    return window[0].start, window[1].start
