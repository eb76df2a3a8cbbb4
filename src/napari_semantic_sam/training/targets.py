"""The targets of a batch: several images, their masks and which prompt wants which mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.model.types import Prompts
from napari_semantic_sam.training.clicks import ClickTargets
from napari_semantic_sam.training.records import mask_boxes


@dataclass(frozen=True)
class Targets:
    """What the N prompts of a batch should give.

    Prompt n has the targets ``index[n, slot]`` of every slot that is `valid`. The R valid
    slots are also listed, so that no step on a GPU has to ask how many there are.

    Attributes
    ----------
    masks : (M, H, W) bool tensor
        Masks of all images of the batch, at the padded size.
    boxes : (M, 4) float tensor
        ``(cx, cy, w, h)`` in fractions of the padded input.
    index : (N, T) int64 tensor
        Into `masks`; 0 where not valid.
    valid : (N, T) bool tensor
    prompt, slot : (R,) int64 tensors
        Where `valid` is true, row by row.
    """

    masks: Tensor
    boxes: Tensor
    index: Tensor
    valid: Tensor
    prompt: Tensor
    slot: Tensor

    def to(self, device: torch.device | str) -> Targets:
        """Return the same targets on another device."""
        return Targets(*(getattr(self, item.name).to(device) for item in fields(self)))


def build_targets(
    examples: Sequence[tuple[npt.NDArray[np.bool_], ClickTargets]],
    padded_size: tuple[int, int],
) -> tuple[Prompts, Targets]:
    """Collate the prompts of several images of one size.

    Parameters
    ----------
    examples : sequence of (masks, prompts)
        Per image: (M, H, W) bool array without empty masks, and the prompts drawn from it.
    padded_size : (height, width)
        Of the network's input.
    """
    offsets = np.cumsum([0, *(len(masks) for masks, _ in examples)])
    wanted = [
        target + offset
        for (_, clicks), offset in zip(examples, offsets[:-1], strict=True)
        for target in clicks.targets
    ]
    stacked = np.concatenate([masks for masks, _ in examples])
    height, width = stacked.shape[1:]
    padding = (0, padded_size[1] - width, 0, padded_size[0] - height)
    masks = F.pad(torch.from_numpy(stacked), padding)
    return _prompts(examples), make_targets(masks, wanted, _boxes(stacked, padded_size))


def make_targets(
    masks: Tensor, wanted: Sequence[npt.NDArray[np.int64] | Sequence[int]], boxes: Tensor
) -> Targets:
    """Return the targets of prompts that want the masks ``wanted[n]``."""
    counts = torch.tensor([len(item) for item in wanted], dtype=torch.long)
    # One slot at least: reductions over slots need something to look at.
    num_slots = max([1, *(len(item) for item in wanted)])
    valid = torch.arange(num_slots)[None, :] < counts[:, None]
    index = torch.zeros(len(wanted), num_slots, dtype=torch.long)
    flat = np.concatenate([np.zeros(0, np.int64), *(np.asarray(item) for item in wanted)])
    index[valid] = torch.from_numpy(flat.astype(np.int64))
    prompt, slot = valid.nonzero(as_tuple=True)
    return Targets(masks, boxes, index, valid, prompt, slot)


def _prompts(examples: Sequence[tuple[npt.NDArray[np.bool_], ClickTargets]]) -> Prompts:
    counts = torch.tensor([len(clicks) for _, clicks in examples])
    kinds: list[Kind] = [kind for _, clicks in examples for kind in clicks.kinds]
    return Prompts(
        torch.cat([clicks.anchor_boxes for _, clicks in examples]),
        kinds,
        torch.repeat_interleave(torch.arange(len(examples)), counts),
    )


def _boxes(masks: npt.NDArray[np.bool_], padded_size: tuple[int, int]) -> Tensor:
    corners = torch.from_numpy(mask_boxes(masks))
    low, high = corners[:, :2], corners[:, 2:]
    size = torch.tensor([padded_size[1], padded_size[0]] * 2, dtype=torch.float32)
    return torch.cat([(low + high) / 2, high - low], dim=1) / size
