"""Slices of labels linked into objects."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from scipy import ndimage

from napari_semantic_sam.inference.automatic import canvas
from napari_semantic_sam.inference.automatic.link import LinkRules, link_slices
from napari_semantic_sam.inference.automatic.overlap import LabelSlice, assign, slice_overlaps

SHAPE = (40, 60)
TIME = LinkRules(divisions=True)


def labels(**boxes):
    """``labels(a3=(y0, x0, y1, x1))`` is one slice with a label 3 there; letters do not matter."""
    image = np.zeros(SHAPE, np.int32)
    for name, (y0, x0, y1, x1) in boxes.items():
        image[y0:y1, x0:x1] = int(name[1:])
    return image


def relabelled(slices, **options):
    table = link_slices(slices, **options)
    return table, [table.relabel(index, each) for index, each in enumerate(slices)]


def test_overlaps_of_two_slices():
    before = labels(a1=(0, 0, 10, 10), b2=(20, 20, 30, 30))
    after = labels(a7=(0, 5, 10, 15), b8=(20, 20, 30, 25), c9=(20, 25, 30, 30))
    before, after = LabelSlice(before), LabelSlice(after)
    found = slice_overlaps(before, after)
    assert [(*pair[:2], pytest.approx(pair[2])) for pair in found.pairs()] == [
        (1, 7, 50 / 150),
        (2, 8, 0.5),
        (2, 9, 0.5),
    ]
    assert found.covered_before.tolist() == [0.5, 0.5, 0.5]
    assert found.covered_after.tolist() == [0.5, 1, 1]
    moved = slice_overlaps(before, after, (0, 5))
    assert [pair for pair in moved.pairs() if pair[0] == 1] == [(1, 7, 1.0)]
    assert slice_overlaps(before, LabelSlice(labels())).pairs() == []


def test_the_assignment_is_the_best_of_all_not_the_greedy_one():
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 12, size=(30, 30)) for _ in range(2))
    found = slice_overlaps(LabelSlice(before), LabelSlice(after))
    chosen = assign(found)
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((12, 12))
    table[found.before, found.after] = found.iou
    assert chosen.iou.sum() == pytest.approx(table[linear_sum_assignment(table, True)].sum())
    assert len(set(chosen.before)) == len(chosen.before)
    assert len(set(chosen.after)) == len(chosen.after)


def test_numbers_of_slices_become_those_of_objects():
    slices = [
        labels(a1=(0, 0, 10, 10), b2=(20, 20, 30, 30)),
        labels(a5=(20, 21, 30, 31), b6=(1, 0, 11, 10)),
        labels(a1=(2, 0, 12, 10), b9=(20, 40, 30, 50)),
    ]
    table, images = relabelled(slices)
    assert table.objects(0) == {1: 1, 2: 2}
    assert table.objects(1) == {5: 2, 6: 1}
    assert table.objects(2) == {1: 1, 9: 3}
    for before, after in zip(slices, images, strict=True):
        assert ((before > 0) == (after > 0)).all()
    assert images[1][5, 5] == 1
    row = table.rows[2]
    assert (row.index, row.label, row.object, row.parent) == (1, 5, 2, 0)
    assert (row.previous_index, row.previous_label) == (0, 2)
    assert row.iou == pytest.approx(90 / 110)
    first = table.rows[0]
    assert (first.previous_index, first.previous_label, first.iou) == (-1, 0, 0)


def test_what_shrinks_quickly_is_still_the_same():
    slices = [labels(a1=(0, 0, 20, 20)), labels(a1=(6, 6, 12, 12))]
    assert link_slices(slices).objects(1) == {1: 1}
    assert link_slices(slices, rules=LinkRules(least_cover=1.1)).objects(1) == {1: 2}


def test_one_missing_slice_is_bridged_two_are_not():
    here, nowhere = labels(a4=(5, 5, 15, 15)), labels()
    one, images = relabelled([here, nowhere, here])
    assert [row.object for row in one.rows] == [1, 1]
    assert one.rows[1].previous_index == 0
    assert not images[1].any()
    two = link_slices([here, nowhere, nowhere, here])
    assert [row.object for row in two.rows] == [1, 2]


def test_an_object_is_bridged_where_two_were_segmented_as_one():
    apart = labels(a1=(0, 0, 10, 10), b2=(0, 12, 10, 20))
    merged = labels(a1=(0, 0, 10, 20))
    table = link_slices([apart, merged, apart], rules=TIME)
    assert table.objects(1) == {1: 1}
    assert table.objects(2) == {1: 1, 2: 2}


def test_movement_of_the_stage_is_taken_back():
    slices = [labels(a1=(0, 0, 10, 10)), labels(a1=(0, 20, 10, 30)), labels(a1=(0, 40, 10, 50))]
    assert [row.object for row in link_slices(slices).rows] == [1, 2, 3]
    drifts = [(0, 20), (0, 20)]
    assert [row.object for row in link_slices(slices, drifts=drifts).rows] == [1, 1, 1]
    gap = [slices[0], labels(), slices[2]]
    assert [row.object for row in link_slices(gap, drifts=drifts).rows] == [1, 1]


def test_a_division_ends_the_mother_and_begins_two_daughters():
    mother = labels(a1=(5, 5, 25, 15))
    daughters = labels(a1=(5, 5, 14, 15), b2=(16, 5, 25, 15))
    table, images = relabelled([mother, mother, daughters, daughters], rules=TIME)
    assert [(row.index, row.object, row.parent) for row in table.rows] == [
        (0, 1, 0),
        (1, 1, 0),
        (2, 2, 1),
        (2, 3, 1),
        (3, 2, 0),
        (3, 3, 0),
    ]
    assert sorted(np.unique(images[2])) == [0, 2, 3]
    # Along z nothing divides: one goes on, the other is new.
    along_z = link_slices([mother, daughters])
    assert sorted(row.object for row in along_z.rows if row.index == 1) == [1, 2]
    assert {row.parent for row in along_z.rows} == {0}


def test_a_mother_that_divided_does_not_come_back_over_a_gap():
    mother = labels(a1=(5, 5, 25, 15))
    daughters = labels(a1=(5, 5, 14, 15), b2=(16, 5, 25, 15))
    table = link_slices([mother, daughters, mother], rules=TIME)
    assert table.objects(2)[1] in table.objects(1).values()


def test_a_new_neighbour_is_no_division():
    alone = labels(a1=(5, 5, 25, 15))
    with_another = labels(a1=(5, 5, 25, 15), b2=(5, 16, 25, 26))
    table = link_slices([alone, with_another], rules=TIME)
    assert table.objects(1) == {1: 1, 2: 2}
    assert {row.parent for row in table.rows} == {0}


def test_nothing_to_link():
    assert link_slices([]).rows == ()
    table, images = relabelled([labels(), labels()])
    assert table.rows == ()
    assert not images[1].any()
    assert link_slices([labels(a3=(1, 1, 2, 2))]).objects(0) == {3: 1}


def test_large_numbers_of_any_integer_type():
    for dtype in (np.uint8, np.uint16, np.int64, np.uint64):
        top = min(np.iinfo(dtype).max, 2**40)
        image = np.zeros(SHAPE, dtype)
        image[3:9, 3:9] = top
        table, images = relabelled([image, image])
        assert [(row.label, row.object) for row in table.rows] == [(top, 1), (top, 1)]
        assert images[1].max() == 1


def field(rng):
    """A slice of blobs, numbered anew."""
    noise = ndimage.gaussian_filter(rng.normal(size=(90, 120)), 3)
    return ndimage.label(noise > 0.02)[0].astype(np.int32)


@pytest.mark.parametrize("drifts", [None, [(0, 0), (5, -7), (-30, 12), (200, 0), (1, 1)]])
def test_slices_on_disk_are_linked_block_by_block_to_the_same_objects(
    tmp_path, monkeypatch, drifts
):
    rng = np.random.default_rng(4)
    first, second = field(rng), field(rng)
    slices = [first, first[::-1], np.roll(first, 3, axis=0), second, first, np.roll(first, 4, 1)]
    expected = link_slices(slices, drifts=drifts, rules=TIME)
    monkeypatch.setattr(canvas, "BLOCK", 37)
    stored = zarr.create_array(tmp_path / "a.zarr", data=np.stack(slices), chunks=(1, 32, 32))

    class OnDisk:
        shape = first.shape

        def __init__(self, number):
            self.number = number

        def __getitem__(self, window):
            part = stored[(self.number, *window)]
            assert max(part.shape) <= 37
            return part

    found = link_slices(map(OnDisk, range(len(slices))), drifts=drifts, rules=TIME)
    assert found.rows == expected.rows
    assert len({row.object for row in found.rows}) < len(found.rows)
