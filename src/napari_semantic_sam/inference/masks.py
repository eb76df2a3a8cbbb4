"""Mask logits back to pixels of the picture, computing only the part that matters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_semantic_sam.inference.results import Candidate, tight
from napari_semantic_sam.model.predictions import MaskPiece
from napari_semantic_sam.model.types import Geometry

SURE, POSSIBLE = 1.0, -1.0
"""Logits between which a stable mask has few pixels."""


@dataclass(frozen=True)
class Frame:
    """How the cells of a map of logits lie on the picture.

    Attributes
    ----------
    geometry : Geometry
    stride : int
        Pixels of the network's input per cell.
    shape : (H, W)
        Of the picture.
    """

    geometry: Geometry
    stride: int
    shape: tuple[int, int]

    @property
    def ratios(self) -> tuple[float, float]:
        """Cells per pixel of the picture, along y and x."""
        (height, width), (rows, columns) = self.geometry.image_size, self.shape
        return height / (rows * self.stride), width / (columns * self.stride)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells that the picture covers, the last ones perhaps in part."""
        height, width = self.geometry.image_size
        return -(-height // self.stride), -(-width // self.stride)


def full_size(
    piece: MaskPiece, frame: Frame, *, token: int, level: int, predicted_iou: float
) -> Candidate:
    """Interpolate the logits of a mask bilinearly to the picture.

    Parameters
    ----------
    piece : MaskPiece
    frame : Frame
    token, level, predicted_iou
        Kept in the candidate.

    Returns
    -------
    Candidate
        Its stability is that of the interpolated logits; 0 where none is above -1.
    """
    values, top, left = _interpolated(piece, frame)
    box, crop = tight((values > 0).cpu().numpy(), top, left)
    possible = int((values > POSSIBLE).sum())
    stability = int((values > SURE).sum()) / possible if possible else 0.0
    return Candidate(
        box=box,
        crop=crop,
        shape=frame.shape,
        token=token,
        level=level,
        predicted_iou=predicted_iou,
        stability=stability,
    )


def _interpolated(piece: MaskPiece, frame: Frame) -> tuple[Tensor, int, int]:
    """Return logits at the pixels where one above -1 reaches, and where these begin."""
    possible = piece.logits > POSSIBLE
    rows, columns = (possible.any(dim=dim).cpu().numpy() for dim in (1, 0))
    y, x = (
        _Axis.around(occupied, ratio, size, first + piece.step // 2, piece.step)
        for occupied, ratio, size, first in zip(
            (rows, columns), frame.ratios, frame.shape, (piece.y0, piece.x0), strict=True
        )
    )
    if y.start == y.stop or x.start == x.stop:
        return torch.empty(0, 0), y.start, x.start
    # Rows first: whole ones are gathered quickly, and few are left for the slow axis.
    gathered = y.interpolate(piece.logits.float())
    return x.interpolate(gathered.T).T, y.start, x.start


@dataclass(frozen=True)
class _Axis:
    """Where the pixels `start` to `stop` of a picture's axis lie among the logits.

    Attributes
    ----------
    start, stop : int
    ratio : float
        Cells per pixel of the picture.
    first, step : int
        The cell of the first logit, and cells from one logit to the next.
    """

    start: int
    stop: int
    ratio: float
    first: int
    step: int

    @classmethod
    def around(
        cls, occupied: npt.NDArray[np.bool_], ratio: float, size: int, first: int, step: int
    ) -> _Axis:
        """Cover all pixels that an `occupied` logit reaches by interpolation."""
        cells = first + step * np.flatnonzero(occupied) + 0.5
        if not len(cells):
            return cls(0, 0, ratio, first, step)
        # A logit reaches to the centres of its neighbours.
        start = math.floor((cells[0] - step) / ratio - 0.5)
        stop = math.ceil((cells[-1] + step) / ratio - 0.5) + 1
        return cls(min(max(0, start), size), min(stop, size), ratio, first, step)

    def interpolate(self, values: Tensor) -> Tensor:
        """Interpolate the first axis of the logits at the centres of the pixels."""
        pixels = torch.arange(self.start, self.stop, device=values.device)
        places = ((pixels + 0.5) * self.ratio - 0.5 - self.first) / self.step
        places = places.clamp(0, len(values) - 1)
        lower = places.long()
        upper = (lower + 1).clamp(max=len(values) - 1)
        weight = (places - lower)[:, None]
        return torch.lerp(values[lower], values[upper], weight)
