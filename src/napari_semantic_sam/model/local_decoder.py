"""The mask decoder of the small model: attention to windows around the prompt.

It keeps the paper's queries (a prompt's anchor box × K learned granularity embeddings, with
box refinement and deep supervision) and replaces deformable cross-attention over the whole
image by dense cross-attention to a window around the prompt at every stride, which learns
quickly and costs the same whatever the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.config import LocalConfig, ModelConfig
from napari_semantic_sam.model.feature_pyramid import MEMORY_STRIDES
from napari_semantic_sam.model.implicit_masks import ImplicitMasks
from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.mask_head import MaskHead
from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.model.sampling import gather_bilinear
from napari_semantic_sam.model.score_head import ScoreHead
from napari_semantic_sam.model.types import ImageEmbedding, Prompts

CLICK_PRIOR = 48.0
"""Side in pixels of the box a click starts from before the network has looked."""


@dataclass(frozen=True)
class Anchors:
    """Prompts in pixels of the padded input.

    Attributes
    ----------
    centre, size : (N, 2) float tensors
        ``(x, y)`` and ``(w, h)``; a click's size is `CLICK_PRIOR`.
    image_index : (N,) int64 tensor
    type_row : (N,) int64 tensor
        Row of the type embedding.
    """

    centre: Tensor
    size: Tensor
    image_index: Tensor
    type_row: Tensor


class LocalMaskDecoder(nn.Module):
    """K queries per prompt, a few layers of self-attention and windowed cross-attention.

    Parameters
    ----------
    config : ModelConfig
        Its decoder must be a `LocalConfig`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        decoder = config.decoder
        assert isinstance(decoder, LocalConfig)
        width = decoder.width
        self.window = decoder.window
        self.mask_stride = decoder.mask_stride
        self.prompt_types = dict(config.prompt_types)
        self.tokens = nn.Embedding(config.num_tokens, width)
        self.types = nn.Embedding(len(config.prompt_types), width)
        self.size_embedding = MLP(2, width, width, 2)
        self.window_positions = nn.Parameter(
            torch.randn(len(MEMORY_STRIDES) * decoder.window**2, width) * 0.1
        )
        self.memory_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(LocalLayer(decoder) for _ in range(decoder.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.box_head = MLP(width, width, 4, 3)
        self.mask_head = MaskHead(width, decoder.mask_channels, decoder.mask_hidden)
        self.score_head = ScoreHead(width, decoder.mask_channels)

    def project(self, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Nothing: only the windows around prompts are ever projected."""
        return ()

    def forward(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        joint: bool = False,
        last_only: bool = False,
    ) -> list[LayerPrediction]:
        """Predict after every layer, or the last one only; prompts never see each other.

        Raises
        ------
        ValueError
            If `joint` is asked for, which only the published architecture knows.
        """
        if joint:
            raise ValueError("the local decoder has no joint mode: its prompts are isolated")
        anchors = self._anchors(embedding, prompts)
        memory = self._memory(embedding, anchors)
        queries = self._queries(anchors)
        predictions = []
        for layer in self.layers:
            queries = layer(queries, memory)
            if layer is self.layers[-1] or not last_only:
                predictions.append(self._predict(self.norm(queries), embedding, anchors))
        return predictions

    def _anchors(self, embedding: ImageEmbedding, prompts: Prompts) -> Anchors:
        height, width = embedding.geometry.padded_size
        boxes = embedding.geometry.to_padded(prompts.anchor_boxes)
        boxes = boxes * boxes.new_tensor([width, height, width, height])
        clicks = [kind == "click" for kind in prompts.kinds]
        is_click = torch.tensor(clicks, dtype=torch.bool, device=boxes.device)
        size = torch.where(is_click[:, None], boxes.new_tensor(CLICK_PRIOR), boxes[:, 2:])
        rows = torch.tensor([self.prompt_types[kind] for kind in prompts.kinds], dtype=torch.long)
        return Anchors(boxes[:, :2], size, prompts.image_index, rows.to(boxes.device))

    def _queries(self, anchors: Anchors) -> Tensor:
        """Content of the (N, K, C) queries: type and size of the prompt + granularity."""
        size = self.size_embedding((anchors.size / CLICK_PRIOR).log())
        prompt = self.types(anchors.type_row) + size
        return prompt[:, None] + self.tokens.weight[None]

    def _memory(self, embedding: ImageEmbedding, anchors: Anchors) -> Tensor:
        """Features in a window around each prompt at every stride, ``(N, S·window², C)``."""
        height, width = embedding.geometry.padded_size
        reach = torch.arange(self.window, device=anchors.centre.device) - self.window // 2
        offsets = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), dim=-1).view(-1, 2)
        extent = anchors.centre.new_tensor([width, height])
        windows = []
        for stride in MEMORY_STRIDES:
            points = (anchors.centre[:, None] + offsets * stride) / extent
            level = embedding.features[f"memory_{stride}"]
            windows.append(gather_bilinear(level, points, anchors.image_index))
        return self.memory_norm(torch.cat(windows, dim=1)) + self.window_positions

    def _predict(
        self, queries: Tensor, embedding: ImageEmbedding, anchors: Anchors
    ) -> LayerPrediction:
        height, width = embedding.geometry.padded_size
        boxes = refine_boxes(self.box_head(queries), anchors)
        masks = ImplicitMasks(
            features=embedding.features["mask_features"],
            weights=self.mask_head(queries),
            centre=anchors.centre,
            # Boxes have losses of their own; masks only use them as a frame.
            boxes=boxes.detach(),
            image_index=anchors.image_index,
            stride=self.mask_stride,
        )
        return LayerPrediction(
            predicted_iou=self.score_head(queries, masks),
            boxes=boxes / boxes.new_tensor([width, height, width, height]),
            masks=masks,
        )


class LocalLayer(nn.Module):
    """Self-attention among a prompt's K queries, cross-attention to its windows, feed-forward."""

    def __init__(self, config: LocalConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.heads = heads
        self.to_query = nn.Linear(width, width)
        self.to_key_value = nn.Linear(width, 2 * width)
        self.to_output = nn.Linear(width, width)
        self.feedforward = MLP(width, config.feedforward, width, 2)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """Update (N, K, C) `queries` from (N, T, C) `memory`, normalising first."""
        normed = self.norms[0](queries)
        queries = queries + self.self_attention(normed, normed, normed, need_weights=False)[0]
        queries = queries + self._cross_attention(self.norms[1](queries), memory)
        return queries + self.feedforward(self.norms[2](queries))

    def _cross_attention(self, queries: Tensor, memory: Tensor) -> Tensor:
        key, value = self._split(self.to_key_value(memory)).chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(self._split(self.to_query(queries)), key, value)
        return self.to_output(attended.transpose(1, 2).flatten(2))

    def _split(self, tensor: Tensor) -> Tensor:
        """(N, T, C) → (N, heads, T, C / heads)."""
        return tensor.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def refine_boxes(deltas: Tensor, anchors: Anchors) -> Tensor:
    """Move and scale the anchors.

    Parameters
    ----------
    deltas : (N, K, 4) float tensor
        Shift of the centre in units of the new size, and the logarithm of the size's ratio.
    anchors : Anchors

    Returns
    -------
    (N, K, 4) float tensor
        ``(cx, cy, w, h)`` in pixels of the padded input.
    """
    # exp(±5) spans 0.3 px to 7000 px from a click's prior: no box a user can see is cut off.
    size = anchors.size[:, None] * deltas[..., 2:].clamp(-5, 5).exp()
    centre = anchors.centre[:, None] + deltas[..., :2] * size
    return torch.cat([centre, size], dim=-1)
