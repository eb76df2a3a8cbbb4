"""The door: draw a scene, photograph it, collect its masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.training.synthetic.looks import photographed
from napari_semantic_sam.training.synthetic.scenes import SCENES, WEIGHTS
from napari_semantic_sam.training.synthetic.types import Level, SyntheticImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

# smaller masks say nothing at a mask stride of 2–4 px
_SMALLEST_AREA = 12
# share of a mask that its parent must cover
_NESTED = 0.8
# masks that show the same thing twice are kept once
_SAME = 0.93
# a mask of nearly everything is no answer to a click
_WHOLE = 0.97


def generate(
    rng: np.random.Generator, size: int = 256, *, scene: str | None = None
) -> SyntheticImage:
    """Draw one picture with all of its masks.

    Parameters
    ----------
    rng
        Source of randomness; the same state gives the same picture.
    size
        Side of the square picture, px (at least 64).
    scene
        A key of `SCENES`; by chance if None.

    Returns
    -------
    SyntheticImage
        At least one mask; every mask has ≥ 12 px.
    """
    if scene is None:
        scene = str(rng.choice(list(WEIGHTS), p=list(WEIGHTS.values())))
    for _ in range(20):
        draft = SCENES[scene](rng, size)
        masks, names, parents = _collect(draft.levels)
        if names:
            return SyntheticImage(photographed(rng, draft.image), masks, names, parents, scene)
    raise RuntimeError(f"scene {scene!r} drew nothing at {size} px")


def _collect(
    levels: tuple[Level, ...],
) -> tuple[NDArray[np.bool_], tuple[str, ...], NDArray[np.int64]]:
    """Masks, level names and parents of all objects worth keeping, coarse to fine."""
    numbers = [_renumbered(level.labels) for level in levels]
    areas = [np.bincount(n.ravel(), minlength=1)[1:] for n in numbers]
    starts = np.cumsum([0, *(len(a) for a in areas)])
    parents = np.full(starts[-1], -1)
    dropped = np.zeros(starts[-1], bool)
    for fine in range(1, len(levels)):
        for coarse in range(fine):  # the nearest coarser level is written last and stays
            owner, shared = _owners(numbers[fine], numbers[coarse], len(areas[coarse]))
            nested = np.flatnonzero(shared >= _NESTED * areas[fine])
            parents[starts[fine] + nested] = starts[coarse] + owner[nested]
            same = shared[nested] >= _SAME * areas[coarse][owner[nested]]
            dropped[starts[coarse] + owner[nested][same]] = True
    names = [level.name for level, a in zip(levels, areas, strict=True) for _ in a]
    return _kept(numbers, names, parents, dropped)


def _renumbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The labels of a sensible area as 1..n."""
    areas = np.bincount(labels.ravel())
    keep = (areas >= _SMALLEST_AREA) & (areas < _WHOLE * labels.size)
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def _owners(
    fine: NDArray[np.int32], coarse: NDArray[np.int32], coarse_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each fine object the index of the coarse one it lies on most, and the pixels of that."""
    fine_count = int(fine.max())
    if not coarse_count:
        return np.zeros(fine_count, np.int64), np.zeros(fine_count, np.int64)
    width = coarse_count + 1
    pairs = np.bincount((fine * width + coarse).ravel(), minlength=(fine_count + 1) * width)
    table = pairs.reshape(fine_count + 1, width)[1:, 1:]
    return table.argmax(1), table.max(1)


def _kept(
    numbers: list[NDArray[np.int32]],
    names: list[str],
    parents: NDArray[np.int64],
    dropped: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], tuple[str, ...], NDArray[np.int64]]:
    """Masks of what is not dropped; children of the dropped go to their grandparents."""
    for child in range(len(names)):
        while parents[child] >= 0 and dropped[parents[child]]:
            parents[child] = parents[parents[child]]
    kept = np.flatnonzero(~dropped)
    masks = np.empty((len(kept), *numbers[0].shape), bool)
    start = done = 0
    for labels in numbers:
        end = start + int(labels.max())
        mine = kept[(kept >= start) & (kept < end)] - start + 1
        np.equal(labels, mine.astype(np.int32)[:, None, None], out=masks[done : done + len(mine)])
        start, done = end, done + len(mine)
    index = np.append(np.cumsum(~dropped) - 1, -1)
    return masks, tuple(names[k] for k in kept), index[parents[kept]]
