"""Bilinear sampling of a batch of maps, every row of points from the image it belongs to."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_bilinear(maps: Tensor, points: Tensor, image_index: Tensor) -> Tensor:
    """Sample features at points, reading only the pixels that are needed.

    ``grid_sample`` would want one copy of the map per row of points.

    Parameters
    ----------
    maps : (B, C, H, W) float tensor
    points : (N, P, 2) float tensor
        ``(x, y)`` in fractions of the map; pixel centres lie at ``(i + 0.5) / size``.
        Outside the map the value is 0.
    image_index : (N,) int64 tensor
        Which map each row of points samples.

    Returns
    -------
    (N, P, C) float tensor
    """
    batch, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    position = points * points.new_tensor([width, height]) - 0.5
    corner = position.floor()
    fraction = position - corner
    corner = corner.long()
    offset = (image_index * height * width)[:, None]
    total = points.new_zeros(())
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = corner[..., 0] + dx, corner[..., 1] + dy
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            index = offset + y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
            weight_x = fraction[..., 0] if dx else 1 - fraction[..., 0]
            weight_y = fraction[..., 1] if dy else 1 - fraction[..., 1]
            weight = (weight_x * weight_y * inside).to(rows.dtype)
            values = rows.index_select(0, index.flatten()).view(*index.shape, channels)
            total = total + weight[..., None] * values
    return torch.as_tensor(total)
