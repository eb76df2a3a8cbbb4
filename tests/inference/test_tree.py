"""Distinct masks, repaired levels, label images, the tree and what is measured in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from automatic_stub import cells_with_nuclei, disc

from napari_semantic_sam.inference.automatic import MaskTree, label_levels
from napari_semantic_sam.inference.automatic.measurements import measure_masks, measure_parents
from napari_semantic_sam.inference.automatic.tree import distinct_masks, repair_chains
from napari_semantic_sam.inference.results import Candidate, tight

SHAPE = (160, 200)


def candidate(mask, level, score=0.9):
    box, crop = tight(mask, 0, 0)
    return Candidate(box, crop, mask.shape, 6 - level, level, score, 0.95)


def square(y0, x0, y1, x1):
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def as_candidates(truth):
    return [
        candidate(labels == label, level)
        for level, labels in enumerate(truth, 1)
        for label in range(1, labels.max() + 1)
    ]


def test_the_same_mask_at_several_levels_is_one():
    mask = square(10, 10, 50, 50)
    same, other = square(10, 10, 50, 49), square(10, 10, 50, 40)
    masks = [candidate(mask, 2, 0.7), candidate(same, 5, 0.9), candidate(other, 3, 0.8)]
    kept = distinct_masks(masks)
    assert [(each.mask.level, each.mask.predicted_iou) for each in kept] == [(5, 0.9), (3, 0.8)]
    assert [each.nearest(1).level for each in kept] == [2, 3]
    assert [each.nearest(6).level for each in kept] == [5, 3]
    assert [each.among((5, 6)) for each in kept[1:]] == [None]


def test_a_chain_gets_its_levels_from_coarse_to_fine():
    large, middle, small = square(0, 0, 90, 90), square(5, 5, 60, 60), square(10, 10, 30, 30)
    masks = [candidate(small, 1), candidate(large, 4), candidate(middle, 3)]
    repaired = repair_chains(masks, range(1, 7))
    assert [each.level for each in repaired] == [4, 1, 3]


def test_masks_of_one_level_that_contain_each_other_move_apart():
    large, small = square(0, 0, 90, 90), square(10, 10, 30, 30)
    last = [candidate(large, 6), candidate(small, 6)]
    assert [each.level for each in repair_chains(last, range(1, 7))] == [5, 6]
    subset = [candidate(large, 1), candidate(small, 1)]
    assert [each.level for each in repair_chains(subset, (1, 3, 6))] == [1, 3]


def test_chains_with_a_common_beginning_agree_on_it():
    whole = square(0, 0, 100, 190)
    halves = [square(2, 2, 90, 90), square(2, 100, 90, 180)]
    part = square(5, 5, 40, 40)
    masks = [
        candidate(whole, 4),
        candidate(halves[0], 2),
        candidate(halves[1], 1),
        candidate(part, 3),
    ]
    levels = [each.level for each in repair_chains(masks, range(1, 7))]
    assert levels == [2, 3, 3, 4]


def test_more_nested_masks_than_levels_share_the_last():
    masks = [candidate(square(0, 0, 150 - 30 * i, 150 - 30 * i), 1) for i in range(4)]
    levels = [each.level for each in repair_chains(masks, (1, 2))]
    assert levels == sorted(levels)
    assert set(levels) == {1, 2}


def test_within_a_level_the_better_mask_wins():
    better, worse = square(10, 10, 50, 50), square(10, 40, 50, 90)
    gone = square(12, 12, 40, 60)
    masks = [candidate(worse, 2, 0.8), candidate(gone, 2, 0.7), candidate(better, 2, 0.9)]
    labels = label_levels(masks, (2,), SHAPE)
    assert [row.predicted_iou for row in labels.rows(2)] == [0.9, 0.8]
    np.testing.assert_array_equal(labels.array(2) == 1, better)
    np.testing.assert_array_equal(labels.array(2) == 2, worse & ~better)
    assert {row.source for row in labels.rows(2)} == {"automatic"}


def test_levels_without_masks_have_empty_images():
    labels = label_levels([], (1, 4), SHAPE)
    assert labels.levels == [1, 4]
    assert not labels.array(4).any()
    assert measure_masks(labels) == measure_parents(labels) == []


@pytest.fixture
def labels():
    return label_levels(as_candidates(cells_with_nuclei(SHAPE)), (1, 2, 3), SHAPE)


def test_the_tree_says_what_is_in_what(labels):
    tree = MaskTree.of(labels)
    truth = cells_with_nuclei(SHAPE)
    (nucleolus,) = [node for node in tree.rows if node[0] == 3]
    nucleus = tree.parent(nucleolus)
    cell = tree.parent(nucleus)
    for level, node in ((1, cell), (2, nucleus), (3, nucleolus)):
        np.testing.assert_array_equal(labels.array(level) == node[1], truth[level - 1] == 1)
    assert tree.parent(cell) is None
    assert len(tree.roots) == 6
    assert list(tree.below(cell)) == [nucleus, nucleolus]
    assert tree.children[cell] == (nucleus,)
    assert tree.counts(cell) == {2: 1, 3: 1}
    assert tree.area_ratio(nucleus) == pytest.approx((truth[1] == 1).sum() / (truth[0] == 1).sum())
    assert math.isnan(tree.area_ratio(cell))
    assert sum(not tree.children[root] for root in tree.roots) == 1


def test_measurements_have_the_units_of_the_pixel_size(labels):
    pixels, microns = measure_masks(labels), measure_masks(labels, 0.5)
    assert len(pixels) == len(microns) == 12
    cell = disc(SHAPE, 40, 40, 26)
    in_pixels, in_microns = (
        next(row for row in rows if row["level"] == 1 and row["centroid_y"] < 41)
        for rows in (pixels, microns)
    )
    assert in_pixels["area"] == in_microns["area"] == cell.sum()
    assert in_microns["area_um2"] == pytest.approx(cell.sum() / 4)
    assert in_pixels["equivalent_diameter"] == pytest.approx(52, rel=0.03)
    assert in_microns["equivalent_diameter_um"] == pytest.approx(26, rel=0.03)
    assert in_pixels["children"] == 1
    assert "area_um2" not in in_pixels


def test_what_is_in_every_label_is_counted(labels):
    rows = measure_parents(labels, 2.0)
    nuclei = [row for row in rows if (row["level"], row["inside_level"]) == (1, 2)]
    assert sorted(row["inside_count"] for row in nuclei) == [0, 1, 1, 1, 1, 1]
    full = next(row for row in nuclei if row["inside_count"])
    ratio = disc(SHAPE, 43, 38, 12).sum() / disc(SHAPE, 40, 40, 26).sum()
    assert full["inside_share_of_area"] == pytest.approx(ratio)
    assert full["inside_area_um2"] == pytest.approx(4 * disc(SHAPE, 43, 38, 12).sum())
    assert len(rows) == 6 * 2 + 5
