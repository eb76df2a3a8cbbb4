"""Which token answers which target: one assignment problem per prompt, solved all at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_semantic_sam.training.boxes import generalized_iou
from napari_semantic_sam.training.targets import Targets

MAX_TOKENS = 7
"""Above this the number of assignments, K!, is too large to try them all."""


@dataclass(frozen=True)
class Pairs:
    """R pairs of a token and a target of the same prompt.

    Attributes
    ----------
    prompt, token, mask : (R,) int64 tensors
        `mask` is an index into `Targets.masks`.
    slot : (R,) int64 tensor
        Column of `Targets.index` that holds `mask`.
    weight : (R,) float tensor
        What each pair counts in the losses.
    """

    prompt: Tensor
    token: Tensor
    mask: Tensor
    slot: Tensor
    weight: Tensor

    def joined(self, other: Pairs) -> Pairs:
        """Return these pairs, then those of `other`."""
        return Pairs(
            *(
                torch.cat([getattr(self, item.name), getattr(other, item.name)])
                for item in fields(self)
            )
        )


def match(cost: Tensor, targets: Targets) -> Pairs:
    """Pair the targets of every prompt with different tokens at the least total cost.

    The pairs are ordered by prompt, then token, and count 1 each.

    Parameters
    ----------
    cost : (N, K, T) float tensor
        Of token k answering the target in slot t; anything where the slot is not valid.
    targets : Targets
        Of the same N prompts and T slots.

    Raises
    ------
    ValueError
        If there are more slots than tokens, or more than `MAX_TOKENS` tokens.
    """
    token = assign_tokens(cost, targets.valid)[targets.prompt, targets.slot]
    order = torch.argsort(targets.prompt * cost.shape[1] + token)
    prompt, slot = targets.prompt[order], targets.slot[order]
    weight = torch.ones_like(prompt, dtype=torch.float32)
    return Pairs(prompt, token[order], targets.index[prompt, slot], slot, weight)


def spare_pairs(cost: Tensor, targets: Targets, matched: Pairs, weight: float) -> Pairs:
    """Pair every token without a target with the target it costs least to answer.

    A small weight for these pairs is the relaxed winner-takes-all of Rupprecht et al. (2017,
    arXiv 1612.00197, eq. 6): a token that has nothing of its own to say leans towards what
    there is, rather than saying anything at all.

    Parameters
    ----------
    cost, targets
        As for `match`.
    matched : Pairs
        What `match` returned.
    weight : float
        Of each pair; 0 for prompts without any target.
    """
    num_tokens = cost.shape[1]
    nearest = cost.masked_fill(~targets.valid[:, None], torch.inf).argmin(dim=-1)
    taken = torch.zeros_like(nearest, dtype=torch.bool)
    taken[matched.prompt, matched.token] = True
    # Sorting, not searching: a GPU would have to be asked how many were found.
    spare = torch.argsort(taken.flatten(), stable=True)[: taken.numel() - len(matched.prompt)]
    prompt, token = spare // num_tokens, spare % num_tokens
    slot = nearest[prompt, token]
    weights = weight * targets.valid.any(dim=1)[prompt].float()
    return Pairs(prompt, token, targets.index[prompt, slot], slot, weights)


@torch.no_grad()
def assign_tokens(cost: Tensor, valid: Tensor) -> Tensor:
    """Solve the assignment problem of every prompt exactly, by trying all assignments.

    With K = 6 tokens there are at most 720 of them, so that the search is a handful of
    tensor operations for all prompts together, wherever the tensors are.

    Parameters
    ----------
    cost : (N, K, T) float tensor
    valid : (N, T) bool tensor
        Slots that count.

    Returns
    -------
    (N, T) int64 tensor
        Token of each slot; different ones in each row.
    """
    num_tokens, num_slots = cost.shape[1:]
    if num_tokens > MAX_TOKENS or num_slots > num_tokens:
        raise ValueError(f"cannot assign {num_slots} slots to {num_tokens} tokens")
    choices = _assignments(num_tokens, num_slots, cost.device)  # (A, T)
    by_slot = cost.masked_fill(~valid[:, None, :], 0.0).permute(2, 1, 0).contiguous()
    total = cost.new_zeros(len(choices), len(cost))
    for slot in range(num_slots):
        total += by_slot[slot].index_select(0, choices[:, slot])
    return choices[total.argmin(dim=0)]


@lru_cache
def _assignments(num_tokens: int, num_slots: int, device: torch.device) -> Tensor:
    """Return every way to give the slots different tokens, (K! / (K - T)!, T)."""
    every = list(permutations(range(num_tokens), num_slots))
    return torch.tensor(every, dtype=torch.long, device=device)


def matching_costs(
    mask_logits: Tensor,
    boxes: Tensor,
    target_masks: Tensor,
    target_boxes: Tensor,
    point_weights: Tensor,
) -> dict[str, Tensor]:
    """Costs of every token of a prompt for every target of that prompt, not weighted.

    Parameters
    ----------
    mask_logits : (N, K, P) float tensor
        At the points of each prompt.
    boxes : (N, K, 4) float tensor
        ``(cx, cy, w, h)``.
    target_masks : (N, T, P) float tensor
        0..1, at the same points.
    target_boxes : (N, T, 4) float tensor
    point_weights : (N, P) float tensor
        What each point counts in dice.

    Returns
    -------
    dict of name to (N, K, T) float tensor
        ``"bce"``, ``"dice"``, ``"box"`` (L1 distance) and ``"giou"`` (its negative).
    """
    ours, theirs = boxes[:, :, None], target_boxes[:, None]
    return {
        "bce": _pairwise_bce(mask_logits, target_masks),
        "dice": _pairwise_dice(mask_logits.sigmoid(), target_masks, point_weights),
        "box": (ours - theirs).abs().sum(dim=-1),
        "giou": -generalized_iou(ours, theirs),
    }


def _pairwise_bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, softplus(x) - x·t, mean over points."""
    product = torch.einsum("nkp,ntp->nkt", logits, target)
    return (F.softplus(logits).sum(dim=-1)[:, :, None] - product) / logits.shape[-1]


def _pairwise_dice(probability: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    weighted = probability * weights[:, None]
    overlap = torch.einsum("nkp,ntp->nkt", weighted, target)
    areas = weighted.sum(dim=-1)[:, :, None] + (target * weights[:, None]).sum(dim=-1)[:, None]
    return 1.0 - (2.0 * overlap + 1.0) / (areas + 1.0)
