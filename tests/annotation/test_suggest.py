"""Where the model is least sure, and where a user is led."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_semantic_sam.annotation.suggest import (
    ambiguity,
    is_labelled,
    unclear_regions,
    unlabelled_clicks,
)
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.results import Candidate, PromptResult

SHAPE = (60, 120)


def square(y, x, half, *, token=0, iou=0.9, stability=1.0):
    y0, x0 = max(y - half, 0), max(x - half, 0)
    y1, x1 = min(y + half + 1, SHAPE[0]), min(x + half + 1, SHAPE[1])
    crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Candidate((y0, x0, y1, x1), crop, SHAPE, token, token + 1, iou, stability)


class Predictor:
    """Two masks per click; right of x = 80 the second is nearly as good as the first."""

    def __init__(self):
        self.clicks = []

    def predict(self, embedding, points):
        self.clicks += points
        return [PromptResult("click", click, self._masks(*click)) for click in points]

    def _masks(self, y, x):
        doubt = 0.02 if x > 80 else 0.5
        small = square(int(y), int(x), 2, token=1, iou=0.9 - doubt)
        return (square(int(y), int(x), 8, stability=0.95), small)


@pytest.fixture
def opened():
    return SimpleNamespace(model=SimpleNamespace(predictor=Predictor()), embedding=None)


def search(opened, levels=None, cancelled=lambda: False):
    reported = []
    clicks = unlabelled_clicks(levels or LevelLabels(SHAPE))
    found = unclear_regions(opened, clicks, lambda *each: reported.append(each), cancelled)
    return found, reported


def test_one_sure_mask_is_not_ambiguous():
    assert ambiguity([square(20, 20, 5)]) == 0
    assert ambiguity([]) == 0


def test_two_masks_that_are_equally_good_are_ambiguous():
    pair = [square(20, 20, 5, iou=0.9), square(20, 20, 2, iou=0.9)]
    assert ambiguity(pair) == pytest.approx(1)
    clear = [square(20, 20, 5, iou=0.9), square(20, 20, 2, iou=0.6)]
    assert ambiguity(clear) == 0


def test_an_uncertain_outline_is_ambiguous():
    assert ambiguity([square(20, 20, 5, stability=0.7)]) == pytest.approx(0.3)


def test_only_the_best_mask_has_to_be_stable():
    pair = [square(20, 20, 5, iou=0.9), square(20, 20, 2, iou=0.5, stability=0.1)]
    assert ambiguity(pair) == 0


def test_the_most_ambiguous_region_comes_first(opened):
    regions, reported = search(opened)
    assert regions[0].click[1] > 80
    values = [region.ambiguity for region in regions]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.8 > 0.1 > values[-1] > 0
    assert [fraction for _, fraction in reported] == sorted(fraction for _, fraction in reported)


def test_the_grid_covers_the_picture_evenly(opened):
    search(opened)
    clicks = np.array(opened.model.predictor.clicks)
    assert sorted(set(clicks[:, 1])) == list(range(5, 120, 10))
    assert sorted(set(clicks[:, 0])) == list(range(5, 60, 10))


def test_a_region_is_listed_once(opened):
    regions, _ = search(opened)
    for position, region in enumerate(regions):
        y, x = (int(value) for value in region.click)
        assert not any(other.mask.full_mask()[y, x] for other in regions[:position])


def test_labelled_pixels_of_any_level_are_skipped(opened):
    levels = LevelLabels(SHAPE)
    levels.array(1)[:, 70:] = 4
    levels.array(5)[:30] = 1
    regions, _ = search(opened, levels)
    assert regions
    assert all(y >= 30 and x < 70 for y, x in opened.model.predictor.clicks)
    assert is_labelled(levels, (3.0, 3.0))
    assert not is_labelled(levels, (30.0, 69.0))


def test_nothing_is_asked_where_all_is_labelled(opened):
    levels = LevelLabels(SHAPE)
    levels.array(2)[:] = 1
    assert search(opened, levels) == ([], [])
    assert opened.model.predictor.clicks == []


def test_a_search_can_be_cancelled(opened):
    answers = iter([False, True])
    regions, _ = search(opened, cancelled=lambda: next(answers))
    assert regions == []
    assert 0 < len(opened.model.predictor.clicks) < 72


def test_the_smallest_picture_has_a_grid():
    clicks = unlabelled_clicks(LevelLabels((8, 8)))
    assert clicks == [(2, 2), (2, 6), (6, 2), (6, 6)]
