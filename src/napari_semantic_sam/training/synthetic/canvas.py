"""Where shapes become label images: one canvas per level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_semantic_sam.training.synthetic.noise import enlarge
from napari_semantic_sam.training.synthetic.types import Level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_semantic_sam.training.synthetic.shapes import Shape

# depth where nothing is near, px
OUTSIDE = -1000.0
# an object that shows less than this share of itself counts as hidden
_VISIBLE_SHARE = 0.3


class Canvas:
    """Label image and depth field of the objects of one level.

    Parameters
    ----------
    size
        Side of the square picture, px.

    Attributes
    ----------
    labels
        ``(size, size)`` int32, 0 = background.
    depth
        ``(size, size)`` float32, px to the outline of the object here; negative outside of objects.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.labels = np.zeros((size, size), np.int32)
        self.depth = np.full((size, size), OUTSIDE, np.float32)
        self._drawn = [0]

    @property
    def count(self) -> int:
        """Number of objects added so far, hidden ones included."""
        return len(self._drawn) - 1

    def add(self, shape: Shape | None, *, over: bool = False) -> int:
        """Draw a shape and return its label, 0 if nothing of it shows.

        Where it meets earlier objects the deeper one wins, so that both keep their middle and
        share a border; with `over`, it hides them.
        """
        if shape is None:
            return 0
        box = self._box(shape)
        depth, labels = self.depth[box], self.labels[box]
        inside = shape.depth > 0
        wins = shape.depth > depth
        if over:
            wins |= inside
        shown = wins & inside
        if not shown.any():
            return 0
        self._drawn.append(int(inside.sum()))
        depth[wins] = shape.depth[wins]
        labels[shown] = self.count
        return self.count

    def add_inside(self, shape: Shape | None, parent: Canvas, label: int, gap: float = 1.0) -> int:
        """Draw a shape cut to object `label` of a coarser canvas, `gap` px inside its outline."""
        if shape is None:
            return 0
        box = self._box(shape)
        room = np.where(parent.labels[box] == label, parent.depth[box] - np.float32(gap), -1.0)
        cut = type(shape)(shape.top, shape.left, np.minimum(shape.depth, room.astype(np.float32)))
        return self.add(cut)

    def fill(self, labels: NDArray[np.int32], depth: NDArray[np.float32], count: int) -> None:
        """Replace everything by a label image with labels up to `count`, and its depths."""
        self.labels, self.depth = labels.copy(), depth.copy()
        self._drawn = np.bincount(labels.ravel(), minlength=count + 1).tolist()

    def clear(self, gone: NDArray[np.bool_]) -> None:
        """Remove the objects for which ``gone[label]`` is true."""
        empty = gone[self.labels]
        self.labels[empty] = 0
        self.depth[empty] = OUTSIDE

    def overlay(self, other: Canvas) -> None:
        """Put all objects of another canvas on top, with new labels."""
        shown = other.labels > 0
        first = self.count
        self.labels[shown] = other.labels[shown] + first
        self.depth[shown] = other.depth[shown]
        self._drawn += other._drawn[1:]

    def covered(self, shape: Shape) -> float:
        """Share of the shape that lies on earlier objects (0 if it is empty)."""
        inside = shape.depth > 0
        total = int(inside.sum())
        return float((inside & (self.labels[self._box(shape)] > 0)).sum()) / total if total else 0.0

    def level(self, name: str) -> Level:
        """The objects of which enough shows, as one granularity."""
        visible = np.bincount(self.labels.ravel(), minlength=self.count + 1)
        hidden = visible < _VISIBLE_SHARE * np.asarray(self._drawn)
        if not hidden.any():
            return Level(name, self.labels)
        return Level(name, np.where(hidden[self.labels], 0, self.labels))

    def _box(self, shape: Shape) -> tuple[slice, slice]:
        height, width = shape.depth.shape
        return slice(shape.top, shape.top + height), slice(shape.left, shape.left + width)


def depth_of(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Depth in px of every pixel of a gap-free label image: distance to the nearest other label."""
    same = np.ones(labels.shape, bool)
    same[:, :-1] &= labels[:, :-1] == labels[:, 1:]
    same[:-1] &= labels[:-1] == labels[1:]
    return np.asarray(ndimage.distance_transform_edt(same), np.float32)


def grouped(labels: NDArray[np.int32], reach: float, fewest: int = 3) -> NDArray[np.int32]:
    """Regions of objects no farther than 2·`reach` px apart, closed and filled.

    Parameters
    ----------
    labels
        ``(H, H)`` members.
    reach
        Closing radius, px.
    fewest
        Regions with fewer members are left out.

    Returns
    -------
    ndarray
        ``(H, H)`` int32; every member of a region lies wholly inside it.
    """
    step = 4
    size = labels.shape[0]
    coarse = np.asarray(ndimage.maximum_filter(labels, step)[::step, ::step] > 0)
    near = np.asarray(ndimage.distance_transform_edt(~coarse)) <= reach / step
    filled = np.asarray(ndimage.binary_fill_holes(near))
    if filled.all():
        closed = filled
    else:
        closed = np.asarray(ndimage.distance_transform_edt(filled)) > reach / step
    smooth = enlarge(closed.astype(np.float32), size)
    regions, _ = ndimage.label((smooth > 0.5) | (labels > 0))
    region_of = np.zeros(int(labels.max()) + 1, np.int64)
    region_of[labels] = regions  # 0 is no member: what it gets does not count
    present = np.flatnonzero(np.bincount(labels.ravel()))
    crowd = np.bincount(region_of[present[present > 0]], minlength=int(regions.max()) + 1)
    kept: NDArray[np.int32] = np.where(crowd[regions] >= fewest, regions, 0).astype(np.int32)
    return kept
