"""Semantic-SAM (Li et al., arXiv 2307.04767): one image encoding, many prompts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.build import build_image_encoder, build_mask_decoder
from napari_semantic_sam.model.config import ModelConfig
from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.model.types import (
    Candidates,
    EmbeddingMismatchError,
    Geometry,
    ImageEmbedding,
    Prompts,
)


class SemanticSAM(nn.Module):
    """The network in two halves, so that a click never pays for the image.

    Parameters
    ----------
    config : ModelConfig
    level_order : sequence of K ints, optional
        Token of level 1 (coarsest), 2, …, K; the identity when left out.
    checkpoint_hash : str, optional
        Fingerprint of the weights; a fresh random one when left out, so that embeddings
        of two untrained models are never confused.
    automatic : mapping of str to number, optional
        See `CheckpointMetadata`.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        config: ModelConfig,
        level_order: Sequence[int] | None = None,
        checkpoint_hash: str | None = None,
        automatic: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.level_order = tuple(level_order or range(config.num_tokens))
        self.checkpoint_hash = checkpoint_hash or uuid.uuid4().hex
        self.automatic = dict(automatic or {})
        self.image_encoder = build_image_encoder(config)
        self.mask_decoder = build_mask_decoder(config)
        self.register_buffer("pixel_mean", _per_channel(config.pixel_mean), persistent=False)
        self.register_buffer("pixel_std", _per_channel(config.pixel_std), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.pixel_mean.device

    @property
    def mask_stride(self) -> int:
        """Pixels of the padded input per pixel of a mask logit."""
        return self.config.decoder.mask_stride

    def encode(self, images: Tensor, preparation_hash: str = "") -> ImageEmbedding:
        """Do all the work that depends on the image alone.

        Parameters
        ----------
        images : (B, 3, H, W) float tensor
            RGB, 0..255, not normalised and not padded; any type, computed with in the model's.
        preparation_hash : str
            Kept in the embedding, for callers that prepare pictures in several ways.
        """
        images = images.to(self.pixel_mean)
        height, width = images.shape[-2:]
        divisor = self.config.size_divisor
        padding = (0, -width % divisor, 0, -height % divisor)
        # Padding comes after normalisation: padded pixels are 0 to the network.
        padded = F.pad((images - self.pixel_mean) / self.pixel_std, padding)
        features = self.image_encoder(padded)
        return ImageEmbedding(
            features=features,
            projections=self.mask_decoder.project(features),
            geometry=Geometry((height, width), (padded.shape[-2], padded.shape[-1])),
            mask_stride=self.mask_stride,
            checkpoint_hash=self.checkpoint_hash,
            preparation_hash=preparation_hash,
        )

    def decode(
        self, embedding: ImageEmbedding, prompts: Prompts, *, joint: bool = False
    ) -> Candidates:
        """Turn prompts into K candidates each.

        Parameters
        ----------
        embedding : ImageEmbedding
            From `encode` of this very model.
        prompts : Prompts
        joint : bool
            Let the prompts of one image attend to each other, as the published inference
            does. By default the result of a prompt does not depend on its neighbours.

        Raises
        ------
        EmbeddingMismatchError
            If the embedding was made by other weights or in another data type.
        """
        prediction = self.decode_last(embedding, prompts, joint=joint)
        return Candidates(
            mask_logits=prediction.masks.dense(),
            predicted_iou=prediction.predicted_iou,
            boxes=embedding.geometry.to_image(prediction.boxes),
            geometry=embedding.geometry,
            mask_stride=self.mask_stride,
        )

    def decode_last(
        self, embedding: ImageEmbedding, prompts: Prompts, *, joint: bool = False
    ) -> LayerPrediction:
        """Predict as `decode`, but compute masks only where they are asked for."""
        self._check(embedding, prompts)
        prompts = prompts.to(self.device)
        return self.mask_decoder(embedding, prompts, joint=joint, last_only=True)[-1]

    def decode_layers(
        self, embedding: ImageEmbedding, prompts: Prompts, *, joint: bool = False
    ) -> list[LayerPrediction]:
        """Predictions after every decoder layer, the last one last; what training looks at."""
        self._check(embedding, prompts)
        prompts = prompts.to(self.device)
        return self.mask_decoder(embedding, prompts, joint=joint)

    def _check(self, embedding: ImageEmbedding, prompts: Prompts) -> None:
        if embedding.checkpoint_hash != self.checkpoint_hash:
            raise EmbeddingMismatchError(
                "This embedding was made by another checkpoint; embed the image again."
            )
        if embedding.dtype != self.pixel_mean.dtype and not torch.is_autocast_enabled(
            self.device.type
        ):
            raise EmbeddingMismatchError(
                f"This embedding is {embedding.dtype}, the model {self.pixel_mean.dtype}; "
                "embed the image again."
            )
        if len(prompts) and int(prompts.image_index.max()) >= embedding.batch_size:
            raise IndexError("image_index points beyond the images of the embedding")


def _per_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
