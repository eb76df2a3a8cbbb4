"""What one decoder layer predicts, in a form that training can sample and inference can fill.

Losses look at masks in a few thousand points, inference wants them whole. A `MaskSource`
serves both, so that a mask head never computes more than is asked of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class MaskPiece:
    """The part of the mask logits of one query outside of which there is no mask.

    Attributes
    ----------
    y0, x0 : int
        Where it begins, in cells of the whole map of logits.
    logits : (h, w) float tensor
    step : int
        Each logit stands for so many cells along y and along x.
    """

    y0: int
    x0: int
    logits: Tensor
    step: int = 1


class MaskSource(Protocol):
    """Mask logits of N prompts × K tokens, computed on demand."""

    def dense(self) -> Tensor:
        """Logits at mask stride over the padded input, ``(N, K, H/s, W/s)``."""
        ...

    def pick(self, prompts: Tensor, tokens: Tensor) -> MaskSource:
        """Return M chosen masks as those of M prompts with one token each.

        Parameters
        ----------
        prompts, tokens : (M,) int64 tensors
        """
        ...

    def pieces(self) -> Iterator[MaskPiece]:
        """Yield the logits of every mask, prompt by prompt; few are in memory at once."""
        ...

    def sketches(self) -> Iterator[MaskPiece]:
        """As `pieces`, but where that is quicker, of large masks only some logits."""
        ...

    def sample_all(self, points: Tensor) -> Tensor:
        """Logits of all K masks of every prompt at P points shared by the K.

        Parameters
        ----------
        points : (N, P, 2) float tensor
            ``(x, y)`` in fractions of the padded input.

        Returns
        -------
        (N, K, P) float tensor
        """
        ...

    def sample(self, points: Tensor, prompts: Tensor, tokens: Tensor) -> Tensor:
        """Logits of M chosen masks at P points each.

        Parameters
        ----------
        points : (M, P, 2) float tensor
            ``(x, y)`` in fractions of the padded input.
        prompts, tokens : (M,) int64 tensors
            Which mask each row of points belongs to.

        Returns
        -------
        (M, P) float tensor
        """
        ...


@dataclass(frozen=True)
class LayerPrediction:
    """Predictions of one decoder layer.

    Attributes
    ----------
    predicted_iou : (N, K) float tensor
    boxes : (N, K, 4) float tensor
        ``(cx, cy, w, h)`` in fractions of the *padded* input.
    masks : MaskSource
    """

    predicted_iou: Tensor
    boxes: Tensor
    masks: MaskSource


@dataclass(frozen=True)
class DenseMasks:
    """A `MaskSource` over logits that exist already, ``(N, K, H/s, W/s)``."""

    logits: Tensor

    def dense(self) -> Tensor:
        """Return the logits as they are."""
        return self.logits

    def pick(self, prompts: Tensor, tokens: Tensor) -> DenseMasks:
        """See `MaskSource.pick`."""
        return DenseMasks(self.logits[prompts, tokens][:, None])

    def pieces(self) -> Iterator[MaskPiece]:
        """See `MaskSource.pieces`."""
        for logits in self.logits.flatten(0, 1):
            yield MaskPiece(0, 0, logits)

    def sketches(self) -> Iterator[MaskPiece]:
        """See `MaskSource.sketches`; all logits exist already."""
        return self.pieces()

    def sample_all(self, points: Tensor) -> Tensor:
        """Sample bilinearly; see `MaskSource.sample_all`."""
        return sample_maps(self.logits, points)

    def sample(self, points: Tensor, prompts: Tensor, tokens: Tensor) -> Tensor:
        """Sample bilinearly; see `MaskSource.sample`."""
        return sample_maps(self.logits[prompts, tokens][:, None], points)[:, 0]


def sample_maps(maps: Tensor, points: Tensor) -> Tensor:
    """Sample maps bilinearly at points given in fractions of the map.

    Pixel centres lie at ``(i + 0.5) / size``; outside the map the value is 0.

    Parameters
    ----------
    maps : (M, C, H, W) float tensor
    points : (M, P, 2) float tensor
        ``(x, y)``, 0..1.

    Returns
    -------
    (M, C, P) float tensor
    """
    grid = 2.0 * points[:, :, None, :] - 1.0
    return F.grid_sample(maps, grid, mode="bilinear", align_corners=False)[..., 0]
