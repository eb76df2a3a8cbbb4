"""Labels of several levels, their rows and their parents."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow, LevelLabels, to_columns
from napari_semantic_sam.inference.results import Candidate

SHAPE = (40, 50)


def rectangle(y0, x0, y1, x1, shape=SHAPE):
    crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Candidate((y0, x0, y1, x1), crop, shape, 2, 3, predicted_iou=0.75, stability=0.9)


@pytest.fixture
def labels():
    return LevelLabels(SHAPE)


def parents(labels, level):
    return {row.index: (row.parent_level, row.parent) for row in labels.rows(level)}


def test_a_mask_becomes_a_label_with_its_facts(labels):
    row = labels.add(rectangle(2, 3, 12, 13), 2, "click")
    assert row == LabelRow(1, 2, predicted_iou=0.75, stability=0.9, area=100, source="click")
    expected = np.zeros(SHAPE, dtype=int)
    expected[2:12, 3:13] = 1
    np.testing.assert_array_equal(labels.array(2), expected)
    assert labels.rows(2) == [row]
    assert labels.levels == [2]


def test_labels_that_exist_are_never_overwritten(labels):
    labels.add(rectangle(0, 0, 10, 10), 1, "click")
    second = labels.add(rectangle(5, 0, 15, 10), 1, "box")
    assert (second.index, second.area) == (2, 50)
    assert (labels.array(1)[:10, :10] == 1).all()
    assert (labels.array(1)[10:15, :10] == 2).all()


def test_a_mask_without_a_free_pixel_changes_nothing(labels):
    labels.add(rectangle(0, 0, 10, 10), 1, "click")
    before = labels.array(1).copy()
    assert labels.add(rectangle(2, 2, 8, 8), 1, "click") is None
    assert labels.add(rectangle(0, 0, 0, 0), 1, "click") is None
    np.testing.assert_array_equal(labels.array(1), before)
    assert len(labels.rows(1)) == 1


def test_a_mask_of_another_picture_is_refused(labels):
    with pytest.raises(ValueError, match="cannot go into"):
        labels.add(rectangle(0, 0, 9, 9, shape=(9, 9)), 1, "click")


def test_a_shared_array_is_changed_in_place(labels):
    shared = np.zeros(SHAPE, dtype=np.uint8)
    shared[30:35, 30:35] = 7
    labels.attach(3, shared)
    assert labels.rows(3) == [LabelRow(7, 3, area=25, source="painted")]
    assert labels.add(rectangle(0, 0, 10, 10), 3, "click").index == 8
    assert shared[5, 5] == 8


def test_known_rows_are_taken_over_with_an_array(labels):
    labels.add(rectangle(0, 0, 20, 20), 1, "click")
    array = np.zeros(SHAPE, dtype=np.uint16)
    array[2:8, 2:8], array[30:32, 30:32] = 4, 5
    known = LabelRow(4, 3, object="cell", object_score=0.5, area=1, source="box")
    gone = LabelRow(9, 3, area=7, source="box")
    labels.attach(3, array, [known, gone])
    assert labels.rows(3) == [
        LabelRow(4, 3, "cell", 0.5, area=36, parent_level=1, parent=1, source="box"),
        LabelRow(5, 3, area=4, source="painted"),
    ]


def test_an_array_that_does_not_fit_is_refused(labels):
    for array in (np.zeros((4, 4), int), np.zeros(SHAPE)):
        with pytest.raises(ValueError, match="need integers of shape"):
            labels.attach(1, array)


def test_an_array_that_cannot_count_further(labels):
    full = np.zeros(SHAPE, dtype=np.uint8)
    full[20, 20] = 255
    labels.attach(1, full)
    with pytest.raises(UserError, match=r"level 1 are uint8.*beyond 255"):
        labels.add(rectangle(0, 0, 5, 5), 1, "click")


def test_the_parent_is_the_nearest_coarser_label_that_covers_enough(labels):
    labels.add(rectangle(0, 0, 40, 50), 1, "click")
    labels.add(rectangle(0, 0, 20, 20), 3, "click")
    inside = labels.add(rectangle(2, 2, 12, 12), 6, "click")
    just = labels.add(rectangle(12, 10, 20, 22), 6, "click")  # 10 of 12 columns
    beyond = labels.add(rectangle(2, 18, 12, 28), 6, "click")  # 2 of 10 columns
    assert (inside.parent_level, inside.parent) == (3, 1)
    assert (just.parent_level, just.parent) == (3, 1)
    assert (beyond.parent_level, beyond.parent) == (1, 1)
    assert parents(labels, 3) == {1: (1, 1)}
    assert parents(labels, 1) == {1: (0, 0)}


@pytest.mark.parametrize(("width", "parent"), [(8, (1, 1)), (7, (0, 0))])
def test_the_limit_is_four_fifths(labels, width, parent):
    labels.add(rectangle(0, 0, 10, width), 1, "click")
    labels.add(rectangle(0, 0, 10, 10), 2, "click")
    assert parents(labels, 2) == {1: parent}


def test_a_coarser_label_that_comes_later_adopts(labels):
    labels.add(rectangle(0, 0, 40, 50), 1, "click")
    labels.add(rectangle(2, 2, 12, 12), 5, "click")
    labels.add(rectangle(30, 30, 35, 35), 5, "click")
    labels.add(rectangle(0, 0, 20, 20), 3, "click")
    assert parents(labels, 5) == {1: (3, 1), 2: (1, 1)}


def test_children_of_a_detached_level_go_to_the_next_coarser_one(labels):
    labels.add(rectangle(0, 0, 40, 50), 1, "click")
    labels.add(rectangle(0, 0, 20, 20), 3, "click")
    labels.add(rectangle(2, 2, 12, 12), 5, "click")
    labels.detach(3)
    assert labels.levels == [1, 5]
    assert labels.rows(3) == []
    assert parents(labels, 5) == {1: (1, 1)}


def test_areas_and_parents_follow_every_edit(labels):
    labels.add(rectangle(0, 0, 20, 20), 1, "click")
    labels.add(rectangle(20, 20, 40, 40), 1, "box")
    labels.add(rectangle(2, 2, 12, 12), 4, "click")
    edited = labels.array(1).copy()
    edited[edited == 2] = 0  # filled with background
    edited[:, 5:20] = 0  # erased in part
    edited[0:30, 45:50] = 2_000_000_000  # painted
    labels.paste(1, (0, 0, 40, 50), edited)
    assert labels.rows(1) == [
        LabelRow(1, 1, predicted_iou=0.75, stability=0.9, area=100, source="click"),
        LabelRow(2_000_000_000, 1, area=150, source="painted"),
    ]
    assert parents(labels, 4) == {1: (0, 0)}
    labels.paste(4, (10, 44, 20, 50), np.full((10, 6), 9))
    assert parents(labels, 4)[9] == (1, 2_000_000_000)


def test_a_pasted_label_may_bring_its_facts(labels):
    known = LabelRow(3, 9, object="cell", area=77, parent=5, source="box")
    labels.paste(2, (5, 5, 7, 9), np.full((2, 4), 3), [known])
    assert labels.rows(2) == [replace(known, level=2, area=8, parent=0)]
    assert labels.box(2, 3) == (5, 5, 7, 9)
    assert labels.row(2, 4) is None


def test_an_array_too_small_for_what_is_pasted_is_replaced(labels):
    small = np.full(SHAPE, 7, dtype=np.uint8)
    labels.attach(1, small)
    labels.paste(1, (0, 0, 1, 2), np.array([[300, 7]]))
    assert labels.array(1)[0, 0] == 300
    assert {row.index: row.area for row in labels.rows(1)} == {7: 1999, 300: 1}
    labels.attach(1, small)
    labels.paste(1, (0, 0, 1, 2), np.array([[200, 7]]))
    assert labels.array(1) is small


def brute_force_parents(labels, level):
    found = {}
    for row in labels.rows(level):
        region = labels.array(level) == row.index
        assert row.area == region.sum()
        found[row.index] = (0, 0)
        for coarser in [each for each in labels.levels if each < level]:
            for other in labels.rows(coarser):
                overlap = (labels.array(coarser) == other.index) & region
                if overlap.sum() >= 0.8 * region.sum() - 1e-9:
                    found[row.index] = (coarser, other.index)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_any_series_of_edits_leaves_the_same_as_counting_anew(labels, seed):
    rng = np.random.default_rng(seed)
    for step in range(25):
        level = int(rng.integers(1, 5))
        rows = labels.rows(level)
        if rows and rng.random() < 0.5:
            y, x = rng.integers(0, 40, 2).tolist()
            box = (y, x, min(y + 8, 40), min(x + 8, 50))
            painted = rng.choice([0, rows[0].index, rows[-1].index, 50 + step])
            labels.paste(level, box, np.full((box[2] - y, box[3] - x), painted))
        else:
            y, x = rng.integers(0, 25, 2)
            height, width = rng.integers(1, 30 // level, 2)
            candidate = rectangle(y, x, min(y + height, 40), min(x + width, 50))
            labels.add(candidate, level, "click")
        for each in labels.levels:
            assert parents(labels, each) == brute_force_parents(labels, each)
            assert {row.index for row in labels.rows(each)} == {*labels.array(each).flat} - {0}


def test_what_is_known_by_now_is_taken_over(labels):
    labels.add(rectangle(0, 0, 10, 10), 1, "click")
    second = labels.add(rectangle(20, 20, 30, 30), 1, "box")
    gone = LabelRow(7, 1, object="cell")
    named = [replace(row, object="cell", area=1, parent=5) for row in labels.rows(1)]
    labels.learn(1, [*named, gone])
    assert [(row.object, row.area, row.parent) for row in labels.rows(1)] == [
        ("cell", 100, 0),
        ("cell", second.area, 0),
    ]


def test_columns_are_those_of_the_table(labels):
    labels.add(rectangle(0, 0, 10, 10), 1, "click")
    labels.add(rectangle(0, 20, 10, 30), 1, "box")
    columns = to_columns(labels.rows(1))
    assert tuple(columns) == COLUMNS
    assert " ".join(COLUMNS) == (
        "index level object object_score part part_score predicted_iou stability area "
        "parent_level parent source"
    )
    assert columns["index"] == [1, 2]
    assert columns["source"] == ["click", "box"]
    assert all(math.isnan(score) for score in columns["object_score"])
    assert to_columns([]) == {name: [] for name in COLUMNS}
