from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skimage.segmentation import relabel_sequential

from napari_semantic_sam.training.regions import region_levels


@pytest.fixture(scope="module")
def picture():
    """A dark half and a bright half (the masks), each with blocks of other colours in it."""
    rng = np.random.default_rng(0)
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, 80:] = (210, 200, 190)
    for y in range(10, 110, 40):
        for x in (10, 50, 90, 130):
            image[y : y + 20, x : x + 20] = rng.integers(40, 170, 3)
    masks = np.ones((120, 160), np.int32)
    masks[:, 80:] = 2
    masks[50:70, 10:30] = 3
    masks[50:70, 90:110] = 4
    return image, masks


def is_nested(fine, coarse):
    """Whether every fine region lies in one coarse region."""
    pairs = np.unique(np.stack([fine.ravel(), coarse.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1]


def test_every_level_is_nested_in_the_next(picture):
    levels = region_levels(*picture)
    assert len(levels) >= 3
    assert all(is_nested(a, b) for a, b in pairwise(levels))
    counts = [len(np.unique(level)) for level in levels]
    assert counts == sorted(counts, reverse=True)


def test_parts_stay_inside_their_masks(picture):
    image, masks = picture
    for level in region_levels(image, masks):
        if len(np.unique(level)) >= len(np.unique(masks)):
            assert is_nested(level, masks)
        else:
            assert is_nested(masks, level)


def test_every_pixel_belongs_to_a_region(picture):
    for level in region_levels(*picture):
        assert level.dtype == np.int32
        assert level.min() > 0
        assert len(np.unique(relabel_sequential(level)[0])) == len(np.unique(level))


def test_a_region_follows_the_edge_of_a_block(picture):
    image, masks = picture
    finest = region_levels(image, masks)[0]
    block = np.zeros(masks.shape, bool)
    block[10:30, 50:70] = True
    inside = finest == finest[20, 60]
    assert (inside & block).sum() / (inside | block).sum() > 0.8


def test_a_photograph_without_masks_is_cut_at_every_granularity():
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 255, (12, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    levels = region_levels(image, np.zeros((192, 192), np.int32))
    counts = [len(np.unique(level)) for level in levels]
    assert counts == [96, 48, 24, 17, 12, 8, 6, 3]


def test_an_empty_picture_has_no_levels():
    image, masks = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.int32)
    assert region_levels(image, masks) == []
