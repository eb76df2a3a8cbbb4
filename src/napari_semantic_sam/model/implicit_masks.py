"""Masks as functions of position: a tiny network per query, evaluated where it is needed.

Each query writes the weights of a two-layer network (CondInst, Tian et al. 2020) whose inputs
are the mask features at a point and where the point lies, relative to the prompt and to the
query's own box. Positions are squashed so that "far away" looks the same however large the
picture: a look-alike on the other side of the image is never part of the mask. Training
evaluates it in a few hundred points per prompt, inference on the pixels around the box, and
on the whole picture only where a mask reaches the border of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.predictions import MaskPiece
from napari_semantic_sam.model.sampling import gather_bilinear

PROMPT_SCALES = (8.0, 32.0, 128.0)
"""Distances in pixels over which a point counts as near the prompt."""

PROMPT_CHANNELS = 3 * len(PROMPT_SCALES)
BOX_CHANNELS = 4
REACH = 1.6
"""A mask is first evaluated within this multiple of its box …"""
MARGIN = 16.0
"""… and this many pixels beyond."""
OUTSIDE = -20.0
"""Logit where a mask is not evaluated."""

Window = tuple[int, int, int, int]
"""Cells ``x0, y0, x1, y1`` of the mask features."""


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
        return self._evaluate(features, points * self.extent, prompts, tokens)

    def dense(self) -> Tensor:
        """See `MaskSource.dense`; `OUTSIDE` where a mask cannot be."""
        height, width = self.features.shape[-2:]
        count, tokens = self.boxes.shape[:2]
        logits = self.features.new_full((count * tokens, height, width), OUTSIDE)
        for mask, piece in zip(logits, self.pieces(), strict=True):
            rows, columns = piece.logits.shape
            mask[piece.y0 : piece.y0 + rows, piece.x0 : piece.x0 + columns] = piece.logits
        return logits.unflatten(0, (count, tokens))

    def pick(self, prompts: Tensor, tokens: Tensor) -> ImplicitMasks:
        """See `MaskSource.pick`."""
        return ImplicitMasks(
            features=self.features,
            weights=self.weights.pick(prompts, tokens),
            centre=self.centre[prompts],
            boxes=self.boxes[prompts, tokens][:, None],
            image_index=self.image_index[prompts],
            stride=self.stride,
        )

    def pieces(self) -> Iterator[MaskPiece]:
        """See `MaskSource.pieces`."""
        height, width = self.features.shape[-2:]
        whole = (0, 0, width, height)
        for prompt, windows in enumerate(self._windows()):
            for token, window in enumerate(windows):
                inside = self._window_logits(prompt, token, window)
                if _is_cut(inside > 0, window, whole):
                    window, inside = whole, self._window_logits(prompt, token, whole)
                yield MaskPiece(window[1], window[0], inside)

    def _windows(self) -> list[list[Window]]:
        """Per prompt and token, the cells around the box; none if it lies outside."""
        height, width = self.features.shape[-2:]
        half = self.boxes[..., 2:] * (REACH / 2) + MARGIN
        edges = torch.cat([self.boxes[..., :2] - half, self.boxes[..., :2] + half], dim=-1)
        limit = edges.new_tensor([width, height, width, height])
        cells = torch.minimum((edges / self.stride).round().clamp(min=0), limit)
        return [[(x0, y0, x1, y1) for x0, y0, x1, y1 in row] for row in cells.long().tolist()]

    def _window_logits(self, prompt: int, token: int, window: Window) -> Tensor:
        x0, y0, x1, y1 = window
        xs = (torch.arange(x0, x1, device=self.centre.device) + 0.5) * self.stride
        ys = (torch.arange(y0, y1, device=self.centre.device) + 0.5) * self.stride
        pixels = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).view(1, -1, 2)
        crop = self.features[self.image_index[prompt], :, y0:y1, x0:x1].flatten(1).T[None]
        prompts, tokens = self.image_index.new_tensor([[prompt], [token]])
        return self._evaluate(crop, pixels, prompts, tokens).view(y1 - y0, x1 - x0)

    def _evaluate(
        self, features: Tensor, pixels: Tensor, prompts: Tensor, tokens: Tensor
    ) -> Tensor:
        """Logits of M masks, each at P points of its own, ``(M, P)``."""
        weights, boxes = self.weights.pick(prompts, tokens), self.boxes[prompts, tokens][:, None]
        return evaluate(weights, features, pixels, self.centre[prompts], boxes)[:, 0]


def _is_cut(mask: Tensor, window: Window, whole: Window) -> bool:
    """Whether a mask reaches an edge of its window that is no edge of the picture."""
    lines = (mask[:, :1], mask[:1], mask[:, -1:], mask[-1:])
    inner = [line for line, edge, end in zip(lines, window, whole, strict=True) if edge != end]
    return bool(inner) and bool(torch.cat([line.flatten() for line in inner]).any())


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
