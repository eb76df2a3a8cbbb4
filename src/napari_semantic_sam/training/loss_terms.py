"""The single terms of the loss, on masks already sampled at points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_DICE_WEIGHT = 16.0
"""A point far from the prompt counts in dice at most as often as this many near ones:
its true share of the picture would drown a small object in noise."""

RANK_TEMPERATURE = 0.1


@dataclass(frozen=True)
class SharedPoints:
    """Points that all tokens of a prompt share, and the targets there.

    Attributes
    ----------
    points : (N, P, 2) float tensor
    weights : (N, P) float tensor
        See `PointSet`.
    masks : (N, T, P) float tensor
        Target masks of every slot.
    """

    points: Tensor
    weights: Tensor
    masks: Tensor


@dataclass(frozen=True)
class PairSamples:
    """What R pairs look like at P points: all (R, P).

    Attributes
    ----------
    logits, target : float tensors
    weights : float tensor
        What each point counts in dice.
    """

    logits: Tensor
    target: Tensor
    weights: Tensor


def bce_loss(sampled: PairSamples) -> Tensor:
    """Binary cross-entropy, mean over points, (R,)."""
    logits, target = sampled.logits, sampled.target
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1)


def dice_loss(sampled: PairSamples) -> Tensor:
    """Dice loss with 1 added to both parts of the fraction, (R,)."""
    probability = sampled.logits.sigmoid()
    overlap = (sampled.weights * probability * sampled.target).sum(dim=1)
    areas = (sampled.weights * (probability + sampled.target)).sum(dim=1)
    return 1.0 - (2.0 * overlap + 1.0) / (areas + 1.0)


def dice_weights(weights: Tensor) -> Tensor:
    """Rescale (N, P) point weights so that the nearest points count 1, and cap the rest."""
    least = weights.amin(dim=1, keepdim=True)
    return (weights / least).clamp(max=MAX_DICE_WEIGHT)


def best_iou(logits: Tensor, valid: Tensor, shared: SharedPoints) -> Tensor:
    """IoU of every token's thresholded mask with the target it fits best.

    Parameters
    ----------
    logits : (N, K, P) float tensor
    valid : (N, T) bool tensor
    shared : SharedPoints

    Returns
    -------
    (N, K) float tensor
        0..1, estimated from the weighted points.
    """
    predicted = (logits > 0).float() * shared.weights[:, None]
    target = (shared.masks >= 0.5).float()
    overlap = torch.einsum("nkp,ntp->nkt", predicted, target)
    target_area = torch.einsum("ntp,np->nt", target, shared.weights)
    union = predicted.sum(dim=-1)[:, :, None] + target_area[:, None] - overlap
    iou = overlap / union.clamp(min=1e-6)
    return iou.masked_fill(~valid[:, None], 0.0).amax(dim=-1)


def rank_loss(predicted_iou: Tensor, true_iou: Tensor) -> Tensor:
    """Divergence between the tokens' order by true and by predicted IoU, mean over prompts.

    The gradient is that of the cross-entropy of the two softmax distributions over the K
    tokens; subtracting the entropy makes 0 the best value. Both arguments are (N, K).
    """
    wanted = (true_iou / RANK_TEMPERATURE).softmax(dim=-1)
    log_predicted = (predicted_iou / RANK_TEMPERATURE).log_softmax(dim=-1)
    return F.kl_div(log_predicted, wanted, reduction="sum") / max(1, len(wanted))
