"""At which size a network looks at a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.preparation import (
    input_scale,
    input_size,
    normalise,
    prepare,
    resize,
)
from napari_semantic_sam.model.config import PRESETS

TINY, SWIN = PRESETS["tiny"], PRESETS["swin-t"]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((300, 451), (640, 962)),
        ((451, 300), (962, 640)),
        ((640, 640), (640, 640)),
        ((480, 640), (640, 853)),
        ((300, 600), (640, 1280)),
        ((1200, 3600), (640, 1920)),
        ((100, 1000), (256, 2560)),
    ],
)
def test_published_networks_see_a_short_edge_of_640(shape, size):
    assert input_size(shape, input_scale(shape, SWIN)) == size


def test_whole_multiples_of_640_never_lose_a_pixel():
    for short in range(8, 1300):
        for times in (1, 2, 4):
            shape = (short, times * short)
            assert input_size(shape, input_scale(shape, SWIN)) == (640, times * 640)


def test_published_preparation_of_a_photo_is_pillow_s_bicubic():
    photo = RNG.integers(0, 256, (90, 135, 3), dtype=np.uint8)
    expected = Image.fromarray(photo).resize((960, 640), Image.Resampling.BICUBIC)
    prepared = prepare(photo, SWIN)
    np.testing.assert_array_equal(prepared.pixels, np.asarray(expected).transpose(2, 0, 1))
    assert prepared.pixels.dtype == np.float32
    assert prepared.shape == (90, 135)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((128, 500), (128, 500)),
        ((1024, 700), (1024, 700)),
        ((120, 120), (240, 240)),
        ((100, 800), (128, 1024)),
        ((2048, 1000), (1024, 500)),
        ((8, 8), (16, 16)),
        ((8, 20_000), (1, 1024)),
    ],
)
def test_local_networks_see_the_picture_as_it_is_within_bounds(shape, size):
    assert input_size(shape, input_scale(shape, TINY)) == size


def test_native_size_changes_no_value():
    image = RNG.integers(0, 4000, (150, 140), dtype=np.uint16)
    prepared = prepare(image, TINY)
    np.testing.assert_array_equal(prepared.pixels, normalise(image).transpose(2, 0, 1))
    assert prepared.pixels.flags.c_contiguous


def test_scaling_down_averages():
    fine = np.indices((400, 400)).sum(axis=0) % 2 * 255.0
    small = resize(np.dstack([fine] * 3).astype(np.float32), (100, 100))
    assert small.dtype == np.float32
    np.testing.assert_allclose(small[2:-2, 2:-2], 127.5, atol=2)


def test_the_scale_can_be_given():
    image = RNG.random((40, 60))
    assert prepare(image, TINY, scale=1.5).pixels.shape == (3, 60, 90)
    assert prepare(image, SWIN, scale=0.5).pixels.shape == (3, 20, 30)
    assert prepare(image, TINY, scale=16).pixels.shape == (3, 640, 960)
    assert prepare(image, TINY, scale=np.float32(1 / 64)).pixels.shape == (3, 1, 1)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, 1e9, 16.1, 1 / 65, 10**400, "a", [1]])
def test_a_scale_that_is_none(scale):
    with pytest.raises(UserError, match=r"scale must be a number from 1/64 to 16, not "):
        prepare(RNG.random((40, 60)), TINY, scale=scale)


def test_the_hash_tells_ways_of_preparation_apart():
    image = RNG.random((40, 60, 5))
    plain = {"channels": [0, 1]}
    ways = [
        {"channels": [0, 2]},
        {**plain, "contrast_limits": (0, 1)},
        {**plain, "contrast_limits": (0, 2)},
        {**plain, "scale": 1.5},
    ]
    hashes = {prepare(image, TINY, **way).hash for way in (plain, *ways)}
    hashes.add(prepare(image, SWIN, **plain).hash)
    hashes.add(prepare(image[:-1], TINY, **plain).hash)
    assert len(hashes) == 7


def test_the_hash_is_of_the_way_and_not_of_types():
    image = RNG.random((40, 60, 5))
    first = prepare(image, TINY, channels=[0, 1], contrast_limits=(0, 1))
    again = prepare(
        2 * image,
        replace(TINY),
        channels=np.array([0, 1]),
        contrast_limits=(np.float32(0), np.float32(1)),
    )
    assert first.hash == again.hash
