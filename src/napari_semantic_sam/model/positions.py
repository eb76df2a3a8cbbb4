"""Sine encodings of positions and boxes (Vaswani et al. 2017; Liu et al. 2022, DAB-DETR §4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0

_EPSILON = 1e-6  # as published, so that the last row is not quite 2π


def sine_encoding(values: Tensor, channels: int) -> Tensor:
    """Encode numbers as sines and cosines of falling frequency, interleaved.

    Parameters
    ----------
    values : (...) float tensor
        In radians.
    channels : int
        Even.

    Returns
    -------
    (..., channels) float tensor
    """
    exponents = torch.arange(0, channels, 2, dtype=values.dtype, device=values.device) / channels
    angles = values[..., None] / TEMPERATURE**exponents
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def grid_encoding(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Encode the pixels of a map, numbered from 1 and scaled to 2π; y in the first half.

    Parameters
    ----------
    height, width : int
    channels : int
        A multiple of 4.
    like : Tensor
        Gives device and data type.

    Returns
    -------
    (height · width, channels) float tensor
        Rows of the map one after the other.
    """
    rows, columns = (
        sine_encoding(_ramp(length, like), channels // 2) for length in (height, width)
    )
    grid = (height, width, channels // 2)
    encoding = torch.cat([rows[:, None].expand(grid), columns[None].expand(grid)], dim=-1)
    return encoding.flatten(0, 1)


def box_encoding(boxes: Tensor, channels: int) -> Tensor:
    """Encode ``(cx, cy, w, h)`` boxes in the published order: y, x, w, h.

    Parameters
    ----------
    boxes : (..., 4) float tensor
        Fractions of the padded input.
    channels : int
        Per coordinate; even.

    Returns
    -------
    (..., 4 · channels) float tensor
    """
    x, y, width, height = boxes.unbind(-1)
    ordered = torch.stack([y, x, width, height], dim=-1)
    return sine_encoding(2 * math.pi * ordered, channels).flatten(-2)


def cell_centres(height: int, width: int, like: Tensor) -> Tensor:
    """Centres of the pixels of a map, ``(height · width, 2)``, ``(x, y)`` in fractions of it."""
    rows, columns = (
        (torch.arange(length, dtype=like.dtype, device=like.device) + 0.5) / length
        for length in (height, width)
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def _ramp(length: int, like: Tensor) -> Tensor:
    numbers = torch.arange(1, length + 1, dtype=like.dtype, device=like.device)
    return numbers / (length + _EPSILON) * 2 * math.pi
