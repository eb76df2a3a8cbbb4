"""Looking for some of everything: sizes, regions, and more like what was kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from seeing_stub import SeeingPredictor, bright, plane_of, settings

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import (
    Guide,
    PolygonRegion,
    SizeRange,
    like_these,
)
from napari_semantic_sam.inference.automatic.plane import segment_plane
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.polygons import fill
from napari_semantic_sam.inference.results import CroppedMask, tight

SHAPE = (150, 300)
SMALL, LARGE = (40, 40, 8, 100), (90, 200, 22, 100)
EDGES = (512, 128)  # one tile, and several


def find(guide, edge, picture=None):
    predictor = SeeingPredictor()
    plane = plane_of(bright(SHAPE, SMALL, LARGE) if picture is None else picture)
    embedding = predictor.embed_plane(plane, edge=edge)
    return segment_plane(predictor, embedding, settings(1), guide=guide), predictor


def mask_of(window):
    return CroppedMask(*tight(window, 0, 0), window.shape)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(
    ("sizes", "diameters"),
    [
        (SizeRange(), [17, 45]),
        (SizeRange(10, 30), [17]),
        (SizeRange(30), [45]),
        (SizeRange(20, 40), []),
    ],
)
def test_only_objects_of_the_sizes_that_are_wanted(edge, sizes, diameters):
    labels, _ = find(Guide({1: sizes}), edge)
    found = sorted(math.sqrt(4 * row.area / math.pi) for row in labels.rows(1))
    assert found == pytest.approx(diameters, abs=2)


@pytest.mark.parametrize("edge", EDGES)
def test_nothing_leaves_the_region_and_masks_mostly_outside_are_left_out(edge):
    inside = np.zeros(SHAPE, bool)
    inside[:, 195:] = True  # most of the large one
    inside[30:50, 30:37] = True  # little of the small one
    labels, _ = find(Guide(inside=mask_of(inside)), edge)
    (row,) = labels.rows(1)
    assert not labels.array(1)[~inside].any()
    assert labels.array(1)[90, 195] == row.index
    assert labels.array(1)[90, 194] == 0


def test_polygons_and_masks_are_the_same_region():
    rings = [[np.array([[170.5, 60], [250, 70], [240, 130], [165, 120]])]]
    boxes = [(0, 0, *SHAPE), (50, 100, 90, 260), (140, 0, 150, 10)]
    for box in boxes:
        np.testing.assert_array_equal(
            PolygonRegion(rings).window(box), fill(rings, SHAPE).window(box)
        )


def test_tiles_outside_of_the_region_are_not_looked_at():
    everywhere, all_tiles = find(Guide(), 128)
    rings = [[np.array([[0, 0], [60, 0], [60, 60], [0, 60]], float)]]
    corner, few = find(Guide(inside=PolygonRegion(rings)), 128)
    assert len(few.model.encoded) < len(all_tiles.model.encoded)
    assert [row.area for row in corner.rows(1)] == [min(row.area for row in everywhere.rows(1))]


@pytest.mark.parametrize("edge", EDGES)
def test_only_points_in_the_region_are_asked(edge):
    inside = np.zeros(SHAPE, bool)
    inside[:, :150] = True
    _, predictor = find(Guide(inside=mask_of(inside)), edge)
    _, freely = find(Guide(), edge)
    assert 0 < len(predictor.model.asked) < 0.7 * len(freely.model.asked)
    if edge == max(EDGES):
        assert max(x for x, _ in predictor.model.asked) < 0.51


def test_large_objects_of_coarse_tiles_are_cut_at_the_region_too():
    picture = bright((600, 600), (300, 300, 220, 100))
    rings = [[np.array([[0, 0], [400, 0], [400, 600], [0, 600]], float)]]
    labels, _ = find(Guide(inside=PolygonRegion(rings)), 128, picture)
    (row,) = labels.rows(1)
    assert not labels.array(1)[:, 405:].any()
    assert row.area == pytest.approx(np.count_nonzero(picture[:, :400]), rel=0.06)


def test_more_like_these():
    rows = [
        LabelRow(1, 2, area=100),
        LabelRow(4, 2, area=400),
        LabelRow(1, 5, area=900),
    ]
    chosen, guide = like_these(rows, settings(1, 2))
    assert chosen.levels == (2, 5)
    assert chosen.thresholds == settings(1, 2).thresholds
    assert guide.has_size(2, 100 / 2)
    assert guide.has_size(2, 400 * 2)
    assert not guide.has_size(2, 100 / 2.5)
    assert not guide.has_size(2, 400 * 2.5)
    assert not guide.has_size(5, 100)
    assert guide.has_size(1, 10**6)
    with pytest.raises(UserError, match="no labels"):
        like_these([], settings(1))


@pytest.mark.parametrize(
    ("text", "pixel_size", "expected"),
    [
        ("10:40", None, (10, 40)),
        ("10:", 0.5, (10, math.inf)),
        (":7.5", None, (0, 7.5)),
        ("2.5:10um", 0.5, (5, 20)),
        (" 1 : 2 µm ", 0.25, (4, 8)),
    ],
)
def test_sizes_are_read(text, pixel_size, expected):
    sizes = SizeRange.read(text, pixel_size)
    assert (sizes.smallest, sizes.largest) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10", "cannot be read"),
        ("a:b", "cannot be read"),
        ("5:nm", "cannot be read"),
        (".:3", "cannot be read"),
        ("40:10", "no range"),
        (":0", "no range"),
        ("1:2um", "size of a pixel is not known"),
    ],
)
def test_sizes_that_make_no_sense_are_explained(text, words):
    with pytest.raises(UserError, match=words):
        SizeRange.read(text)
