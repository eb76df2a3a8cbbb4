"""Masks that are the product of query vectors and an image's mask features."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from napari_semantic_sam.model.linear import linear
from napari_semantic_sam.model.predictions import DenseMasks, MaskPiece

_MASKS_AT_ONCE = 48
"""Few enough for their logits to stay in the processor's cache or near it."""


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

    def pick(self, prompts: Tensor, tokens: Tensor) -> ProductMasks:
        """See `MaskSource.pick`."""
        queries = self._queries[prompts, tokens][:, None]
        return ProductMasks(queries, self._features, self._image_index[prompts])

    def pieces(self) -> Iterator[MaskPiece]:
        """See `MaskSource.pieces`; every piece is a whole map."""
        at_once = max(1, _MASKS_AT_ONCE // self._queries.shape[1])
        parts = (self._queries.split(at_once), self._image_index.split(at_once))
        for queries, image_index in zip(*parts, strict=True):
            yield from ProductMasks(queries, self._features, image_index)._dense.pieces()

    def sketches(self) -> Iterator[MaskPiece]:
        """See `MaskSource.sketches`; a product of matrices has no quicker way."""
        return self.pieces()

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
    logits = linear(queries, features.flatten(1).T)
    return logits.view(*queries.shape[:2], *features.shape[1:])
