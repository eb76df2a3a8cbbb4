"""How far slices moved."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_semantic_sam.inference.drift import common_windows, find_drift


@pytest.fixture
def scene():
    """A blurred random pattern with margins to move in."""
    rng = np.random.default_rng(0)
    return 1000 + 50 * ndimage.gaussian_filter(rng.normal(size=(220, 260)), 4)


def view(scene, dy, dx, seed):
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(120, 160))
    return scene[50 - dy : 170 - dy, 50 - dx : 210 - dx] + noise


@pytest.mark.parametrize("shift", [(0, 0), (7, -12), (-30, 3), (25, 40)])
def test_a_movement_is_found(scene, shift):
    assert find_drift(view(scene, 0, 0, 1), view(scene, *shift, 2)) == shift


def test_colours_and_gaps_do_not_matter(scene):
    first, second = view(scene, 0, 0, 1), view(scene, 5, 6, 2)
    first[:3], second[-3:] = np.nan, np.inf
    assert find_drift(np.dstack([first] * 3), np.dstack([second] * 3)) == (5, 6)


def test_nothing_in_common_is_no_movement():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 80, 80))
    assert find_drift(first, second) == (0, 0)
    assert find_drift(np.zeros((50, 50), np.uint8), np.zeros((50, 50), np.uint8)) == (0, 0)
    assert find_drift(np.full((50, 50), np.nan), first[:50, :50]) == (0, 0)


def test_large_slices_are_looked_at_in_steps(scene):
    large = [ndimage.zoom(view(scene, *by, 3), 10, order=1) for by in ((0, 0), (6, -8))]
    dy, dx = find_drift(*large)
    assert (dy, dx) == (pytest.approx(60, abs=2), pytest.approx(-80, abs=2))


def test_what_two_slices_have_in_common():
    scene = np.arange(48).reshape(6, 8)
    first, second = common_windows(scene.shape, (2, -3))
    before = scene[first]
    assert before.shape == scene[second].shape == (4, 5)
    assert before[0, 0] == scene[0, 3]
    assert scene[second][0, 0] == scene[2, 0]
    nothing, _ = common_windows(scene.shape, (9, 0))
    assert scene[nothing].size == 0
