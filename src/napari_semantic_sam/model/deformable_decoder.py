"""The published mask decoder: anchor-box queries, deformable cross-attention, box refinement.

Semantic-SAM (Li et al., arXiv 2307.04767, §3.1) on the decoder of Mask DINO (Li et al. 2023):
each prompt is an anchor box, and each of its K queries adds a learned granularity embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.config import KINDS, DeformableConfig, ModelConfig
from napari_semantic_sam.model.deformable_attention import DeformableAttention, TableLayout
from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.linear import linear
from napari_semantic_sam.model.pixel_decoder import MEMORY_STRIDES
from napari_semantic_sam.model.positions import box_encoding
from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.model.product_masks import ProductMasks
from napari_semantic_sam.model.types import ImageEmbedding, Prompts

_STRIDES = MEMORY_STRIDES[::-1]  # the published decoder sees the coarsest level first
_LOGIT_EPSILON = 1e-5


class DeformableMaskDecoder(nn.Module):
    """K queries per prompt, refined layer by layer.

    Parameters
    ----------
    config : ModelConfig
        Its decoder must be a `DeformableConfig`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        decoder = config.decoder
        assert isinstance(decoder, DeformableConfig)
        width = decoder.width
        self.heads, self.points = decoder.heads, decoder.points
        self.prompt_types = dict(config.prompt_types)
        self.base_embedding = nn.Embedding(1, width)
        self.type_embedding = nn.Embedding(len(KINDS), width)
        self.token_embedding = nn.Embedding(config.num_tokens, width)
        self.position_head = MLP(2 * width, width, width, 2)
        self.layers = nn.ModuleList(DecoderLayer(decoder) for _ in range(decoder.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.box_head = MLP(width, width, 4, 3)
        self.iou_head = MLP(width, width, 1, 3)
        self.mask_head = MLP(width, width, width, 3)

    @property
    def score_head(self) -> nn.Module:
        """What predicts the IoU of a mask."""
        return self.iou_head

    def project(self, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return every layer's cross-attention values, (B, rows, C) tables.

        Parameters
        ----------
        features : mapping of name to tensor
            From `DeformableImageEncoder`.
        """
        sizes = _sizes(features)
        levels = [features[f"memory_{stride}"].flatten(2).transpose(1, 2) for stride in _STRIDES]
        memory = torch.cat(levels, dim=1)
        attentions = [cast("DecoderLayer", layer).cross_attention for layer in self.layers]
        return tuple(attention.project(memory, sizes) for attention in attentions)

    def forward(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        joint: bool = False,
        last_only: bool = False,
    ) -> list[LayerPrediction]:
        """Predict after every layer, or the last one only; see `SemanticSAM.decode`."""
        queries = self._queries(prompts)
        reference = self._references(embedding, prompts, like=queries)
        scene = Scene(
            layout=TableLayout.of(
                _sizes(embedding.features), self.heads, self.points, like=reference
            ),
            image_index=prompts.image_index,
            apart=self._apart(prompts.image_index) if joint else None,
        )
        predictions = []
        for layer, values in zip(self.layers, embedding.projections, strict=True):
            # Each layer's box loss reaches one update back and no further.
            current = reference.detach()
            positions = self._positions(current).to(queries.dtype)
            queries = layer(queries, positions, current, values, scene)
            if layer is self.layers[-1] or not last_only:
                predictions.append(self._predict(queries, reference, embedding, prompts))
            reference = self._refine(queries, current)
        return predictions

    def _queries(self, prompts: Prompts) -> Tensor:
        """Content of the (N, K, C) queries."""
        rows = [self.prompt_types[kind] for kind in prompts.kinds]
        index = torch.tensor(rows, dtype=torch.long, device=prompts.anchor_boxes.device)
        prompt = self.base_embedding.weight + self.type_embedding(index)
        return prompt[:, None] + self.token_embedding.weight

    def _references(self, embedding: ImageEmbedding, prompts: Prompts, like: Tensor) -> Tensor:
        """Anchor boxes of the (N, K) queries in the padded input, at least in float32."""
        precise = torch.promote_types(like.dtype, torch.float32)
        boxes = embedding.geometry.to_padded(prompts.anchor_boxes.to(precise))
        boxes = _logit(boxes).sigmoid()
        return boxes[:, None].expand(-1, self.token_embedding.num_embeddings, -1)

    def _apart(self, image_index: Tensor) -> Tensor:
        """Pairs of queries, (N·K, N·K), that belong to different images."""
        owner = image_index.repeat_interleave(self.token_embedding.num_embeddings)
        return torch.ne(owner[:, None], owner)

    def _positions(self, reference: Tensor) -> Tensor:
        dtype = self.base_embedding.weight.dtype
        encoding = box_encoding(reference, self.base_embedding.embedding_dim // 2)
        return self.position_head(encoding.to(dtype))

    def _refine(self, queries: Tensor, reference: Tensor) -> Tensor:
        return torch.sigmoid(self.box_head(queries) + _logit(reference))

    def _predict(
        self, queries: Tensor, reference: Tensor, embedding: ImageEmbedding, prompts: Prompts
    ) -> LayerPrediction:
        # Twice, as published: the decoder norms its outputs and the heads norm them again.
        normed = self.norm(self.norm(queries))
        return LayerPrediction(
            predicted_iou=self.iou_head(normed)[..., 0],
            boxes=self._refine(normed, reference),
            masks=ProductMasks(
                self.mask_head(normed), embedding.features["mask_features"], prompts.image_index
            ),
        )


@dataclass(frozen=True)
class Scene:
    """What all decoder layers need to know besides the queries.

    Attributes
    ----------
    layout : TableLayout
        Of the projected memory.
    image_index : (N,) int64 tensor
    apart : (N·K, N·K) bool tensor or None
        Queries that must not attend to each other; None isolates every prompt.
    """

    layout: TableLayout
    image_index: Tensor
    apart: Tensor | None


class DecoderLayer(nn.Module):
    """Self-attention, deformable cross-attention, feed-forward; norms come after."""

    def __init__(self, config: DeformableConfig) -> None:
        super().__init__()
        width, levels = config.width, len(_STRIDES)
        self.self_attention = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.self_attention_norm = nn.LayerNorm(width)
        self.cross_attention = DeformableAttention(width, config.heads, levels, config.points)
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feedforward = MLP(width, config.feedforward, width, 2)
        self.feedforward_norm = nn.LayerNorm(width)

    def forward(
        self, queries: Tensor, positions: Tensor, reference: Tensor, values: Tensor, scene: Scene
    ) -> Tensor:
        """Update the queries.

        Parameters
        ----------
        queries, positions : (N, K, C) float tensors
        reference : (N, K, 4) float tensor
            ``(cx, cy, w, h)`` in fractions of the padded input.
        values : (B, rows, C) float tensor
            This layer's projected memory.
        scene : Scene
        """
        peers = self._attend_to_peers(queries, positions, scene.apart)
        queries = self.self_attention_norm(queries + peers)
        # Unit offsets at the outermost sampling point reach the edge of the reference box.
        reach = reference[..., 2:] * 0.5 / self.cross_attention.points
        attended = self.cross_attention(
            queries + positions,
            reference[..., :2],
            reach,
            values,
            scene.layout,
            scene.image_index,
        )
        queries = self.cross_attention_norm(queries + attended)
        return self.feedforward_norm(queries + self.feedforward(queries))

    def _attend_to_peers(self, queries: Tensor, positions: Tensor, apart: Tensor | None) -> Tensor:
        placed, content = queries + positions, queries
        if apart is not None:  # one long sequence instead of one per prompt
            placed, content = placed.flatten(0, 1)[None], content.flatten(0, 1)[None]
        peers, width = self.self_attention, queries.shape[-1]
        weight, bias = peers.in_proj_weight, peers.in_proj_bias
        query, key = linear(placed, weight[: 2 * width], bias[: 2 * width]).chunk(2, dim=-1)
        value = linear(content, weight[2 * width :], bias[2 * width :])
        query, key, value = (
            each.unflatten(-1, (peers.num_heads, -1)).transpose(1, 2)
            for each in (query, key, value)
        )
        allowed = None if apart is None else ~apart
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        merged = attended.transpose(1, 2).flatten(2)
        found = linear(merged, peers.out_proj.weight, peers.out_proj.bias)
        return found.view_as(queries)


def _sizes(features: Mapping[str, Tensor]) -> list[tuple[int, int]]:
    maps = [features[f"memory_{stride}"] for stride in _STRIDES]
    return [(level.shape[-2], level.shape[-1]) for level in maps]


def _logit(boxes: Tensor) -> Tensor:
    return torch.logit(boxes, eps=_LOGIT_EPSILON)
