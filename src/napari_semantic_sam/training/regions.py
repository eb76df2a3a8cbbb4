"""Regions of real images at several granularities, where nobody has drawn any.

The hierarchy keeps to the masks there are: regions first grow until each mask is whole, which
gives its parts; then whole masks are joined to groups. It is made from colours and edges alone,
so its regions are a lesson in nesting and outlines, not in what things are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

_AROUND_MASKS: tuple[float, ...] = (8.0, 4.0, 2.0, 0.5, 0.25)
_WITHOUT_MASKS: tuple[float, ...] = (8.0, 4.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.25)
_FEWEST = 3
"""Regions of the coarsest level."""
_TYPICAL_MASKS = 12
"""Things and stuff in an everyday photograph."""
_LEAF_SCALE, _LEAF_AREA = 40, 50
_EDGE_SIGMA = 1.5
_SIZE_POWER = 0.25
"""Small regions are joined first; 0.5 would be Ward's criterion, which makes them all equal."""
_CROSSING = 1e6
"""Added to the cost of joining regions of two masks: later than everything inside of masks."""


def region_levels(image: npt.NDArray[np.uint8], masks: Labels) -> list[Labels]:
    """Cut an image into nested regions, fine to coarse.

    Parts hold 8, 4 and 2 times as many regions as there are masks, groups a half and a quarter.
    An image without any mask is cut as if it had a few, and into about as many regions, too.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    masks : (H, W) int32 array
        Label image; what has no label counts as one more mask. It may be empty.

    Returns
    -------
    list of (H, W) int32 arrays
        Label images without background, five or (without masks) eight; fewer if the image has
        too few regions.
    """
    leaves = _leaves(image, masks)
    graph = _RegionGraph(image, masks, leaves)
    has_masks = masks.any()
    factors = _AROUND_MASKS if has_masks else _WITHOUT_MASKS
    number = len(np.unique(masks)) if has_masks else _TYPICAL_MASKS
    wanted = {round(number * factor) for factor in factors}
    counts = sorted((each for each in wanted if each >= _FEWEST), reverse=True)
    return [roots[leaves] + 1 for roots in graph.cuts(counts)]


def _leaves(image: npt.NDArray[np.uint8], masks: Labels) -> Labels:
    """Number the smallest regions from 0; none lies in two masks."""
    fine = felzenszwalb(image, scale=_LEAF_SCALE, sigma=0.8, min_size=_LEAF_AREA)
    together = fine.astype(np.int64) * (int(masks.max()) + 1) + masks
    _, leaves = np.unique(together, return_inverse=True)
    return leaves.reshape(masks.shape).astype(np.int32)


class _RegionGraph:
    """Adjacent regions that are joined one pair at a time, the cheapest first."""

    def __init__(self, image: npt.NDArray[np.uint8], masks: Labels, leaves: Labels) -> None:
        count = int(leaves.max()) + 1
        lab = rgb2lab(image)
        self._area = np.bincount(leaves.ravel(), minlength=count).astype(float)
        sums = [np.bincount(leaves.ravel(), lab[..., c].ravel(), count) for c in range(3)]
        self._colour = np.stack(sums, axis=1) / self._area[:, None]
        self._mask = np.zeros(count, dtype=np.int64)
        self._mask[leaves.ravel()] = masks.ravel()
        self._parent = np.arange(count)
        self._version = np.zeros(count, dtype=np.int64)
        self._borders = _borders(leaves, _edges(lab), count)
        self._heap = [self._entry(a, b) for a in range(count) for b in self._borders[a] if a < b]
        heapq.heapify(self._heap)

    def cuts(self, counts: list[int]) -> Iterator[Labels]:
        """Yield the region of every leaf at each number of regions, the largest first."""
        remaining = len(self._parent)
        for count in counts:
            if count >= remaining:
                continue
            while remaining > count and self._heap:
                remaining -= self._join_cheapest()
            yield np.array([self._root(leaf) for leaf in range(len(self._parent))], np.int32)

    def _entry(self, a: int, b: int) -> tuple[float, int, int, int, int]:
        return (self._cost(a, b), a, b, int(self._version[a]), int(self._version[b]))

    def _cost(self, a: int, b: int) -> float:
        length, strength = self._borders[a][b]
        contrast = float(np.linalg.norm(self._colour[a] - self._colour[b])) + strength / length
        size = self._area[a] * self._area[b] / (self._area[a] + self._area[b])
        crossing = _CROSSING if self._mask[a] != self._mask[b] else 0.0
        return contrast * float(size) ** _SIZE_POWER + crossing

    def _join_cheapest(self) -> int:
        """Join one pair; return how many regions were lost, 0 for an entry out of date."""
        _, a, b, version_a, version_b = heapq.heappop(self._heap)
        if version_a != self._version[a] or version_b != self._version[b]:
            return 0
        total = self._area[a] + self._area[b]
        self._colour[a] = (
            self._colour[a] * self._area[a] + self._colour[b] * self._area[b]
        ) / total
        self._area[a] = total
        self._parent[b] = a
        self._version[[a, b]] += 1
        self._take_over_borders(a, b)
        for other in self._borders[a]:
            heapq.heappush(self._heap, self._entry(a, other))
        return 1

    def _take_over_borders(self, a: int, b: int) -> None:
        for other, (length, strength) in self._borders.pop(b).items():
            del self._borders[other][b]
            if other != a:
                before = self._borders[a].get(other, (0.0, 0.0))
                joined = (before[0] + length, before[1] + strength)
                self._borders[a][other] = self._borders[other][a] = joined

    def _root(self, leaf: int) -> int:
        while self._parent[leaf] != leaf:
            leaf = int(self._parent[leaf])
        return leaf


def _edges(lab: Floats) -> Floats:
    """Strength of the edge at every pixel, in units of colour difference."""
    channels = [
        ndimage.gaussian_gradient_magnitude(lab[..., channel], _EDGE_SIGMA) for channel in range(3)
    ]
    strength: Floats = np.linalg.norm(channels, axis=0) * 2 * _EDGE_SIGMA
    return strength


def _borders(
    leaves: Labels, edges: Floats, count: int
) -> dict[int, dict[int, tuple[float, float]]]:
    """Length and summed edge strength of the border between all adjacent leaves, both ways."""
    firsts, seconds, strengths = [], [], []
    for axis in (0, 1):
        one, two = _shifted(leaves, axis)
        differ = one != two
        firsts.append(np.minimum(one, two)[differ])
        seconds.append(np.maximum(one, two)[differ])
        here, beyond = _shifted(edges, axis)
        strengths.append((here + beyond)[differ] / 2)
    keys = np.concatenate(firsts).astype(np.int64) * count + np.concatenate(seconds)
    pairs, inverse, lengths = np.unique(keys, return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, np.concatenate(strengths))
    borders: dict[int, dict[int, tuple[float, float]]] = {leaf: {} for leaf in range(count)}
    for pair, length, strength in zip(pairs.tolist(), lengths.tolist(), sums.tolist(), strict=True):
        a, b = divmod(pair, count)
        borders[a][b] = borders[b][a] = (float(length), strength)
    return borders


def _shifted(array: npt.NDArray[Any], axis: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Every pixel and its next neighbour along an axis."""
    length = array.shape[axis]
    return array.take(range(length - 1), axis), array.take(range(1, length), axis)
