"""What is computed once per picture, or per tile of one."""

from __future__ import annotations

from dataclasses import dataclass

from napari_semantic_sam.model.types import ImageEmbedding


@dataclass(frozen=True, eq=False)
class PictureEmbedding:
    """What `Predictor.embed` computes once per picture.

    Attributes
    ----------
    image : ImageEmbedding
        The network's part.
    shape : (H, W)
        Of the picture.
    """

    image: ImageEmbedding
    shape: tuple[int, int]

    @property
    def preparation_hash(self) -> str:
        """Fingerprint of how the picture was prepared."""
        return self.image.preparation_hash

    @property
    def nbytes(self) -> int:
        """Memory that it takes: the features, and the projections derived from them."""
        tensors = (*self.image.features.values(), *self.image.projections)
        return sum(tensor.nbytes for tensor in tensors)
