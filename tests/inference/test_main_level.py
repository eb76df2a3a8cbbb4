"""The objects of a picture meet in one level, whichever level the network found them at."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.inference.automatic.labels import label_levels
from napari_semantic_sam.inference.automatic.objects import MainLevel, settle_levels
from napari_semantic_sam.inference.results import Candidate

SHAPE = (100, 200)
LEVELS = tuple(range(1, 7))


def square(box, level, score=0.8):
    y0, x0, y1, x1 = box
    crop = np.ones((y1 - y0, x1 - x0), bool)
    return Candidate(box, crop, SHAPE, 0, level, score, 1.0)


def levels_of(masks, main, levels=LEVELS):
    return {mask.box: mask.level for mask in settle_levels(masks, levels, main)}


LEFT, RIGHT, FAR = (10, 10, 30, 30), (10, 60, 30, 80), (10, 150, 30, 170)


def test_objects_found_one_level_away_are_moved_and_others_stay():
    masks = [square(LEFT, 4), square(RIGHT, 5), square(FAR, 2)]
    assert levels_of(masks, MainLevel(4)) == {LEFT: 4, RIGHT: 4, FAR: 2}
    assert levels_of(masks, None) == {LEFT: 4, RIGHT: 5, FAR: 2}
    assert levels_of(masks, MainLevel(3), levels=(2, 4, 5)) == levels_of(masks, None)


@pytest.mark.parametrize(("step", "winner"), [(0.0, "cell"), (0.2, "nucleus")])
def test_a_mask_pays_for_its_distance_from_the_main_level(step, winner):
    cell, nucleus = square((0, 0, 40, 40), 3, 0.9), square(LEFT, 4, 0.8)
    found = levels_of([cell, nucleus], MainLevel(4, step))
    assert found == ({cell.box: 4, LEFT: 5} if winner == "cell" else {cell.box: 3, LEFT: 4})


def test_what_contains_an_object_is_coarser_and_what_lies_in_it_finer():
    whole, cell, other = (0, 0, 90, 190), (5, 5, 50, 50), (5, 100, 50, 150)
    nucleus, spot = (10, 10, 30, 30), (12, 12, 18, 18)
    masks = [
        square(whole, 5, 0.6),
        square(cell, 4, 0.9),
        square(other, 4, 0.9),
        square(nucleus, 4, 0.8),
        square(spot, 2, 0.7),
    ]
    found = levels_of(masks, MainLevel(4))
    assert found == {whole: 3, cell: 4, other: 4, nucleus: 5, spot: 6}


def test_masks_that_lost_their_place_are_left_out():
    better, worse = square((10, 10, 40, 40), 4, 0.9), square((10, 22, 40, 52), 4, 0.8)
    masks = [better, worse]
    assert levels_of(masks, MainLevel(4)) == {better.box: 4}
    assert len(label_levels(masks, LEVELS, SHAPE, main=MainLevel(4)).rows(4)) == 1


@pytest.mark.parametrize("level", [1, 6])
def test_there_is_nothing_beyond_the_first_and_the_last_level(level):
    cell, nucleus = square((0, 0, 40, 40), level, 0.8), square(LEFT, level, 0.9)
    found = levels_of([cell, nucleus], MainLevel(level))
    assert found[LEFT] == level
    assert found.get(cell.box) in (None, 5)


def test_a_single_level_is_left_alone():
    masks = [square(LEFT, 5), square(RIGHT, 5)]
    assert settle_levels(masks, (5,), MainLevel(4)) == masks
