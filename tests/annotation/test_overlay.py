"""The picture of a candidate."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.annotation.overlay import draw_overlay
from napari_semantic_sam.inference.results import CroppedMask

COLOUR = (10, 200, 30)


def mask(size=9, shape=(40, 40)):
    crop = np.ones((size, size), dtype=bool)
    crop[0, 0] = False
    return CroppedMask((3, 4, 3 + size, 4 + size), crop, shape)


def test_outline_is_opaque_inside_is_tinted_outside_is_clear():
    overlay = draw_overlay(mask(), COLOUR, filled=True)
    assert overlay.shape == (9, 9, 4)
    assert overlay.dtype == np.uint8
    assert (overlay[..., :3] == COLOUR).all()
    assert overlay[0, 0, 3] == 0
    assert overlay[0, 4, 3] == overlay[8, 8, 3] == 255
    assert 0 < overlay[4, 4, 3] < 255


def test_unfilled_shows_only_the_outline():
    overlay = draw_overlay(mask(), COLOUR, filled=False)
    assert overlay[4, 4, 3] == 0
    assert overlay[0, 4, 3] == 255


@pytest.mark.parametrize(("side", "width"), [(100, 1), (2000, 5)])
def test_the_outline_of_large_pictures_is_wider(side, width):
    overlay = draw_overlay(mask(41, (side, side)), COLOUR, filled=False)
    assert np.count_nonzero(overlay[20, :, 3]) == 2 * width


def test_a_single_pixel_shows():
    dot = CroppedMask((0, 0, 1, 1), np.ones((1, 1), dtype=bool), (9, 9))
    assert draw_overlay(dot, COLOUR, filled=False)[0, 0, 3] == 255
