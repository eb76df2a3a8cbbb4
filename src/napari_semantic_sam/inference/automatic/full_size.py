"""Logits of one mask as a candidate of the picture's size, with its stability there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_semantic_sam.inference.masks import Axis
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
    y = Axis.around(rows, frame.ratios[0], frame.shape[0], piece.y0)
    x = Axis.around(columns, frame.ratios[1], frame.shape[1], piece.x0)
    if y.start == y.stop or x.start == x.stop:
        return torch.empty(0, 0), y.start, x.start
    # Rows first: whole ones are gathered quickly, and few are left for the slow axis.
    gathered = y.interpolate(piece.logits.float(), piece.y0)
    return x.interpolate(gathered.T, piece.x0).T, y.start, x.start
