"""Holes, islands and ragged outlines."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.results import Candidate, CroppedMask, tight

SHAPE = (60, 80)


def cropped(mask):
    return CroppedMask(*tight(mask, 0, 0), mask.shape)


def blank():
    return np.zeros(SHAPE, dtype=bool)


def disc(y, x, radius):
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def cleaned(mask, **options):
    return CleanUp(**options).apply(cropped(mask)).full_mask()


def test_nothing_is_done_by_default():
    mask = disc(20, 30, 9) & ~disc(20, 30, 4) | disc(50, 70, 3)
    assert np.array_equal(cleaned(mask), mask)


def test_holes_are_filled_unless_they_are_open():
    ring = disc(20, 30, 9) & ~disc(20, 30, 4)
    assert np.array_equal(cleaned(ring, fill_holes=True), disc(20, 30, 9))
    ring[20, 30:] = False
    assert np.array_equal(cleaned(ring, fill_holes=True), ring)
    bay = disc(20, 0, 9) & ~disc(20, 0, 4)  # open to the border of the picture
    assert np.array_equal(cleaned(bay, fill_holes=True), bay)


def test_the_largest_part_stays():
    large, small = disc(20, 30, 9), disc(50, 70, 3)
    tidy = CleanUp(drop_islands=True).apply(cropped(large | small))
    assert np.array_equal(tidy.full_mask(), large)
    assert tidy.box == cropped(large).box


def test_parts_that_touch_at_a_corner_are_one():
    mask = blank()
    mask[10:20, 10:20] = mask[20:25, 20:25] = True
    assert np.array_equal(cleaned(mask, drop_islands=True), mask)


def test_smoothing_takes_bumps_and_gaps_but_not_the_shape():
    square = blank()
    square[20:50, 20:50] = True
    ragged = square.copy()
    ragged[10:20, 35] = True  # a bristle
    ragged[20:28, 30] = False  # a crack
    tidy = cleaned(ragged, smooth=2)
    assert not tidy[10:19, 35].any()
    assert tidy[22:28, 30].all()
    assert np.array_equal(tidy[20:50, 35:][8:22], square[20:50, 35:][8:22])  # straight edges stay
    assert np.count_nonzero(tidy ^ square) < 0.03 * np.count_nonzero(square)


def test_smoothing_keeps_the_border_of_the_picture():
    half = blank()
    half[:, :40] = True
    assert np.array_equal(cleaned(half, smooth=3), half)
    everything = np.ones(SHAPE, dtype=bool)
    assert np.array_equal(cleaned(everything, smooth=3), everything)


def test_a_gap_that_smoothing_closes_is_filled():
    ring = disc(30, 40, 20) & ~disc(30, 40, 10)
    ring[30, 40:] = False
    assert not cleaned(ring, smooth=2)[disc(30, 40, 8)].any()
    assert cleaned(ring, fill_holes=True, smooth=2)[disc(30, 40, 18)].all()


@pytest.mark.parametrize("options", [{"smooth": 5}, {"smooth": 5, "drop_islands": True}])
def test_a_mask_never_vanishes(options):
    line = blank()
    line[30, 10:70] = True
    assert np.array_equal(cleaned(line, **options), line)


def test_an_empty_mask_stays_empty():
    everything = CleanUp(fill_holes=True, drop_islands=True, smooth=2)
    tidy = everything.apply(CroppedMask(*tight(blank(), 0, 0), SHAPE))
    assert (tidy.area, tidy.box) == (0, (0, 0, 0, 0))


def test_a_candidate_stays_one_with_its_scores():
    mask = disc(20, 30, 9) & ~disc(20, 30, 4)
    candidate = Candidate(*tight(mask, 0, 0), SHAPE, 3, 2, 0.7, 0.9)
    tidy = CleanUp(fill_holes=True).apply(candidate)
    assert isinstance(tidy, Candidate)
    assert (tidy.token, tidy.level, tidy.predicted_iou, tidy.stability) == (3, 2, 0.7, 0.9)
    assert tidy.area == np.count_nonzero(disc(20, 30, 9))
    assert candidate.area == np.count_nonzero(mask)  # as it was
