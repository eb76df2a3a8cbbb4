"""Labels in blocks read and write like an array."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.inference import label_arrays, label_chunks
from napari_semantic_sam.inference.label_chunks import (
    ChunkedLabels,
    copy_of_plane,
    hold_the_same,
    occupied,
)
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(label_chunks, "BLOCK", 7)


def random_key(rng, shape, steps):
    """Integers and slices, some empty, some beyond the end."""
    key = []
    for length in shape:
        if rng.random() < 0.3:
            key.append(int(rng.integers(-length, length)))
        else:
            start, stop = sorted(rng.integers(0, length + 3, 2).tolist())
            key.append(slice(start, stop, int(rng.integers(1, steps + 1))))
    return tuple(key)


@pytest.mark.parametrize("seed", [0, 1, np.random.SeedSequence().entropy], ids=["0", "1", "fresh"])
def test_it_is_as_an_array(seed):
    print(f"seed: {seed}")
    rng = np.random.default_rng(seed)
    for _ in range(150):
        shape = tuple(rng.integers(1, 30, rng.integers(2, 5)).tolist())
        array, labels = np.zeros(shape, np.int32), ChunkedLabels(shape, np.int32)
        for _ in range(4):
            key = random_key(rng, shape, 1)
            values = rng.integers(0, 2) * rng.integers(0, 9, array[key].shape)
            array[key] = labels[key] = values
        np.testing.assert_array_equal(labels[...], array)
        np.testing.assert_array_equal(np.asarray(labels, dtype=np.int64), array)
        key = random_key(rng, shape, 12)
        np.testing.assert_array_equal(labels[key], array[key])
        plane = tuple(int(rng.integers(length)) for length in shape[:-2])
        np.testing.assert_array_equal(copy_of_plane(labels, plane)[...], array[plane])
        rest = array[plane].copy()
        for window in occupied(labels, plane):
            rest[window] = 0
        assert not rest.any()


def test_blocks_without_labels_take_no_memory():
    labels = ChunkedLabels((10**6, 10**6), np.int32)
    assert labels.nbytes == 0
    labels[500_000:500_002, 3:5] = 1
    assert 0 < labels.nbytes <= 4 * 7 * 7 * 4
    labels[500_000:500_002, 3:5] = 0
    assert labels.nbytes == 0


def test_a_copy_of_a_plane_stays_as_it_is():
    labels = ChunkedLabels((2, 20, 20), np.int32)
    labels[1, 3:9, 3:9] = 5
    first, second = labels.plane((1,)), labels.plane((1,))
    labels[1, 4, 4] = 6
    first[8, 8] = 7
    labels[1, :7] = 0
    assert [int(each[4, 4]) for each in (first, second)] == [5, 5]
    assert [int(each[8, 8]) for each in (first, second, labels[1])] == [7, 5, 5]


def test_one_value_fills_a_crop():
    labels = ChunkedLabels((20, 20), np.uint16)
    labels[3:18, 5] = 4
    assert labels[:, 5].sum() == 60
    assert labels[..., 5].sum() == 60
    assert labels.astype(np.int64).dtype == np.int64


@pytest.mark.parametrize("key", [(20, 0), (0, 0, 0), (slice(None, None, -1), 0)])
def test_what_cannot_be_read_is_refused(key):
    with pytest.raises(IndexError):
        ChunkedLabels((20, 20), np.int32)[key]


def test_pixels_are_not_left_out_when_writing():
    with pytest.raises(ValueError, match="without leaving out"):
        ChunkedLabels((20, 20), np.int32)[::2] = 1


def test_levels_of_large_planes_are_in_blocks(monkeypatch):
    monkeypatch.setattr(label_arrays, "LARGE", 100)
    labels = LevelLabels((30, 40), (2,))
    labels.plane = (1,)
    labels.paste(3, (5, 5, 20, 20), np.full((15, 15), 70_000), [LabelRow(70_000, 3, "cell")])
    store = labels.store(3)
    assert isinstance(store, ChunkedLabels)
    assert labels.array(3)[1].sum() == 15 * 15 * 70_000
    assert labels.plane_array(3)[6, 6] == 70_000
    assert (labels.row(3, 70_000).area, labels.row(3, 70_000).object) == (225, "cell")
    small = np.zeros((2, 30, 40), dtype=np.uint8)
    small[1, 6:8, 6:8] = 9
    labels.attach(4, small)
    assert isinstance(labels.store(4), ChunkedLabels)
    assert (labels.row(4, 9).parent_level, labels.row(4, 9).parent) == (3, 70_000)
    labels.paste(4, (0, 0, 1, 1), np.array([[300]]))
    assert labels.store(4).dtype.itemsize > 1
    assert labels.array(4)[1, 0, 0] == 300


@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30)])
def test_labels_are_compared_where_there_are_any(shape):
    array = np.zeros(shape, np.int32)
    array[..., 3:6, 2:9] = 5
    more, other = array.copy(), array.copy()
    more[..., 15:18, 20:25] = 1
    other[..., 4, 4] = 6
    for one in (array, ChunkedLabels.of(array)):
        for same in (array.astype(np.uint8), ChunkedLabels.of(array)):
            assert hold_the_same(one, same)
        for different in (more, other, np.zeros_like(array), array[..., 1:]):
            for each in (different, ChunkedLabels.of(different)):
                assert not hold_the_same(one, each)
                assert not hold_the_same(each, one)
