"""Pictures of every type become RGB 0..255."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.preparation import normalise

RAMP = np.arange(64 * 50).reshape(64, 50)


def percentile_stretch(values):
    low, high = np.percentile(values, (0.1, 99.9))
    return np.clip((values - low) / (high - low) * 255, 0, 255)


@pytest.mark.parametrize(
    "dtype", ["uint16", "int16", "int32", "uint32", "int64", "float16", "float32", "float64"]
)
def test_grey_is_stretched_between_its_percentiles(dtype):
    image = (RAMP // 2).astype(dtype)
    values = normalise(image)
    assert values.dtype == np.float32
    assert values.shape == (64, 50, 3)
    for channel in range(3):
        np.testing.assert_allclose(
            values[..., channel], percentile_stretch(image.astype(float)), atol=0.01
        )


def test_8_bit_grey_is_stretched_like_any_grey():
    image = (RAMP % 100).astype(np.uint8)
    np.testing.assert_allclose(normalise(image)[..., 0], percentile_stretch(image), atol=0.01)


def test_small_differences_of_large_integers_survive():
    image = RAMP.astype(np.uint32) % 200 + np.uint32(4_000_000_000)
    np.testing.assert_allclose(normalise(image)[..., 0], percentile_stretch(RAMP % 200), atol=0.01)


def test_bool_is_black_and_white():
    image = RAMP % 3 == 0
    np.testing.assert_array_equal(normalise(image)[..., 1], image * 255)


def test_a_few_bright_pixels_on_black_stay_visible():
    image = np.zeros((200, 200), dtype=np.uint16)
    image[7, 9] = 500
    np.testing.assert_array_equal(normalise(image)[..., 0], (image > 0) * 255)


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_constant_picture_is_black(value):
    assert not normalise(np.full((20, 30), value, dtype=np.uint16)).any()
    assert not normalise(np.full((20, 30, 3), value / 65535)).any()


def test_one_outlier_does_not_darken_the_rest():
    image = (RAMP % 100).astype(np.float32)
    image[3, 3] = 1e9
    assert np.median(normalise(image)) > 100


def test_percentiles_of_a_large_picture_are_close_to_the_exact_ones():
    rng = np.random.default_rng(0)
    image = rng.gamma(2, 300, (2100, 1900)).astype(np.uint16)
    np.testing.assert_allclose(normalise(image)[..., 0], percentile_stretch(image), atol=4)


def photo():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (32, 24, 3), dtype=np.uint8)


def test_8_bit_colours_stay_as_they_are():
    np.testing.assert_array_equal(normalise(photo()), photo())


def test_alpha_is_ignored():
    rgba = np.dstack([photo(), np.full((32, 24), 9, np.uint8)])
    np.testing.assert_array_equal(normalise(rgba), photo())


def test_dark_8_bit_colours_are_stretched_jointly():
    dark = photo() // 8
    values = normalise(dark)
    np.testing.assert_allclose(values, percentile_stretch(dark), atol=0.01)


def test_16_bit_colours_are_stretched_jointly():
    image = photo().astype(np.uint16) * [100, 50, 10]
    np.testing.assert_allclose(normalise(image), percentile_stretch(image), atol=0.01)


def test_grey_saved_as_rgb_is_grey():
    grey = (RAMP % 200).astype(np.uint8)
    np.testing.assert_array_equal(normalise(np.dstack([grey] * 3)), normalise(grey))


@pytest.mark.parametrize("shape", [(1, 64, 50), (64, 50, 1)])
def test_a_single_channel_is_grey(shape):
    np.testing.assert_array_equal(normalise(RAMP.reshape(shape)), normalise(RAMP))


@pytest.mark.parametrize("first", [True, False], ids=["CHW", "HWC"])
def test_chosen_channels_are_stretched_one_by_one(first):
    planes = [RAMP * factor for factor in (1, 20, 300, 5, 7)]
    image = np.stack([planes[0], planes[1], planes[2].T.reshape(64, 50), *planes[3:]])
    image = image if first else np.moveaxis(image, 0, -1)
    plane = normalise(RAMP)[..., 0]
    other = normalise(planes[2].T.reshape(64, 50))[..., 0]
    np.testing.assert_allclose(normalise(image, channels=[1]), np.dstack([plane] * 3), atol=1e-3)
    np.testing.assert_allclose(
        normalise(image, channels=[2, 0, 4]), np.dstack([other, plane, plane]), atol=1e-3
    )
    two = normalise(image, channels=(0, 2))
    np.testing.assert_allclose(two, np.dstack([plane, other, 0 * plane]), atol=1e-3)


def test_contrast_limits_replace_the_percentiles():
    values = normalise(RAMP, contrast_limits=(100, 355))
    np.testing.assert_allclose(values[..., 0], np.clip(RAMP - 100, 0, 255), atol=1e-3)
    colours = normalise(photo(), contrast_limits=(0, 510))
    np.testing.assert_allclose(colours, photo() / 2)


@pytest.mark.parametrize("factor", [2.0**1011, 2.0**-900], ids=["huge", "tiny"])
def test_extreme_values_are_values(factor):
    signed = RAMP - 1600.0
    grey, colours = signed * factor, np.dstack([signed, signed.T.reshape(64, 50), -signed])
    np.testing.assert_allclose(normalise(grey), normalise(signed), atol=1e-3)
    np.testing.assert_allclose(normalise(colours * factor), normalise(colours), atol=1e-3)


def test_the_largest_values_there_are():
    image = np.where(RAMP % 2, 1.0, -1.0) * np.finfo(np.float64).max
    np.testing.assert_array_equal(normalise(image)[..., 0], RAMP % 2 * 255)


def test_contrast_limits_far_from_the_values():
    image = RAMP.astype(np.float64)
    image[0, 0] = np.finfo(np.float64).max
    assert not normalise(image, contrast_limits=(-1.7e308, 0))[..., 0].min() < 255
    assert not normalise(RAMP.astype(np.uint16), contrast_limits=(1e39, 1e40)).any()
    dark = normalise((RAMP % 2).astype(np.uint8), contrast_limits=(0, 1e-40))
    np.testing.assert_array_equal(dark[..., 0], RAMP % 2 * 255)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_becomes_the_minimum(hole):
    image = RAMP.astype(np.float32) + 5
    image[10:20] = hole
    values = normalise(image)
    filled = np.where(np.isfinite(image), image, 5)
    np.testing.assert_array_equal(values, normalise(filled))


@pytest.mark.parametrize(
    ("image", "options", "sentence"),
    [
        (np.full((20, 20), np.nan), {}, "no finite value"),
        (np.full((20, 20, 3), np.nan), {}, "no finite value"),
        (np.zeros((3, 2)), {}, "3 × 2 pixels; at least 8 × 8"),
        (np.zeros((7, 500)), {}, "7 × 500 pixels"),
        (np.zeros((1, 1, 3)), {}, "1 × 3 pixels"),
        (np.zeros((0, 0)), {}, "0 × 0 pixels"),
        (np.zeros(50), {}, "1 dimensions"),
        (np.zeros((2, 3, 20, 20)), {}, "4 dimensions.*one plane"),
        (np.zeros((5, 20, 20)), {}, "not RGB; choose up to three channels"),
        (np.zeros((20, 20), complex), {}, "complex128 values"),
        (np.full((20, 20), None), {}, "object values"),
        (np.full((20, 20), "a"), {}, "values; convert"),
        (np.zeros((5, 20, 20)), {"channels": [5]}, r"from 0 to 4, not 5\.$"),
        (np.zeros((5, 20, 20)), {"channels": [-1]}, "from 0 to 4"),
        (np.zeros((5, 20, 20)), {"channels": []}, "one to three of them"),
        (np.zeros((5, 20, 20)), {"channels": [0, 1, 2, 3]}, "has 5 channels.*not 0, 1, 2, 3"),
        (np.zeros((2, 5, 20, 20)), {"channels": [0]}, "three dimensions"),
        (RAMP, {"contrast_limits": (5, 5)}, "5 and 5 make no range"),
        (RAMP, {"contrast_limits": (0, np.nan)}, "make no range"),
        (RAMP, {"contrast_limits": (9, 1)}, "make no range"),
        (RAMP, {"contrast_limits": (0, 5e-324)}, "make no range"),
        (RAMP, {"contrast_limits": (-1.7e308, 1.7e308)}, "make no range"),
        (RAMP, {"contrast_limits": (0, 1, 2)}, r"two numbers, low and high, not \(0, 1, 2\)"),
        (RAMP, {"contrast_limits": "ab"}, "two numbers, low and high, not 'ab'"),
        (RAMP, {"contrast_limits": 5}, "two numbers"),
        (RAMP, {"contrast_limits": (0, 10**400)}, "two numbers"),
        (np.zeros((5, 20, 20)), {"channels": 2}, "from 0 to 4, not 2"),
        (np.zeros((5, 20, 20)), {"channels": [0.5]}, r"from 0 to 4, not \[0.5\]"),
        (np.zeros((20, 20)), {"channels": (-1,)}, r"one channel; leave .*out\.$"),
        (np.zeros((5, 20, 20)), {"channels": "01"}, "from 0 to 4, not 01"),
        ([[1, 2], [3]], {}, "rows of the same length"),
    ],
)
def test_what_cannot_be_used(image, options, sentence):
    with pytest.raises(UserError, match=sentence):
        normalise(image, **options)


def test_the_smallest_picture():
    assert normalise(np.zeros((8, 8))).shape == (8, 8, 3)
