"""Masks as functions of position: a tiny network per query, evaluated where it is needed.

Each query writes the weights of a two-layer network (CondInst, Tian et al. 2020) whose inputs
are the mask features at a point and where the point lies, relative to the prompt and to the
query's own box. Positions are squashed so that "far away" looks the same however large the
picture: a look-alike on the other side of the image is never part of the mask. Training
evaluates it in a few hundred points per prompt, inference on the pixels around the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.sampling import gather_bilinear

PROMPT_SCALES = (8.0, 32.0, 128.0)
"""Distances in pixels over which a point counts as near the prompt."""

PROMPT_CHANNELS = 3 * len(PROMPT_SCALES)
BOX_CHANNELS = 4
REACH = 1.6
"""Masks are evaluated up to this multiple of the box around its centre …"""
MARGIN = 16.0
"""… and this many pixels beyond."""
OUTSIDE = -20.0
"""Logit where a mask is not evaluated."""


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


@dataclass(frozen=True)
class ImplicitMasks:
    """A `MaskSource` that evaluates the queries' networks on demand.

    Attributes
    ----------
    features : (B, C, H/s, W/s) tensor
    weights : HeadWeights
    centre : (N, 2) tensor
        Of the prompts, pixels of the padded input.
    boxes : (N, K, 4) tensor
        ``(cx, cy, w, h)`` in pixels of the padded input.
    image_index : (N,) int64 tensor
    stride : int
        Pixels of the padded input per pixel of `features`.
    """

    features: Tensor
    weights: HeadWeights
    centre: Tensor
    boxes: Tensor
    image_index: Tensor
    stride: int

    @property
    def extent(self) -> Tensor:
        """Width and height of the padded input."""
        height, width = self.features.shape[-2:]
        return self.centre.new_tensor([width * self.stride, height * self.stride])

    def sample_all(self, points: Tensor) -> Tensor:
        """See `MaskSource.sample_all`."""
        features = gather_bilinear(self.features, points, self.image_index)
        return evaluate(self.weights, features, points * self.extent, self.centre, self.boxes)

    def sample(self, points: Tensor, prompts: Tensor, tokens: Tensor) -> Tensor:
        """See `MaskSource.sample`."""
        features = gather_bilinear(self.features, points, self.image_index[prompts])
        chosen = HeadWeights(
            *(
                getattr(self.weights, name)[prompts, tokens][:, None]
                for name in HeadWeights.__dataclass_fields__
            )
        )
        boxes = self.boxes[prompts, tokens][:, None]
        pixels = points * self.extent
        return evaluate(chosen, features, pixels, self.centre[prompts], boxes)[:, 0]

    def dense(self) -> Tensor:
        """See `MaskSource.dense`; `OUTSIDE` beyond `REACH` × the union of the K boxes."""
        height, width = self.features.shape[-2:]
        count, tokens = self.boxes.shape[:2]
        logits = self.features.new_full((count, tokens, height, width), OUTSIDE)
        for prompt, (x0, y0, x1, y1) in enumerate(self._windows()):
            if x1 > x0 and y1 > y0:
                logits[prompt, :, y0:y1, x0:x1] = self._window_logits(prompt, x0, y0, x1, y1)
        return logits

    def _windows(self) -> list[list[int]]:
        """Per prompt, the cells ``x0, y0, x1, y1`` worth evaluating."""
        height, width = self.features.shape[-2:]
        half = self.boxes[..., 2:] * (REACH / 2) + MARGIN
        low = (self.boxes[..., :2] - half).amin(dim=1) / self.stride
        high = (self.boxes[..., :2] + half).amax(dim=1) / self.stride
        limit = low.new_tensor([width, height])
        low = torch.minimum(low.floor().clamp(min=0), limit)
        high = torch.minimum(high.ceil().clamp(min=0), limit)
        windows: list[list[int]] = torch.cat([low, high], dim=1).long().tolist()
        return windows

    def _window_logits(self, prompt: int, x0: int, y0: int, x1: int, y1: int) -> Tensor:
        xs = (torch.arange(x0, x1, device=self.centre.device) + 0.5) * self.stride
        ys = (torch.arange(y0, y1, device=self.centre.device) + 0.5) * self.stride
        pixels = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).view(1, -1, 2)
        crop = self.features[self.image_index[prompt], :, y0:y1, x0:x1]
        one = slice(prompt, prompt + 1)
        weights = HeadWeights(
            *(getattr(self.weights, name)[one] for name in HeadWeights.__dataclass_fields__)
        )
        logits = evaluate(
            weights, crop.flatten(1).T[None], pixels, self.centre[one], self.boxes[one]
        )
        return logits[0].unflatten(-1, (y1 - y0, x1 - x0))


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
