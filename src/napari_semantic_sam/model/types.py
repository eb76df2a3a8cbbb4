"""What goes into and comes out of the two halves of the network.

Coordinates at these doors are fractions of the *unpadded* picture, ``(cx, cy, w, h)``,
x to the right and y down, whatever padding the network adds inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import KINDS, Kind

CLICK_SIZE = 0.005
"""Width and height of a click's anchor box, as a fraction of the unpadded picture."""


@dataclass(frozen=True)
class Prompts:
    """A batch of prompts, each one anchor box.

    Parameters
    ----------
    anchor_boxes : (N, 4) float tensor
        ``(cx, cy, w, h)`` in fractions of the unpadded picture.
    kinds : sequence of N strings
        ``"click"`` or ``"box"``.
    image_index : (N,) int64 tensor, optional
        Which image of the embedding each prompt belongs to; all 0 when left out.

    Raises
    ------
    ValueError
        If the lengths disagree, a kind is unknown, or a box is not finite and positive.
    """

    anchor_boxes: Tensor
    kinds: Sequence[Kind]
    image_index: Tensor = None  # type: ignore[assignment]  # filled in __post_init__

    def __post_init__(self) -> None:
        boxes = torch.as_tensor(self.anchor_boxes, dtype=torch.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"anchor_boxes must be (N, 4), got {tuple(boxes.shape)}")
        if not torch.isfinite(boxes).all() or (boxes[:, 2:] <= 0).any():
            raise ValueError("anchor boxes must be finite, with a width and height above 0")
        kinds = tuple(self.kinds)
        if len(kinds) != len(boxes) or not set(kinds) <= set(KINDS):
            raise ValueError(f"kinds must be {len(boxes)} of {KINDS}, got {kinds!r}")
        index: Tensor | None = self.image_index
        if index is None:
            index = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
        index = torch.as_tensor(index, dtype=torch.long, device=boxes.device)
        if index.shape != (len(boxes),):
            raise ValueError(f"image_index must be ({len(boxes)},), got {tuple(index.shape)}")
        object.__setattr__(self, "anchor_boxes", boxes)
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "image_index", index)

    def __len__(self) -> int:
        return len(self.kinds)

    @classmethod
    def clicks(cls, centres: Tensor, image_index: Tensor | None = None) -> Prompts:
        """Prompts for clicks at `centres`, an (N, 2) tensor of ``(x, y)`` fractions."""
        centres = torch.as_tensor(centres, dtype=torch.float32)
        boxes = torch.cat([centres, torch.full_like(centres, CLICK_SIZE)], dim=1)
        return cls(boxes, ("click",) * len(boxes), image_index)  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Prompts:
        """Return the same prompts on another device."""
        return replace(
            self,
            anchor_boxes=self.anchor_boxes.to(device),
            image_index=self.image_index.to(device),
        )


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels of the network's input, ``(height, width)``."""

    image_size: tuple[int, int]
    padded_size: tuple[int, int]

    def to_padded(self, boxes: Tensor) -> Tensor:
        """Rescale ``(..., 4)`` boxes from fractions of the picture to the padded input."""
        return boxes * self._scale(boxes)

    def to_image(self, boxes: Tensor) -> Tensor:
        """Rescale ``(..., 4)`` boxes from fractions of the padded input to the picture."""
        return boxes / self._scale(boxes)

    def _scale(self, like: Tensor) -> Tensor:
        (height, width), (padded_height, padded_width) = self.image_size, self.padded_size
        scale = [width / padded_width, height / padded_height] * 2
        return torch.tensor(scale, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class ImageEmbedding:
    """Everything computed once per image; opaque to callers.

    Attributes
    ----------
    features : mapping of name to (B, C, H, W) tensor
        The part worth caching: mask features and the memory levels.
    projections : tuple of tensors
        The mask decoder's projected memory values; derived from `features` and the
        decoder's weights, never written to disk.
    geometry : Geometry
    mask_stride : int
        Pixels of the padded input per pixel of a mask logit.
    checkpoint_hash : str
        Fingerprint of the weights that made it.
    preparation_hash : str
        Fingerprint of how the picture was prepared ("" when the caller gave none).
    """

    features: Mapping[str, Tensor]
    projections: tuple[Tensor, ...] = field(repr=False)
    geometry: Geometry
    mask_stride: int
    checkpoint_hash: str
    preparation_hash: str = ""

    @property
    def batch_size(self) -> int:
        """Number of images."""
        return int(self.features["mask_features"].shape[0])

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the features."""
        return self.features["mask_features"].dtype


@dataclass(frozen=True)
class Candidates:
    """The K candidates of each of N prompts.

    Attributes
    ----------
    mask_logits : (N, K, H/s, W/s) float tensor
        Over the padded input at `mask_stride`; a mask is where the logit is above 0.
    predicted_iou : (N, K) float tensor
        The network's own estimate; published weights may leave 0..1.
    boxes : (N, K, 4) float tensor
        ``(cx, cy, w, h)`` in fractions of the unpadded picture.
    object_embedding, part_embedding : (N, K, D) float tensor or None
        For naming; None when the checkpoint has no names.
    geometry : Geometry
    mask_stride : int
    """

    mask_logits: Tensor
    predicted_iou: Tensor
    boxes: Tensor
    geometry: Geometry
    mask_stride: int
    object_embedding: Tensor | None = None
    part_embedding: Tensor | None = None

    def __len__(self) -> int:
        return int(self.predicted_iou.shape[0])


class EmbeddingMismatchError(UserError):
    """An embedding was given to a model or preparation that did not make it."""
