"""Logits back to pixels: the crops are those of interpolating everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_semantic_sam.inference.masks import Frame, full_size
from napari_semantic_sam.model.predictions import MaskPiece
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


def candidates(logits, geometry, stride, shape):
    frame = Frame(geometry, stride, shape)
    for values in logits:
        yield full_size(MaskPiece(0, 0, values), frame, token=0, level=1, predicted_iou=0.5)


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
    for values, found in zip(expected, candidates(logits, geometry, stride, shape), strict=True):
        certain = np.abs(values) > 1e-4
        np.testing.assert_array_equal(found.full_mask()[certain], values[certain] > 0)
        crop = found.crop
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
    (found,) = candidates(logits, geometry, stride, shape)
    mask = found.full_mask()
    np.testing.assert_array_equal(mask, interpolate_all(logits, geometry, shape)[0] > 0)
    assert mask.any()


def test_everything_positive_is_the_whole_picture():
    geometry = geometry_of((50, 70))
    (found,) = candidates(torch.ones(1, 32, 48), geometry, 2, (45, 77))
    assert found.box == (0, 0, 45, 77)
    assert found.crop.all()


def test_nothing_positive_and_only_padding_positive_are_empty():
    geometry = Geometry((20, 64), (32, 64))
    logits = torch.full((2, 16, 32), -3.0)
    logits[1, 12:] = 3
    for found in candidates(logits, geometry, 2, (20, 64)):
        assert found.box == (0, 0, 0, 0)
        assert found.crop.shape == (0, 0)


def test_stability_counts_inside_the_picture():
    geometry = Geometry((20, 64), (32, 64))
    logits = torch.full((3, 32, 64), -3.0)
    logits[:2, :8] = 2.0  # surely inside: 8 rows of 20 in the picture
    logits[1, 8:16] = 0.5  # possibly: 8 more
    logits[:, 20:] = 9.0  # padding, which does not count
    found = [each.stability for each in candidates(logits, geometry, 1, (20, 64))]
    np.testing.assert_allclose(found, [1, 0.5, 0])
