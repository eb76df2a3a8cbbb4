"""The picture of the candidates of an object."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.annotation.overlay import Scene, compose
from napari_semantic_sam.inference.results import Candidate

COLOURS = ((10, 200, 30), (250, 0, 0), (0, 0, 250))


def square(half, level, centre=(25, 30), shape=(60, 60)):
    y, x = centre
    crop = np.ones((2 * half + 1, 2 * half + 1), dtype=bool)
    crop[0, 0] = False
    box = (y - half, x - half, y + half + 1, x + half + 1)
    return Candidate(box, crop, shape, level - 1, level, 0.9, 0.9)


NESTED = (square(20, 1), square(10, 2), square(4, 3))
MIDDLE = (20, 20)  # of the overlay of `NESTED`
RIGHT_EDGES = {0: (20, 40), 1: (20, 30), 2: (20, 24)}
INSIDE = {0: (20, 35), 1: (20, 27), 2: MIDDLE}


def drawn(**chosen):
    return compose(Scene(NESTED, **chosen), COLOURS).rgba


def opacity(rgba, places):
    return [int(rgba[places[index]][3]) for index in sorted(places)]


def test_the_overlay_covers_the_box_around_all_candidates():
    apart = (square(4, 1, (10, 12)), square(4, 2, (40, 30)))
    overlay = compose(Scene(apart, shown=0), COLOURS)
    assert overlay.box == (6, 8, 45, 35)
    assert overlay.rgba.shape == (39, 27, 4)
    assert overlay.rgba.dtype == np.uint8
    assert overlay.rgba[4, 4, 3] > 0
    assert overlay.rgba[34, 22, 3] == 0  # inside of the other one
    assert overlay.rgba[15, 20, 3] == 0  # between them


def test_every_candidate_has_an_outline_in_the_colour_of_its_level():
    rgba = drawn(shown=1)
    for index, place in RIGHT_EDGES.items():
        assert tuple(rgba[place][:3]) == COLOURS[index]
        assert rgba[place][3] > 0
    assert rgba[0, 0, 3] == 0  # a corner that the coarsest mask lacks
    assert rgba[0, 1, 3] > 0


def test_only_the_candidate_on_display_is_filled():
    rgba = drawn(shown=1)
    coarse, shown, fine = opacity(rgba, INSIDE)
    assert coarse == 0
    assert 0 < shown < 255
    assert fine == shown  # it lies in the one on display
    assert tuple(rgba[MIDDLE][:3]) == COLOURS[1]


def test_the_candidate_on_display_has_the_strongest_outline_of_those_not_chosen():
    coarse, shown, fine = opacity(drawn(shown=1), RIGHT_EDGES)
    assert shown == 255
    assert coarse == fine < 255


def test_marked_candidates_are_lightly_filled_and_have_a_wider_outline():
    plain, rgba = drawn(shown=0), drawn(shown=0, marked=frozenset({1}))
    assert tuple(rgba[INSIDE[1]][:3]) == COLOURS[1]
    assert 0 < rgba[INSIDE[1]][3] < rgba[INSIDE[0]][3]

    def outline_width(picture):
        y, x = RIGHT_EDGES[1]
        row = picture[y, x - 4 : x + 1]
        own = (row[:, :3] == COLOURS[1]).all(axis=1) & (row[:, 3] > 150)
        return np.count_nonzero(own)

    assert outline_width(rgba) == 2 * outline_width(plain) == 2


def test_kept_candidates_are_outlines_only():
    rgba = drawn(shown=1, marked=frozenset({0}), kept=frozenset({0, 1}))
    assert opacity(rgba, INSIDE)[:2] == [0, 0]
    assert opacity(rgba, RIGHT_EDGES)[:2] == [255, 255]


def test_the_outline_on_display_is_drawn_over_those_it_shares_pixels_with():
    twins = (square(10, 1), square(10, 2))
    for shown in (0, 1):
        rgba = compose(Scene(twins, shown), COLOURS).rgba
        assert tuple(rgba[10, 20]) == (*COLOURS[shown], 255)


def test_colours_begin_again_after_the_last():
    rgba = compose(Scene((square(4, 4),), shown=0), COLOURS).rgba
    assert tuple(rgba[4, 4][:3]) == COLOURS[0]


@pytest.mark.parametrize(("side", "width"), [(100, 1), (2000, 5)])
def test_the_outline_of_large_pictures_is_wider(side, width):
    large = square(20, 1, shape=(side, side))
    rgba = compose(Scene((large,)), COLOURS).rgba
    assert np.count_nonzero(rgba[20, :, 3]) == 2 * width


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 2)])
@pytest.mark.parametrize("side", [9, 3000])
def test_masks_no_wider_than_their_outline_show(shape, side):
    sliver = Candidate(
        (2, 3, 2 + shape[0], 3 + shape[1]), np.ones(shape, bool), (side, side), 0, 1, 0.9, 0.9
    )
    assert (compose(Scene((sliver,)), COLOURS).rgba[..., 3] > 0).all()


def test_an_outline_follows_holes_and_concave_edges():
    ring = np.ones((15, 15), dtype=bool)
    ring[6:9, 6:9] = False
    mask = Candidate((0, 0, 15, 15), ring, (60, 60), 0, 1, 0.9, 0.9)
    drawn_row = compose(Scene((mask,)), COLOURS).rgba[7, :, 3] > 0
    assert drawn_row.nonzero()[0].tolist() == [0, 5, 9, 14]


def test_scenes_are_equal_if_they_show_the_same_masks():
    assert Scene(NESTED, 1) == Scene(NESTED, 1)
    assert Scene(NESTED, 1) != Scene(NESTED, 2)
    assert Scene((square(4, 1),), 0) != Scene((square(4, 1),), 0)


def test_a_scene_is_undecided_until_what_it_shows_was_kept():
    assert Scene(NESTED, 1).undecided
    assert Scene(NESTED, 1, kept=frozenset({0})).undecided
    assert not Scene(NESTED, 1, kept=frozenset({1})).undecided
    assert not Scene(NESTED).undecided
