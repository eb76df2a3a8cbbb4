"""Everything in planes of several tiles: no seams, large objects, little memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from seeing_stub import CUTS, SeeingPredictor, bright, plane_of, settings

from napari_semantic_sam.evaluation.metrics import detect
from napari_semantic_sam.inference.automatic import automatic_masks, label_levels
from napari_semantic_sam.inference.automatic.grid import spaced_grid
from napari_semantic_sam.inference.automatic.passes import plan_passes
from napari_semantic_sam.inference.automatic.plane import segment_plane
from napari_semantic_sam.inference.tiles.layout import Tile, TileLevel, tile_context
from napari_semantic_sam.model.config import PRESETS


def cells(shape=(220, 320), seed=0):
    """Cells with nuclei all over a picture, some of them on every seam."""
    rng = np.random.default_rng(seed)
    objects = []
    for y in range(16, shape[0] - 14, 33):
        for x in range(16, shape[1] - 14, 33):
            dy, dx = rng.integers(-2, 3, 2)
            objects += [(y + dy, x + dx, 12, 100), (y + dy, x + dx, 7, 255)]
    return bright(shape, *objects)


def truth(picture, level):
    return ndimage.label(picture > CUTS[level - 1])[0]


def segment(picture, edge=128, spacing=7.0, **options):
    predictor = SeeingPredictor()
    embedding = predictor.embed_plane(plane_of(picture), edge=edge)
    return segment_plane(predictor, embedding, settings(spacing=spacing), **options)


def f1(labels, picture, level, threshold=0.75):
    (found,) = detect(truth(picture, level), labels.array(level), [threshold])
    return found.f1


def test_objects_on_seams_are_one_and_found_once():
    picture = cells()
    labels = segment(picture)
    for level in (1, 2):
        assert len(labels.rows(level)) == truth(picture, level).max()
        assert f1(labels, picture, level) == 1


def test_every_nucleus_has_its_cell_as_parent_across_tiles():
    picture = cells()
    labels = segment(picture)
    for row in labels.rows(2):
        y0, x0, y1, x1 = labels.box(2, row.index)
        centre = labels.array(1)[(y0 + y1) // 2, (x0 + x1) // 2]
        assert (row.parent_level, row.parent) == (1, centre)


def test_tiles_give_what_one_tile_gives():
    picture = cells((180, 200))
    whole, tiled = segment(picture, edge=512), segment(picture, edge=96)
    for level in (1, 2):
        (found,) = detect(whole.array(level), tiled.array(level), [0.85])
        assert found.f1 == 1


def test_a_plane_of_one_tile_gives_what_all_its_masks_give():
    picture, predictor = cells((150, 200)), SeeingPredictor()
    embedding = predictor.embed_plane(plane_of(picture), edge=512)
    masks = automatic_masks(predictor, embedding.embed(Tile((0, 0, 150, 200), 0)), settings())
    expected = label_levels(masks, (1, 2), (150, 200))
    labels = segment_plane(predictor, embedding, settings())
    for level in (1, 2):
        np.testing.assert_array_equal(labels.array(level), expected.array(level))
        assert labels.rows(level) == expected.rows(level)


def test_an_object_longer_than_the_overlap_is_joined_from_its_parts():
    picture = bright((200, 600))
    picture[90:100, 20:580] = 100  # too thin to be seen in coarser tiles
    labels = segment(picture)
    (row,) = labels.rows(1)
    assert row.area == pytest.approx(10 * 560, rel=0.05)


def test_an_object_larger_than_a_tile_comes_from_a_coarser_one():
    picture = bright((700, 700), (350, 350, 260, 100), (350, 350, 8, 255))
    labels = segment(picture)
    assert len(labels.rows(1)) == len(labels.rows(2)) == 1
    assert f1(labels, picture, 1, 0.95) == 1
    assert (labels.rows(2)[0].parent_level, labels.rows(2)[0].parent) == (1, 1)


def test_a_constant_plane_and_empty_tiles_give_nothing():
    nothing = segment(np.full((300, 400), 77, np.uint8))
    assert nothing.levels == [1, 2]
    assert not nothing.array(1).any()
    corner = bright((600, 600), (30, 30, 12, 100))
    predictor = SeeingPredictor()
    embedding = predictor.embed_plane(plane_of(corner), edge=128)
    assert len(segment_plane(predictor, embedding, settings()).rows(1)) == 1
    # The empty tiles were not even shown to the network.
    assert len(predictor.model.encoded) < 10


def test_a_narrow_strip():
    picture = bright((12, 3000), *((6, x, 4, 100) for x in range(10, 3000, 37)))
    labels = segment(picture, spacing=4.0)
    assert len(labels.rows(1)) == truth(picture, 1).max()


def test_cancelling_keeps_what_was_found():
    picture, told = cells(), []
    labels = segment(
        picture,
        progress=lambda done, total: told.append(done / total),
        cancelled=lambda: bool(told) and told[-1] > 0.5,
    )
    found = len(labels.rows(1))
    assert 0 < found < truth(picture, 1).max()
    assert 0.5 < told[-1] < 0.8


def test_cancelling_one_tile_keeps_what_was_found_in_it():
    picture, told = cells((200, 200)), []
    labels = segment(
        picture, edge=512, progress=lambda *step: told.append(step), cancelled=lambda: bool(told)
    )
    assert len(told) == 1
    assert 0 < len(labels.rows(1)) < truth(picture, 1).max()


def test_masks_are_told_as_they_come_and_progress_ends():
    picture, told, drafts = cells((200, 200)), [], []
    segment(picture, progress=lambda *step: told.append(step), draft=drafts.append)
    (final, total) = told[-1]
    assert final == total
    assert max(done for done, _ in told) == total
    assert all(mask.shape == (200, 200) for masks in drafts for mask in masks)
    shown = np.logical_or.reduce([mask.full_mask() for masks in drafts for mask in masks])
    assert (shown & (picture > CUTS[0])).sum() > 0.9 * (picture > CUTS[0]).sum()


@pytest.mark.parametrize(
    ("shape", "side"), [((20_000, 20_000), 1024), ((100, 65_000), 512), ((700, 1025), 1024)]
)
def test_tiles_of_every_pass_cover_the_plane(shape, side):
    passes = plan_passes(TileLevel(1024 / side, side, shape))
    for survey in passes:
        cores = np.zeros([-(-length // 8) for length in survey.shape], int)
        for tile in survey.tiles():
            y0, x0, y1, x1 = (-(-edge // 8) for edge in tile.core)
            cores[y0:y1, x0:x1] += 1
            assert all(a <= b for a, b in zip(tile.box[:2], tile.core[:2], strict=True))
            assert all(a >= b for a, b in zip(tile.box[2:], tile.core[2:], strict=True))
            assert max(tile.shape) * survey.scale < 1040
        assert (cores == 1).all()
    for finer, coarser in pairwise(passes):
        assert coarser.side * coarser.factor <= 4.01 * finer.side * finer.factor


def test_tiles_see_beyond_what_they_are_asked_about():
    finest = TileLevel(0.5, 1024, (2000, 5000))
    (plain, *_), (wide, coarser, *_) = plan_passes(finest), plan_passes(finest, context=64)
    assert wide.overlap == plain.overlap + 2 * 128
    assert coarser.least == wide.overlap
    for one, other in zip(plain.tiles(), wide.tiles(), strict=True):
        assert other.core == one.core
        expected = [max(0, edge - 128) for edge in one.box[:2]]
        expected += [
            min(edge + 128, end) for edge, end in zip(one.box[2:], (2000, 5000), strict=True)
        ]
        assert list(other.box) == expected
        ends = (other.box[0] > 0, other.box[1] > 0, other.box[2] < 2000, other.box[3] < 5000)
        assert other.inner == ends


def test_small_networks_see_more_than_a_tile():
    assert tile_context(PRESETS["tiny"]) > 0
    assert tile_context(PRESETS["swin-t"]) == 0


def test_an_object_that_lies_in_the_context_is_seen_whole():
    picture = bright((120, 400))
    picture[50:70, 90:190] = 100  # longer than what tiles of 128 share
    predictor = SeeingPredictor()
    embedding = predictor.embed_plane(plane_of(picture), edge=128, context=64)
    labels = segment_plane(predictor, embedding, settings())
    assert len(labels.rows(1)) == 1
    assert f1(labels, picture, 1, 0.95) == 1
    # The network saw the context, at no other scale.
    assert max(parts[0].shape[1] for parts in predictor.model.encoded) == 256


def test_every_place_is_asked_about_once():
    picture = np.zeros((60, 400), np.uint8)  # too low to be seen in coarser tiles
    picture[0, ::3] = 1  # no objects, but no tile is constant
    asked = []
    for edge in (400, 128):
        predictor = SeeingPredictor()
        embedding = predictor.embed_plane(plane_of(picture), edge=edge, context=32)
        segment_plane(predictor, embedding, settings(spacing=8.0))
        asked.append(len(predictor.model.asked))
    assert asked[0] == asked[1] > 300


def test_the_last_pass_sees_the_whole_plane():
    *_, last = plan_passes(TileLevel(1.0, 1024, (20_000, 15_000)))
    assert len(last.tiles()) == 1
    assert last.factor * last.shape[0] == pytest.approx(20_000, abs=last.factor)


def test_tiles_are_asked_at_the_points_of_the_whole_picture():
    whole = spaced_grid((200, 330), 12.0) * (330, 200)
    tile = spaced_grid((100, 110), 12.0, origin=(64.0, 128.0)) * (110, 100) + (128, 64)
    within = (tile[:, 0] < 128 + 104) & (tile[:, 1] < 64 + 94)  # without those at its border
    asked = {tuple(point) for point in whole.round(6).tolist()}
    assert within.sum() > 50
    assert {tuple(point) for point in tile[within].round(6).tolist()} <= asked


def test_small_pictures_are_asked_in_the_middle():
    np.testing.assert_allclose(spaced_grid((8, 9), 40.0), [[0.5, 0.5]])
