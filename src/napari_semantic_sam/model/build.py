"""From a config to modules: the one place that knows every architecture.

An image encoder is called with a normalised, padded ``(B, 3, H, W)`` batch and returns named
features, among them ``"mask_features"``. A mask decoder offers ``project(features)``, the
work that depends on the image alone, and is called with an embedding and prompts; it returns
one `LayerPrediction` per layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from napari_semantic_sam.model.config import DeformableConfig, ModelConfig
from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.model.types import ImageEmbedding, Prompts


class MaskDecoder(Protocol):
    """What `SemanticSAM` asks of a mask decoder."""

    @property
    def score_head(self) -> nn.Module:
        """What predicts the IoU of a mask."""
        ...

    def project(self, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Project the memory once for all prompts to come."""
        ...

    def __call__(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        joint: bool = False,
        last_only: bool = False,
    ) -> list[LayerPrediction]:
        """Predict after every layer, or the last one only."""
        ...


def build_image_encoder(config: ModelConfig) -> nn.Module:
    """Return the backbone with the pixel decoder that `config` asks for."""
    if isinstance(config.decoder, DeformableConfig):
        from napari_semantic_sam.model.pixel_decoder import DeformableImageEncoder

        return DeformableImageEncoder(config.backbone, config.decoder)
    from napari_semantic_sam.model.feature_pyramid import PyramidImageEncoder

    return PyramidImageEncoder(config.backbone, config.decoder)


def build_mask_decoder(config: ModelConfig) -> MaskDecoder:
    """Return the mask decoder that `config` asks for."""
    if isinstance(config.decoder, DeformableConfig):
        from napari_semantic_sam.model.deformable_decoder import DeformableMaskDecoder

        return DeformableMaskDecoder(config)
    from napari_semantic_sam.model.local_decoder import LocalMaskDecoder

    return LocalMaskDecoder(config)
