"""Merging and ordering the candidates of one prompt."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.inference import Candidate, distinct_candidates

SHAPE = (60, 50)


def rectangle(y0, x0, y1, x1, *, level=1, predicted_iou=0.5, token=0):
    crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Candidate((y0, x0, y1, x1), crop, SHAPE, token, level, predicted_iou, 0.9)


def empty(level):
    return rectangle(0, 0, 0, 0, level=level)


def random_candidates(seed):
    rng = np.random.default_rng(seed)
    levels = rng.permutation(6) + 1
    candidates = []
    for token in range(6):
        (y0, y1), (x0, x1) = np.sort(rng.integers(0, 50, (2, 2)), axis=1)
        if candidates and rng.random() < 0.4:  # nearly the same as an earlier one
            y0, x0, y1, x1 = candidates[-1].box
            y1 = min(y1 + rng.integers(0, 2), SHAPE[0])
        values = {"level": int(levels[token]), "predicted_iou": rng.random(), "token": token}
        candidates.append(rectangle(int(y0), int(x0), int(y1), int(x1), **values))
    return candidates


@pytest.mark.parametrize("seed", range(60))
def test_properties(seed):
    candidates = random_candidates(seed)
    distinct = distinct_candidates(candidates)
    areas = [each.area for each in distinct]
    levels = [each.level for each in distinct]
    kept = [candidates[each.token] for each in distinct]

    assert all(areas)
    assert areas == sorted(areas, reverse=True)
    assert levels == sorted(set(levels))
    assert sorted(levels) == sorted(each.level for each in kept)
    for first in range(len(distinct)):
        for second in range(first):
            assert distinct[first].iou(distinct[second]) <= 0.95
    for candidate in candidates:  # everything left out has a better double among the kept
        assert (
            candidate.area == 0
            or candidate in kept
            or any(
                candidate.iou(each) > 0.95 and each.predicted_iou >= candidate.predicted_iou
                for each in kept
            )
        )


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_candidates_does_not_matter(seed):
    candidates = random_candidates(seed)
    forward, backward = distinct_candidates(candidates), distinct_candidates(candidates[::-1])
    assert [(each.token, each.level) for each in forward] == [
        (each.token, each.level) for each in backward
    ]


def test_the_highest_predicted_iou_of_equal_masks_survives():
    small = rectangle(5, 5, 9, 9, level=6, predicted_iou=0.2, token=0)
    worse = rectangle(0, 0, 30, 30, level=1, predicted_iou=0.3, token=1)
    better = rectangle(0, 0, 30, 30, level=4, predicted_iou=0.8, token=2)
    distinct = distinct_candidates([small, worse, better, empty(2)])
    assert [(each.token, each.level) for each in distinct] == [(2, 4), (0, 6)]


def test_levels_are_repaired_by_area():
    part_called_whole = rectangle(5, 5, 9, 9, level=1, token=0)
    whole_called_part = rectangle(0, 0, 30, 30, level=5, token=1)
    distinct = distinct_candidates([part_called_whole, whole_called_part])
    assert [(each.token, each.level) for each in distinct] == [(1, 1), (0, 5)]


def test_masks_of_exactly_the_limit_are_distinct():
    whole, less = rectangle(0, 0, 20, 10), rectangle(0, 0, 19, 10)
    assert len(distinct_candidates([whole, less])) == 2


def test_nothing_but_empty_masks():
    assert distinct_candidates([empty(1), empty(2)]) == ()
