"""The published image encoder: a backbone and a multi-scale deformable pixel decoder.

After Cheng et al. 2022 (Mask2Former, §3.3) and Li et al. 2023 (Mask DINO, §3.2): a deformable
transformer encoder over strides 8 to 64, and a pyramid step down to the mask features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.backbone import build_backbone
from napari_semantic_sam.model.chunks import at_once, split
from napari_semantic_sam.model.config import DeformableConfig, SwinConfig, TimmConfig
from napari_semantic_sam.model.deformable_attention import DeformableAttention, TableLayout
from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.positions import cell_centres, grid_encoding

MEMORY_STRIDES = (8, 16, 32, 64)
"""Strides of the memory levels, in the order of the pixel decoder."""

_GROUPS = 32
_CHANNELS_AT_ONCE = 32


class DeformableImageEncoder(nn.Module):
    """Backbone → deformable encoder → memory at strides 8–64, mask features at stride 4.

    Parameters
    ----------
    backbone : SwinConfig or TimmConfig
    decoder : DeformableConfig
        Its width must be a multiple of 32.
    """

    def __init__(self, backbone: SwinConfig | TimmConfig, decoder: DeformableConfig) -> None:
        super().__init__()
        width = decoder.width
        self.heads, self.points = decoder.heads, decoder.points
        self.backbone = build_backbone(backbone)
        finest, *channels = self.backbone.channels
        projections = [_normed(nn.Conv2d(c, width, 1)) for c in channels]
        projections.append(_normed(nn.Conv2d(channels[-1], width, 3, stride=2, padding=1)))
        self.input_projections = nn.ModuleList(projections)
        self.level_embedding = nn.Embedding(len(MEMORY_STRIDES), width)
        self.layers = nn.ModuleList(EncoderLayer(decoder) for _ in range(decoder.encoder_layers))
        self.lateral = _normed(nn.Conv2d(finest, width, 1, bias=False))
        self.smooth = _normed(nn.Conv2d(width, width, 3, padding=1, bias=False))
        # In place, as these are the largest maps of all.
        self.smooth.append(nn.ReLU(inplace=True))
        self.mask_features = nn.Conv2d(width, width, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Turn normalised images into features.

        Parameters
        ----------
        images : (B, 3, H, W) float tensor
            Sides multiples of 32.

        Returns
        -------
        dict of name to (B, width, H/stride, W/stride) tensor
            ``"mask_features"`` (stride 4) and ``"memory_8"`` to ``"memory_64"``.
        """
        finest, *maps = self.backbone(images)
        maps.append(maps[-1])
        pairs = zip(self.input_projections, maps, strict=True)
        memory = self._attend([projection(level) for projection, level in pairs])
        return {
            "mask_features": self._mask_features(finest, memory[0]),
            **{f"memory_{s}": level for s, level in zip(MEMORY_STRIDES, memory, strict=True)},
        }

    def _attend(self, levels: list[Tensor]) -> list[Tensor]:
        sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in levels], dim=1)
        # A place in the image needs more digits than half precision has.
        precise = tokens.new_empty((), dtype=torch.promote_types(tokens.dtype, torch.float32))
        surroundings = Surroundings(
            sizes=sizes,
            layout=TableLayout.of(sizes, self.heads, self.points, like=precise),
            centres=torch.cat([cell_centres(*size, like=precise) for size in sizes])[None],
            positions=self._positions(sizes, precise).to(tokens.dtype),
        )
        for layer in self.layers:
            tokens = layer(tokens, surroundings)
        parts = tokens.split([height * width for height, width in sizes], dim=1)
        return [
            part.transpose(1, 2).unflatten(2, size).contiguous()
            for part, size in zip(parts, sizes, strict=True)
        ]

    def _positions(self, sizes: list[tuple[int, int]], like: Tensor) -> Tensor:
        channels = self.level_embedding.embedding_dim
        encodings = [
            grid_encoding(*size, channels, like=like) + embedding
            for size, embedding in zip(sizes, self.level_embedding.weight, strict=True)
        ]
        return torch.cat(encodings)

    def _mask_features(self, finest: Tensor, memory: Tensor) -> Tensor:
        lateral = self.lateral(finest)
        size = cast("list[int]", list(lateral.shape[-2:]))
        most = None if at_once(lateral) is None else _CHANNELS_AT_ONCE
        for part in split(lateral.shape[1], most):
            lateral[:, part] += F.interpolate(
                memory[:, part], size=size, mode="bilinear", align_corners=False
            )
        return self.mask_features(self.smooth(lateral))


@dataclass(frozen=True)
class Surroundings:
    """What all encoder layers need to know besides the tokens.

    Attributes
    ----------
    sizes : list of (height, width)
        Of the memory levels.
    layout : TableLayout
    centres : (1, ΣHW, 2) float tensor
        ``(x, y)`` of each token in fractions of the padded input.
    positions : (ΣHW, C) float tensor
        Encoding of each token's place and level.
    """

    sizes: list[tuple[int, int]]
    layout: TableLayout
    centres: Tensor
    positions: Tensor


class EncoderLayer(nn.Module):
    """Deformable self-attention over all levels, then a feed-forward; norms come after."""

    def __init__(self, config: DeformableConfig) -> None:
        super().__init__()
        width, levels = config.width, len(MEMORY_STRIDES)
        self.attention = DeformableAttention(width, config.heads, levels, config.points)
        self.attention_norm = nn.LayerNorm(width)
        self.feedforward = MLP(width, config.feedforward, width, 2)
        self.feedforward_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, surroundings: Surroundings) -> Tensor:
        """Update (B, ΣHW, C) tokens; positions are added to the queries only."""
        values = self.attention.project(tokens, surroundings.sizes)
        updated = torch.empty_like(tokens)
        for part in split(tokens.shape[1], at_once(tokens)):
            updated[:, part] = self._update(tokens[:, part], values, surroundings, part)
        return updated

    def _update(
        self, tokens: Tensor, values: Tensor, surroundings: Surroundings, part: slice
    ) -> Tensor:
        """Update those tokens that are `part` of all."""
        attended = self.attention(
            tokens + surroundings.positions[part],
            surroundings.centres[:, part],
            None,
            values,
            surroundings.layout,
            torch.arange(len(tokens), device=tokens.device),
        )
        tokens = self.attention_norm(tokens + attended)
        return self.feedforward_norm(tokens + self.feedforward(tokens))


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.GroupNorm(_GROUPS, convolution.out_channels))
