"""Coarser copies of label images in an OME-Zarr."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import zarr

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io import label_pyramid, label_zarr
from napari_semantic_sam.io.label_pyramid import halve
from napari_semantic_sam.io.label_zarr import copy_labels, label_zarrs
from napari_semantic_sam.io.opening import Scale, open_image

SCALE = Scale({"Z": 2.0, "Y": 0.5, "X": 0.25}, {"Z": "µm", "Y": "µm", "X": "µm"})


@pytest.mark.parametrize("shape", [(40, 50), (41, 50), (40, 51), (1, 9), (1, 1)])
def test_a_pixel_has_the_label_that_most_of_its_four_have(shape):
    labels = np.random.default_rng(0).integers(0, 4, shape).astype(np.int32)
    halved = halve(labels)
    assert halved.shape == (-(-shape[0] // 2), -(-shape[1] // 2))
    assert halved.dtype == labels.dtype
    whole = np.pad(labels, [(0, side % 2) for side in shape], mode="edge")
    for (y, x), found in np.ndenumerate(halved):
        four = Counter(whole[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel().tolist())
        assert found == four.most_common(1)[0][0]  # of equals the one that is met first


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A stack of two planes, written with copies of at most 30 pixels a side."""
    monkeypatch.setattr(label_pyramid, "OVERVIEW", 30)
    monkeypatch.setattr(label_zarr, "BLOCK", 16)
    labels = np.random.default_rng(1).integers(0, 3, (2, 70, 101)).astype(np.int32)
    labels = labels.repeat(2, axis=1)[:, :70]
    path = tmp_path / "p_level1.ome.zarr"
    with label_zarrs({1: path}, "Z", (2,), (70, 101), SCALE) as arrays:
        for number, plane in enumerate(labels):
            copy_labels(plane, arrays[1], (number,))
    return path, labels


def test_every_copy_is_half_of_the_one_before_whatever_the_blocks(written):
    path, labels = written
    with open_image(path) as opened:
        shapes = [level.shape for level in opened.levels]
        assert shapes == [(2, 70, 101), (2, 35, 51), (2, 18, 26)]
        assert opened.scale.sizes == SCALE.sizes
        for level in opened.levels:
            np.testing.assert_array_equal(level[...], labels)
            labels = np.stack([halve(plane) for plane in labels])


def test_what_the_file_says_of_its_copies(written):
    attributes = zarr.open_group(written[0], mode="r").attrs
    assert attributes["image-label"] == {"version": "0.4"}
    (multiscale,) = attributes["multiscales"]
    assert [each["path"] for each in multiscale["datasets"]] == ["0", "1", "2"]
    assert [each["coordinateTransformations"] for each in multiscale["datasets"]] == [
        [{"type": "scale", "scale": [2.0, 0.5, 0.25]}],
        [
            {"type": "scale", "scale": [2.0, 1.0, 0.5]},
            {"type": "translation", "translation": [0.0, 0.25, 0.125]},
        ],
        [
            {"type": "scale", "scale": [2.0, 2.0, 1.0]},
            {"type": "translation", "translation": [0.0, 0.75, 0.375]},
        ],
    ]


def test_napari_shows_it_as_a_pyramid(written):
    from napari.layers import Labels
    from napari_builtins.io import napari_get_reader

    path, labels = written
    ((data, *_),) = napari_get_reader(str(path))(str(path))
    layer = Labels(data)
    assert layer.multiscale
    assert len(layer.data) == 3
    np.testing.assert_array_equal(layer.data[0], labels)


def test_small_planes_have_no_copies(tmp_path):
    path = tmp_path / "p.ome.zarr"
    with label_zarrs({1: path}, "", (), (40, 1024), SCALE):
        pass
    assert list(zarr.open_group(path, mode="r").array_keys()) == ["0"]


def test_a_full_disk_while_copies_are_made_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(label_pyramid, "OVERVIEW", 30)
    monkeypatch.setattr(label_zarr, "fill_coarser", full)
    with (
        pytest.raises(UserError, match="the disk is full"),
        label_zarrs({1: tmp_path / "p.ome.zarr"}, "", (), (40, 50), SCALE),
    ):
        pass
    assert not list(tmp_path.iterdir())
