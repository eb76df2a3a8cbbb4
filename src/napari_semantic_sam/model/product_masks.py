"""Masks that are the product of query vectors and an image's mask features."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from napari_semantic_sam.model.predictions import DenseMasks


class ProductMasks:
    """A `MaskSource` that multiplies when first asked, because most layers are never asked.

    Parameters
    ----------
    queries : (N, K, C) float tensor
        Mask embeddings.
    features : (B, C, H/s, W/s) float tensor
        Mask features.
    image_index : (N,) int64 tensor
        Which image each prompt belongs to.
    """

    def __init__(self, queries: Tensor, features: Tensor, image_index: Tensor) -> None:
        self._queries, self._features, self._image_index = queries, features, image_index

    def dense(self) -> Tensor:
        """Return the logits; see `MaskSource.dense`."""
        return self._dense.logits

    def sample_all(self, points: Tensor) -> Tensor:
        """Sample bilinearly; see `MaskSource.sample_all`."""
        return self._dense.sample_all(points)

    def sample(self, points: Tensor, prompts: Tensor, tokens: Tensor) -> Tensor:
        """Sample bilinearly; see `MaskSource.sample`."""
        return self._dense.sample(points, prompts, tokens)

    @cached_property
    def _dense(self) -> DenseMasks:
        if len(self._features) == 1:
            return DenseMasks(_product(self._queries, self._features[0]))
        # Image by image: one copy of the features per prompt would not fit into memory.
        images = range(len(self._features))
        rows = [(self._image_index == image).nonzero()[:, 0] for image in images]
        products = [_product(self._queries[rows[i]], self._features[i]) for i in images]
        return DenseMasks(torch.cat(products)[torch.cat(rows).argsort()])


def _product(queries: Tensor, features: Tensor) -> Tensor:
    """(N, K, C) times (C, H, W)."""
    logits = torch.matmul(queries, features.flatten(1))
    return logits.view(*queries.shape[:2], *features.shape[1:])
