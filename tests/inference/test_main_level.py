"""The objects of a picture meet in one level, whichever level the network found them at."""

from __future__ import annotations

import numpy as np
import pytest
from seeing_stub import SeeingPredictor, bright, plane_of, settings

from napari_semantic_sam.inference.automatic import Guide, SizeRange, segment_plane
from napari_semantic_sam.inference.automatic.labels import label_levels
from napari_semantic_sam.inference.automatic.objects import (
    MainLevel,
    searched_levels,
    settle_levels,
)
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


def test_neighbours_of_the_main_level_compete_even_if_nobody_asked_for_them():
    whole, object_, part = (0, 0, 60, 190), (5, 5, 50, 50), (10, 10, 20, 20)
    masks = [
        square(whole, 2, 0.7),
        square(object_, 4, 0.9),
        square((5, 5, 50, 38), 3, 0.8),
        square(part, 4, 0.6),
    ]
    assert searched_levels((3,), LEVELS, MainLevel(3)) == (2, 3, 4)
    assert searched_levels((1, 3, 6), LEVELS, MainLevel(6)) == (1, 3, 5, 6)
    assert searched_levels((1, 5), LEVELS, MainLevel(3)) == (1, 5)
    assert levels_of(masks, MainLevel(3), levels=(3,)) == {object_: 3}
    everything = levels_of(masks, MainLevel(3))
    assert {box for box, level in everything.items() if level == 3} == {object_}
    assert everything[whole] < 3 < everything[part]


def test_a_mask_that_was_asked_for_stays_if_it_is_also_found_beside_the_main_level():
    whole, object_ = (0, 0, 60, 190), (5, 5, 50, 50)
    masks = [square(whole, 1, 0.8), square(whole, 2, 0.7), square(object_, 3, 0.9)]
    assert levels_of(masks, MainLevel(3), levels=(1, 3)) == {whole: 1, object_: 3}


def test_of_masks_that_contain_each_other_the_larger_one_is_coarser():
    object_, larger, smaller = (10, 10, 30, 30), (10, 10, 32, 31), (10, 10, 29, 29)
    masks = [square(object_, 4, 0.9), square(larger, 6, 0.8), square(smaller, 2, 0.8)]
    assert levels_of(masks, MainLevel(4)) == {larger: 3, object_: 4, smaller: 5}


@pytest.mark.parametrize(("smallest", "radius"), [(0, 8), (30, 20)])
def test_objects_are_the_same_whatever_else_is_asked_for(smallest, radius):
    places = [(30, 40), (30, 110), (90, 70)]
    picture = bright((120, 150), *((y, x, 20, 100) for y, x in places))
    picture = np.maximum(picture, bright(picture.shape, *((y, x, 8, 255) for y, x in places)))
    predictor = SeeingPredictor()
    predictor.model.automatic = {"level": 1, "level_step": 0.0}
    predictor.model.scores = (0.8, 0.9)
    embedding = predictor.embed_plane(plane_of(picture))

    def objects(*levels):
        guide = Guide(dict.fromkeys(levels, SizeRange(smallest)))
        return segment_plane(predictor, embedding, settings(*levels), guide=guide)

    alone = objects(1)
    assert alone.levels == [1]
    np.testing.assert_array_equal(alone.array(1), objects(1, 2).array(1))
    assert [row.area for row in alone.rows(1)] == pytest.approx([np.pi * radius**2] * 3, rel=0.2)
