"""Label images on disk: the same as those in memory, whatever the size of the plane."""

from __future__ import annotations

import numpy as np
import pytest
from seeing_stub import SeeingPredictor, bright, plane_of, settings

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.evaluation.metrics import detect
from napari_semantic_sam.inference.automatic import MaskTree, canvas
from napari_semantic_sam.inference.automatic.guided import Guide, SizeRange
from napari_semantic_sam.inference.automatic.mask_store import MaskStore
from napari_semantic_sam.inference.automatic.plane import segment_plane, stream_plane
from napari_semantic_sam.inference.automatic.plane_masks import PlaneMask
from napari_semantic_sam.inference.automatic.stored import store_levels
from napari_semantic_sam.inference.image import ImageSource
from napari_semantic_sam.inference.results import Candidate

PICTURE = bright(
    (200, 290), (60, 60, 24, 100), (66, 58, 9, 255), (120, 150, 26, 100), (118, 160, 8, 255),
    (60, 240, 15, 255), (170, 40, 10, 100),
)  # fmt: skip


@pytest.fixture
def embedding():
    return SeeingPredictor().embed_plane(plane_of(PICTURE), edge=128)


@pytest.mark.parametrize("block", [64, 1024])
def test_what_is_on_disk_is_what_would_be_in_memory(tmp_path, monkeypatch, embedding, block):
    monkeypatch.setattr(canvas, "BLOCK", block)
    expected = segment_plane(SeeingPredictor(), embedding, settings())
    labels = stream_plane(SeeingPredictor(), embedding, settings(), tmp_path / "out")
    assert labels.levels == expected.levels
    for level in labels.levels:
        np.testing.assert_array_equal(labels.store(level)[:], expected.array(level))
        assert labels.rows(level) == expected.rows(level)
    assert MaskTree.of(labels).rows == MaskTree.of(expected).rows
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "level1.zarr",
        "level2.zarr",
    ]


def test_a_guide_and_cancelling_work_on_disk_as_well(tmp_path, embedding):
    small = Guide({1: SizeRange(0, 40), 2: SizeRange(0, 40)})
    labels = stream_plane(SeeingPredictor(), embedding, settings(), tmp_path / "a", guide=small)
    assert max(row.area for row in labels.rows(1)) < 1300
    nothing = stream_plane(
        SeeingPredictor(), embedding, settings(), tmp_path / "b", cancelled=lambda: True
    )
    assert nothing.rows(1) == []
    assert not nothing.store(1)[:].any()


def test_earlier_label_images_are_replaced(tmp_path, embedding):
    for _ in range(2):
        labels = stream_plane(SeeingPredictor(), embedding, settings(), tmp_path)
    assert len(labels.rows(1)) == 4
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path, embedding):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file could not be made"):
        stream_plane(SeeingPredictor(), embedding, settings(), tmp_path / "file")


def candidate(shape, box, score, level=1):
    y0, x0, y1, x1 = box
    crop = np.ones((y1 - y0, x1 - x0), bool)
    return Candidate(box, crop, shape, token=0, level=level, predicted_iou=score, stability=1.0)


def test_coarse_masks_are_drawn_in_full_and_better_ones_win(tmp_path):
    shape = (400, 400)
    with MaskStore() as store:
        coarse = PlaneMask.of(candidate((40, 40), (5, 5, 35, 35), 0.8), store, factor=10.0)
        fine = PlaneMask.of(candidate(shape, (10, 340, 90, 380), 0.9), store)
        hidden = PlaneMask.of(candidate(shape, (100, 100, 110, 110), 0.7), store)
        inner = PlaneMask.of(candidate(shape, (100, 100, 110, 110), 0.6, level=2), store)
        labels = store_levels([coarse, hidden, fine, inner], [1, 2], shape, tmp_path)
    array = labels.store(1)[:]
    assert [row.area for row in labels.rows(1)] == [80 * 40, 300 * 300 - 40 * 10]
    assert (array[60:90, 340:350] == 1).all()
    assert (array[50:350, 50:340] == 2).all()
    assert [(row.parent_level, row.parent) for row in labels.rows(2)] == [(1, 2)]


def test_masks_beyond_what_memory_should_hold_go_to_a_file(monkeypatch):
    monkeypatch.setattr("napari_semantic_sam.inference.automatic.mask_store._IN_MEMORY", 64)
    masks = [np.random.default_rng(seed).random((30, 41)) > 0.5 for seed in range(5)]
    with MaskStore() as store:
        kept = [store.keep(mask) for mask in masks]
        for crop, mask in zip(kept, masks, strict=True):
            np.testing.assert_array_equal(crop.load(), mask)


class Lazy:
    """A picture that is made where it is read, and remembers how much was wanted at once."""

    def __init__(self, side, *objects):
        self.shape, self.dtype = (side, side), np.dtype(np.uint8)
        self.objects = objects
        self.most = 0

    def __getitem__(self, key):
        rows, columns = (range(*part.indices(self.shape[0])) for part in key)
        values = np.zeros((len(rows), len(columns)), np.uint8)
        self.most = max(self.most, values.size)
        for y, x, radius, value in self.objects:
            yy, xx = np.ogrid[rows.start : rows.stop, columns.start : columns.stop]
            values[np.hypot(yy - y, xx - x) <= radius] = value
        return values


def test_no_more_than_a_part_is_read_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_semantic_sam.inference.tiles.reading._AT_ONCE", 2**17)
    lazy = Lazy(900, (200, 200, 12, 100), (600, 630, 170, 100))
    plane = ImageSource((lazy,), "YX", contrast_limits=(0, 255)).plane()
    predictor = SeeingPredictor()
    embedding = predictor.embed_plane(plane, edge=128)
    assert embedding.preparation_hash  # small planes are read once to choose their contrast
    lazy.most = 0
    labels = stream_plane(predictor, embedding, settings(1, spacing=16.0), tmp_path)
    found = sorted(row.area for row in labels.rows(1))
    assert found == pytest.approx([np.pi * 12**2, np.pi * 170**2], rel=0.1)
    assert 0 < lazy.most <= 2**17


def test_large_tiled_results_on_disk_agree_with_the_picture(tmp_path):
    picture = bright((500, 500), (250, 250, 180, 100), (60, 60, 12, 255), (250, 250, 12, 255))
    predictor = SeeingPredictor()
    embedding = predictor.embed_plane(plane_of(picture), edge=128)
    labels = stream_plane(predictor, embedding, settings(), tmp_path)
    truth = (picture > 60).astype(int)
    truth[:90, :90] *= 2
    (found,) = detect(truth, labels.store(1)[:], [0.9])
    assert found.f1 == 1
