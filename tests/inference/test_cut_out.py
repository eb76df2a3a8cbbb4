"""Logits back to pixels: the crops are those of interpolating everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_semantic_sam.inference.masks import cut_out, stability
from napari_semantic_sam.model.types import Geometry

CASES = [  # input, stride, picture
    ((64, 96), 4, (64, 96)),
    ((50, 70), 2, (50, 70)),
    ((64, 96), 4, (200, 300)),
    ((240, 240), 2, (120, 120)),
    ((90, 135), 4, (30, 45)),
    ((33, 65), 4, (47, 91)),
]


def smooth_logits(count, geometry, stride, seed=0):
    torch.manual_seed(seed)
    size = [side // stride for side in geometry.padded_size]
    coarse = torch.randn(count, 1, max(2, size[0] // 5), max(2, size[1] // 5))
    return F.interpolate(coarse, size=size, mode="bicubic")[:, 0] - 0.6


def geometry_of(size):
    return Geometry(size, tuple(side + -side % 32 for side in size))


def interpolate_all(logits, geometry, shape):
    y, x = ((torch.arange(side) + 0.5) / side for side in shape)
    y = y * geometry.image_size[0] / geometry.padded_size[0]
    x = x * geometry.image_size[1] / geometry.padded_size[1]
    grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1) * 2 - 1
    grid = grid.expand(len(logits), -1, -1, -1)
    mapped = F.grid_sample(logits[:, None], grid, padding_mode="border", align_corners=False)
    return mapped[:, 0].numpy()


@pytest.mark.parametrize(("size", "stride", "shape"), CASES)
def test_crops_are_those_of_the_whole_picture(size, stride, shape):
    geometry = geometry_of(size)
    logits = smooth_logits(8, geometry, stride)
    expected = interpolate_all(logits, geometry, shape)
    for values, ((y0, x0, y1, x1), crop) in zip(
        expected, cut_out(logits, geometry, stride, shape), strict=True
    ):
        mask = np.zeros(shape, dtype=bool)
        mask[y0:y1, x0:x1] = crop
        certain = np.abs(values) > 1e-4
        np.testing.assert_array_equal(mask[certain], values[certain] > 0)
        assert crop[0].any()
        assert crop[-1].any()
        assert crop[:, 0].any()
        assert crop[:, -1].any()


@pytest.mark.parametrize(("size", "stride", "shape"), CASES)
def test_a_single_positive_logit_is_not_lost(size, stride, shape):
    geometry = geometry_of(size)
    logits = torch.full(
        (1, geometry.padded_size[0] // stride, geometry.padded_size[1] // stride), -1.0
    )
    logits[0, 3, 5] = 9
    ((y0, x0, y1, x1), crop) = cut_out(logits, geometry, stride, shape)[0]
    mask = np.zeros(shape, dtype=bool)
    mask[y0:y1, x0:x1] = crop
    np.testing.assert_array_equal(mask, interpolate_all(logits, geometry, shape)[0] > 0)
    assert mask.any()


def test_everything_positive_is_the_whole_picture():
    geometry = geometry_of((50, 70))
    ((box, crop),) = cut_out(torch.ones(1, 32, 48), geometry, 2, (45, 77))
    assert box == (0, 0, 45, 77)
    assert crop.all()


def test_nothing_positive_and_only_padding_positive_are_empty():
    geometry = Geometry((20, 64), (32, 64))
    logits = torch.full((2, 16, 32), -3.0)
    logits[1, 12:] = 3
    for box, crop in cut_out(logits, geometry, 2, (20, 64)):
        assert box == (0, 0, 0, 0)
        assert crop.shape == (0, 0)


def test_stability_counts_inside_the_picture():
    geometry = Geometry((20, 64), (32, 64))
    logits = torch.full((3, 16, 32), -3.0)
    logits[:2, :4] = 2.0  # surely inside: 4 rows of 10 in the picture
    logits[1, 4:8] = 0.5  # possibly: 4 more
    logits[:, 10:] = 9.0  # padding, which does not count
    np.testing.assert_allclose(stability(logits, geometry, 2), [1, 0.5, 0])
