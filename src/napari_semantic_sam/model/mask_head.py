"""What every query writes: a tiny network of its own that turns features at a point into a logit.

The weights of a two-layer network (CondInst, Tian et al. 2020), whose inputs are the mask
features at a point and where the point lies, relative to the prompt and to the query's own
box. Positions are squashed so that "far away" looks the same however large the picture: a
look-alike on the other side of the image is never part of the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.layers import MLP

PROMPT_SCALES = (8.0, 32.0, 128.0)
"""Distances in pixels over which a point counts as near the prompt."""

PROMPT_CHANNELS = 3 * len(PROMPT_SCALES)
BOX_CHANNELS = 4


@dataclass(frozen=True)
class HeadWeights:
    """Weights of every query's network; N prompts, K tokens, hidden width H.

    Attributes
    ----------
    shared : (N, K, H + 1, C + PROMPT_CHANNELS) tensor
        From what the K queries of a prompt have in common. The last row skips the hidden layer.
    boxed : (N, K, H + 1, BOX_CHANNELS) tensor
        From the position relative to the query's own box.
    bias : (N, K, H + 1) tensor
    out : (N, K, H) tensor
    """

    shared: Tensor
    boxed: Tensor
    bias: Tensor
    out: Tensor

    def pick(self, prompts: Tensor, tokens: Tensor) -> HeadWeights:
        """Return the weights of M queries as those of M prompts with one token each."""
        chosen = (getattr(self, item.name)[prompts, tokens][:, None] for item in fields(self))
        return HeadWeights(*chosen)


class MaskHead(nn.Module):
    """Writes `HeadWeights` from queries."""

    def __init__(self, width: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.sizes = (channels + PROMPT_CHANNELS, BOX_CHANNELS, 1)
        outputs = (hidden + 1) * sum(self.sizes) + hidden
        self.controller = MLP(width, 2 * width, outputs, 2)

    def forward(self, queries: Tensor) -> HeadWeights:
        """Turn (N, K, width) queries into weights."""
        values = self.controller(queries)
        first, out = values[..., : -self.hidden], values[..., -self.hidden :]
        rows = first.unflatten(-1, (self.hidden + 1, -1))
        shared, boxed, bias = rows.split(self.sizes, dim=-1)
        return HeadWeights(shared, boxed, bias[..., 0], out)


def evaluate(
    weights: HeadWeights, features: Tensor, pixels: Tensor, centre: Tensor, boxes: Tensor
) -> Tensor:
    """Run every query's network.

    Parameters
    ----------
    weights : HeadWeights
    features : (N, P, C) tensor
        Mask features at the points.
    pixels : (N, P, 2) tensor
        The points, pixels of the padded input.
    centre : (N, 2) tensor
    boxes : (N, K, 4) tensor

    Returns
    -------
    (N, K, P) tensor of logits
    """
    near = prompt_positions(pixels, centre).to(features.dtype)
    inputs = torch.cat([features, near], dim=-1)
    count, tokens, rows, _ = weights.shared.shape
    hidden = torch.matmul(weights.shared.flatten(1, 2), inputs.transpose(1, 2))
    hidden = hidden.view(count, tokens, rows, inputs.shape[1])
    framed = box_positions(pixels, boxes).to(features.dtype)
    hidden = hidden + torch.matmul(weights.boxed, framed.transpose(-1, -2))
    hidden = hidden + weights.bias[..., None]
    skip, active = hidden[:, :, -1], F.relu(hidden[:, :, :-1])
    return skip + torch.matmul(weights.out[:, :, None], active)[:, :, 0]


def prompt_positions(pixels: Tensor, centre: Tensor) -> Tensor:
    """Squashed offset and distance to the prompt at several scales, ``(N, P, 9)``."""
    offset = pixels - centre[:, None]
    distance = offset.norm(dim=-1, keepdim=True)
    parts = [
        torch.cat([offset / (distance + scale), distance / (distance + scale)], dim=-1)
        for scale in PROMPT_SCALES
    ]
    return torch.cat(parts, dim=-1)


def box_positions(pixels: Tensor, boxes: Tensor) -> Tensor:
    """Squashed position in each query's box and its absolute value, ``(N, K, P, 4)``."""
    half = boxes[..., None, 2:].clamp(min=1.0) / 2
    offset = (pixels[:, None] - boxes[..., None, :2]) / half
    squashed = offset / (1 + offset.abs())
    return torch.cat([squashed, squashed.abs()], dim=-1)
