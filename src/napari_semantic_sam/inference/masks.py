"""Mask logits back to pixels of the picture, computing only the part that matters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_semantic_sam.inference.results import Box, tight
from napari_semantic_sam.model.types import Geometry


def cut_out(
    logits: Tensor, geometry: Geometry, stride: int, shape: tuple[int, int]
) -> list[tuple[Box, npt.NDArray[np.bool_]]]:
    """Interpolate masks bilinearly to the picture and cut each out at its bounding box.

    Parameters
    ----------
    logits : (M, h, w) float tensor
        Over the padded input at `stride`; a mask is where they are above 0.
    geometry : Geometry
        Of the input.
    stride : int
        Pixels of the input per pixel of `logits`.
    shape : (H, W)
        Of the picture.

    Returns
    -------
    list of M ((y0, x0, y1, x1), (y1 - y0, x1 - x0) bool array)
        All 0 and an empty array where nothing is above 0.
    """
    positive = logits > 0
    in_rows = positive.any(dim=2).cpu().numpy()
    in_columns = positive.any(dim=1).cpu().numpy()
    ratios = [
        inner / (outer * stride) for inner, outer in zip(geometry.image_size, shape, strict=True)
    ]
    found = []
    for mask, rows, columns in zip(logits, in_rows, in_columns, strict=True):
        y = Axis.around(rows, ratios[0], shape[0])
        x = Axis.around(columns, ratios[1], shape[1])
        # Rows first: whole ones are gathered quickly, and few are left for the slow axis.
        values = x.interpolate(y.interpolate(mask.float()).T).T
        found.append(tight((values > 0).cpu().numpy(), y.start, x.start))
    return found


def stability(logits: Tensor, geometry: Geometry, stride: int) -> npt.NDArray[np.float32]:
    """Area where the logit is above 1 over the area where it is above -1.

    Parameters
    ----------
    logits, geometry, stride
        See `cut_out`. Areas are those of the logits inside the picture.

    Returns
    -------
    (M,) float32 array
        0..1; 0 where nothing is above -1.
    """
    height, width = (math.ceil(side / stride) for side in geometry.image_size)
    inside = logits[:, :height, :width]
    sure = (inside > 1).sum(dim=(1, 2))
    possible = (inside > -1).sum(dim=(1, 2))
    return (sure / possible.clamp(min=1)).cpu().numpy().astype(np.float32)


@dataclass(frozen=True)
class Axis:
    """Where the pixels `start` to `stop` of a picture's axis lie among the logits.

    Attributes
    ----------
    start, stop : int
    ratio : float
        Logits per pixel of the picture.
    """

    start: int
    stop: int
    ratio: float

    @classmethod
    def around(
        cls, occupied: npt.NDArray[np.bool_], ratio: float, size: int, first: int = 0
    ) -> Axis:
        """Cover all pixels that an `occupied` logit reaches by interpolation.

        `first` is the place of the first of `occupied` among the logits.
        """
        indices = first + np.flatnonzero(occupied)
        if not len(indices):
            return cls(0, 0, ratio)
        # A logit reaches to the centres of its neighbours.
        start = math.floor((indices[0] - 0.5) / ratio - 0.5)
        stop = math.ceil((indices[-1] + 1.5) / ratio - 0.5) + 1
        return cls(min(max(0, start), size), min(stop, size), ratio)

    def interpolate(self, values: Tensor, first: int = 0) -> Tensor:
        """Interpolate the first axis of `values` at the centres of the pixels.

        `first` is the place of the first value among the logits.
        """
        pixels = torch.arange(self.start, self.stop, device=values.device)
        centres = ((pixels + 0.5) * self.ratio - 0.5 - first).clamp(0, len(values) - 1)
        lower = centres.long()
        upper = (lower + 1).clamp(max=len(values) - 1)
        weight = (centres - lower)[:, None]
        return torch.lerp(values[lower], values[upper], weight)
