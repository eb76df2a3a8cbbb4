"""Box arithmetic of matching and losses."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-6  # as published, in both denominators


def corners(boxes: Tensor) -> Tensor:
    """Turn ``(cx, cy, w, h)`` boxes (..., 4) into ``(x0, y0, x1, y1)``."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def generalized_iou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al., arXiv 1902.09630), -1..1.

    Parameters
    ----------
    first, second : (..., 4) float tensors
        ``(cx, cy, w, h)``; shapes are broadcast.

    Returns
    -------
    (...) float tensor
    """
    a, b = corners(first), corners(second)
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    inner_low = torch.maximum(a[..., :2], b[..., :2])
    inner_high = torch.minimum(a[..., 2:], b[..., 2:])
    intersection = (inner_high - inner_low).clamp(min=0).prod(dim=-1)
    union = _area(a) + _area(b) - intersection
    hull = (high - low).clamp(min=0).prod(dim=-1)
    return intersection / (union + _EPSILON) - (hull - union) / (hull + _EPSILON)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).prod(dim=-1)
