from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.evaluation.objects import (
    ClickIndex,
    find_objects,
    random_click,
    without_copies,
)
from napari_semantic_sam.inference.pieces import centre_pixel


def frame(top: int, left: int, bottom: int, right: int, shape=(30, 40)) -> np.ndarray:
    labels = np.zeros(shape, int)
    labels[top:bottom, left:right] = 1
    return labels


def test_objects_of_every_plane_with_their_true_shapes():
    planes = np.stack([frame(2, 3, 5, 9), 70000 * frame(0, 0, 30, 40)])
    first, second = find_objects(planes, "cells")
    assert (first.box, first.area, first.source) == ((2, 3, 5, 9), 18, "cells")
    assert (second.box, second.area, second.shape) == ((0, 0, 30, 40), 1200, (30, 40))
    assert np.array_equal(first.full_mask(), planes[0] > 0)


def test_an_object_in_two_pieces_is_one_object_without_its_neighbour():
    labels = frame(5, 5, 10, 20)
    labels[:, 10:12] = 7
    first, second = find_objects(labels)
    assert np.array_equal(first.full_mask(), labels == 1)
    assert np.array_equal(second.full_mask(), labels == 7)


def test_an_empty_label_image_has_no_objects():
    assert find_objects(np.zeros((4, 5), np.uint16)) == []


@pytest.mark.parametrize(
    ("labels", "centre"),
    [
        (frame(4, 6, 9, 11), (6, 8)),
        (frame(4, 6, 5, 7), (4, 6)),
        (frame(4, 6, 6, 12), (4, 6)),  # every pixel ties: the first
        (frame(0, 0, 30, 40), (14, 14)),  # the border of the picture counts
    ],
    ids=["odd square", "one pixel", "two rows", "whole picture"],
)
def test_centre_pixel(labels, centre):
    (found,) = find_objects(labels)
    assert centre_pixel(found) == centre


def test_the_centre_of_a_ring_is_on_the_ring():
    yy, xx = np.mgrid[:41, :41]
    distance = np.hypot(yy - 20, xx - 20)
    labels = ((distance > 10) & (distance < 16)).astype(int)
    (ring,) = find_objects(labels)
    assert labels[centre_pixel(ring)] == 1


def test_random_clicks_reach_every_pixel_and_nothing_else():
    labels = frame(2, 3, 4, 6)
    labels[3, 4] = 0
    (found,) = find_objects(labels)
    rng = np.random.default_rng(0)
    clicks = {random_click(found, rng) for _ in range(200)}
    assert clicks == set(zip(*np.nonzero(labels), strict=True))


def test_click_index_and_copies():
    outer, inner = find_objects(np.stack([frame(2, 2, 20, 20), frame(5, 5, 8, 8)]))
    (copy,) = find_objects(frame(5, 5, 8, 8), "again")
    kept = without_copies([outer, inner, copy])
    assert [each.source for each in kept] == ["", ""]
    index = ClickIndex(kept)
    assert index.at(6, 6) == [outer, inner]
    assert index.at(8, 6) == [outer]
    assert index.at(20, 20) == []
    assert ClickIndex([]).at(1, 1) == []
