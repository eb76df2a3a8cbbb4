"""Prompts drawn from the masks of an image, and which masks answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.model.types import CLICK_SIZE
from napari_semantic_sam.training.records import mask_boxes

Anchor = Literal["click", "published"]

_PUBLISHED_RADIUS = 3  # pixels
_PUBLISHED_NOISE = 0.4 * 0.01  # of the box; the published config scales its 0.4 by 0.01

_MIDDLE_DEPTH = 0.75  # of the largest distance to the outline


@dataclass(frozen=True)
class ClickTargets:
    """Prompts of one image with the masks each one should give.

    Attributes
    ----------
    anchor_boxes : (N, 4) float32 tensor
        ``(cx, cy, w, h)`` in fractions of the unpadded picture.
    kinds : tuple of N strings
        ``"click"`` or ``"box"``.
    targets : tuple of N int64 arrays
        Indices into the masks of the image.
    """

    anchor_boxes: Tensor
    kinds: tuple[Kind, ...]
    targets: tuple[npt.NDArray[np.int64], ...]

    def __len__(self) -> int:
        return len(self.kinds)

    @classmethod
    def concatenate(cls, parts: Sequence[ClickTargets]) -> ClickTargets:
        """Return the prompts of several draws from the same image as one."""
        return cls(
            torch.cat([part.anchor_boxes for part in parts]),
            tuple(kind for part in parts for kind in part.kinds),
            tuple(target for part in parts for target in part.targets),
        )


def sample_clicks(
    masks: npt.NDArray[np.bool_],
    num_clicks: int,
    rng: np.random.Generator,
    *,
    max_targets: int = 6,
    anchor: Anchor = "click",
    centre_share: float = 0.0,
) -> ClickTargets:
    """Click into the masks, each as often as the others.

    The masks are visited in a random order, over and over, and clicked at a random pixel.
    Every mask that holds the pixel is a target, a random few if there are more than
    `max_targets` (arXiv 2307.04767, section 3.2, and its code).

    Parameters
    ----------
    masks : (M, H, W) bool array
        None of them empty. No mask, no click.
    num_clicks : int
    rng : numpy.random.Generator
    max_targets : int
        The network's number of tokens, K.
    anchor : {"click", "published"}
        ``"click"`` is what the product sends, see `CLICK_SIZE`. ``"published"`` is the
        published training's box of ±3 px with a little noise.
    centre_share : float
        Chance of a click to fall near the middle of its mask instead of anywhere in it.
    """
    visited = _visits(len(masks), num_clicks, rng)
    pixels = _random_pixels(masks, visited, centre_share, rng)
    hit = masks[:, pixels[:, 1], pixels[:, 0]].T
    targets = (_at_most(max_targets, np.flatnonzero(row), rng) for row in hit)
    size = _size(masks)
    if anchor == "published":
        boxes = _published_anchors(pixels / size, 2 * _PUBLISHED_RADIUS / size, rng)
    else:
        centres = (pixels + 0.5) / size
        boxes = np.concatenate([centres, np.full_like(centres, CLICK_SIZE)], axis=1)
    return ClickTargets(_tensor(boxes), _kinds("click", boxes), tuple(targets))


def sample_boxes(
    masks: npt.NDArray[np.bool_],
    num_boxes: int,
    rng: np.random.Generator,
    jitter: float = 0.1,
) -> ClickTargets:
    """Draw boxes around masks, each with that one mask as its target.

    Parameters
    ----------
    masks : (M, H, W) bool array
        None of them empty.
    num_boxes : int
    rng : numpy.random.Generator
    jitter : float
        Every edge moves by up to this fraction of the box's width or height, below 0.5;
        boxes stay inside the picture.
    """
    visited = _visits(len(masks), num_boxes, rng)
    tight = mask_boxes(masks)[visited]
    extent = np.tile(tight[:, 2:] - tight[:, :2], 2)
    moved = tight + rng.uniform(-jitter, jitter, tight.shape) * extent
    low, high = np.split(np.clip(moved / np.tile(_size(masks), 2), 0.0, 1.0), 2, axis=1)
    boxes = np.concatenate([(low + high) / 2, high - low], axis=1)
    targets = tuple(np.array([mask], dtype=np.int64) for mask in visited)
    return ClickTargets(_tensor(boxes), _kinds("box", boxes), targets)


def _size(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Width and height of the picture."""
    return np.array([masks.shape[2], masks.shape[1]])


def _visits(num_masks: int, num_prompts: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return a random order of the masks, repeated up to the number of prompts."""
    if num_masks == 0:
        return np.zeros(0, dtype=np.int64)
    return np.resize(rng.permutation(num_masks), num_prompts)


def _random_pixels(
    masks: npt.NDArray[np.bool_],
    visited: npt.NDArray[np.int64],
    centre_share: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Return one random pixel ``(x, y)`` of each visited mask, (N, 2)."""
    pixels = np.zeros((len(visited), 2), dtype=np.int64)
    central = rng.random(len(visited)) < centre_share
    for mask, centre in sorted(set(zip(visited, central, strict=True))):
        clicks = np.flatnonzero((visited == mask) & (central == centre))
        inside = np.argwhere(_middle(masks[mask]) if centre else masks[mask])
        pixels[clicks] = rng.choice(inside, len(clicks))[:, ::-1]
    return pixels


def _middle(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the part of a mask that is farthest from its outline."""
    (x0, y0, x1, y1) = mask_boxes(mask[None])[0].astype(int)
    depth = distance_transform_edt(np.pad(mask[y0:y1, x0:x1], 1))[1:-1, 1:-1]
    middle = np.zeros_like(mask)
    middle[y0:y1, x0:x1] = depth >= _MIDDLE_DEPTH * depth.max()
    return middle


def _at_most(
    limit: int, indices: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    if len(indices) <= limit:
        return indices
    return np.sort(rng.choice(indices, limit, replace=False))


def _published_anchors(
    centres: npt.NDArray[Any], size: npt.NDArray[Any], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Boxes of `size` with the published noise, in fractions of the picture."""
    boxes = np.concatenate([centres, np.broadcast_to(size, centres.shape)], axis=1)
    reach = np.concatenate([size / 2, size])
    noise = rng.uniform(-1.0, 1.0, boxes.shape) * reach * _PUBLISHED_NOISE
    clipped: npt.NDArray[Any] = np.clip(boxes + noise, 0.0, 1.0)
    return clipped


def _kinds(kind: Kind, boxes: npt.NDArray[Any]) -> tuple[Kind, ...]:
    return (kind,) * len(boxes)


def _tensor(boxes: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(boxes.astype(np.float32))
