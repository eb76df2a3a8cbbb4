"""A pixel to ask about a mask: deep inside of it, whatever its size and shape."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk

from napari_semantic_sam.inference.pieces import centre_pixel, inner_pixel
from napari_semantic_sam.inference.results import CroppedMask


def cropped(crop, y0=7, x0=11):
    height, width = crop.shape
    box = (y0, x0, y0 + height, x0 + width)
    return CroppedMask(box, crop, (box[2] + 5, box[3] + 5))


def test_of_a_small_mask_it_is_the_centre():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = cropped(rng.random((30, 40)) < 0.7)
        assert inner_pixel(mask) == centre_pixel(mask)


def test_of_a_large_mask_it_is_near_the_centre():
    crop = np.zeros((1801, 1301), dtype=bool)
    crop[disk((1150, 650), 640, shape=crop.shape)] = True
    y, x = inner_pixel(cropped(crop))
    assert abs(y - 7 - 1150) < 8
    assert abs(x - 11 - 650) < 8


@pytest.mark.parametrize("shape", [(2, 1500), (1500, 2), (1300, 1300)])
def test_of_a_thin_large_mask_it_is_inside(shape):
    crop = np.eye(*shape, dtype=bool) if min(shape) > 2 else np.ones(shape, dtype=bool)
    mask = cropped(crop)
    assert mask.full_mask()[inner_pixel(mask)]
