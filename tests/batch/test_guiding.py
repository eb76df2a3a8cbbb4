"""Sizes and a region for many files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from automatic_stub import KnowingPredictor, cells_with_nuclei
from typer.testing import CliRunner

from napari_semantic_sam.batch.automatic import segment_everything
from napari_semantic_sam.batch.guiding import Wishes
from napari_semantic_sam.batch.pictures import PictureOptions
from napari_semantic_sam.cli import app
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic import AutomaticSettings, Thresholds
from napari_semantic_sam.io.images import read_labels

SETTINGS = AutomaticSettings((1, 2), Thresholds(0.3, 0.5), spacing=8.0)
LEFT = [[0, 0], [75, 0], [75, 160], [0, 160], [0, 0]]
"""Two of the six cells, in (x, y)."""


@pytest.fixture
def predictor():
    return KnowingPredictor(cells_with_nuclei()[:2])


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, cells_with_nuclei().sum(axis=0).astype(np.uint8))
    return path


def count(report, level):
    return len(np.unique(read_labels(report.files[level - 1]))) - 1


def test_only_sizes_that_are_wanted(tmp_path, predictor, picture):
    (small,) = segment_everything(
        [picture], predictor, SETTINGS, tmp_path / "small", wishes=Wishes("15:35")
    )
    assert (count(small, 1), count(small, 2)) == (0, 5)
    (large,) = segment_everything(
        [picture],
        predictor,
        SETTINGS,
        tmp_path / "large",
        options=PictureOptions(pixel_size=0.5),
        wishes=Wishes("20:um"),
    )
    assert (count(large, 1), count(large, 2)) == (6, 0)


@pytest.mark.parametrize("kind", ["Polygon", "MultiPolygon", "collection", "list", "labels"])
def test_only_what_lies_in_the_region(tmp_path, predictor, picture, kind):
    polygon = {"type": "Polygon", "coordinates": [LEFT]}
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    data = {
        "Polygon": polygon,
        "MultiPolygon": {"type": "MultiPolygon", "coordinates": [[LEFT]]},
        "collection": {"type": "FeatureCollection", "features": [feature]},
        "list": [feature, {"type": "Feature", "properties": {}, "geometry": None}],
    }
    region = tmp_path / ("region.tif" if kind == "labels" else "region.geojson")
    if kind == "labels":
        window = np.zeros((160, 200), np.uint8)
        window[:, :75] = 3
        tifffile.imwrite(region, window)
    else:
        region.write_text(json.dumps(data[kind]), encoding="utf-8-sig")
    (report,) = segment_everything(
        [picture], predictor, SETTINGS, tmp_path / "out", wishes=Wishes(region=region)
    )
    assert (count(report, 1), count(report, 2)) == (2, 2)
    assert not read_labels(report.files[0])[:, 75:].any()


def test_other_wishes_are_another_run(tmp_path, predictor, picture):
    region, output = tmp_path / "region.geojson", tmp_path / "out"
    region.write_text(json.dumps({"type": "Polygon", "coordinates": [LEFT]}))

    def run(wishes):
        (report,) = segment_everything([picture], predictor, SETTINGS, output, wishes=wishes)
        return report.done_before

    assert [run(Wishes()), run(Wishes("10:"))] == [False, False]
    assert [run(Wishes("10:", region)), run(Wishes("10:", region))] == [False, True]
    region.write_text(json.dumps({"type": "Polygon", "coordinates": [LEFT[:3]]}))
    assert not run(Wishes("10:", region))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.geojson", '{"type": "Point", "coordinates": [1, 2]}', "holds no polygon"),
        ("r.json", '{"sort": 3}', "not GeoJSON"),
        ("r.json", "[1", "not a JSON file"),
        ("r.json", '{"type": "Polygon", "coordinates": []}', "holds no polygon"),
        ("r.json", '{"type": "Polygon", "coordinates": [[]]}', "not GeoJSON"),
        ("r.json", '{"type": "Polygon", "coordinates": [[[1, 1], [2, 2]]]}', "not GeoJSON"),
        ("r.json", '{"type": "Polygon", "coordinates": [[[NaN, 1], [9, 1], [9, 9]]]}', "not Geo"),
        ("r.json", '{"type": "Polygon", "coordinates": [[[null, 1], [9, 1], [9, 9]]]}', "not Geo"),
        ("missing.tif", None, "does not exist"),
    ],
)
def test_a_region_that_cannot_be_read_is_named_at_once(tmp_path, predictor, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=words) as caught:
        segment_everything(
            [tmp_path / "any.tif"], predictor, SETTINGS, tmp_path / "o", wishes=Wishes("", path)
        )
    assert str(path) in str(caught.value)
    assert not (tmp_path / "o").exists()


def test_a_region_of_another_size_and_unknown_micrometres_are_reported(
    tmp_path, predictor, picture
):
    region = tmp_path / "region.tif"
    tifffile.imwrite(region, np.ones((20, 30), np.uint8))
    for wishes, words in (
        (Wishes(region=region), "20 × 30 pixels"),
        (Wishes("1:5um"), "size of a pixel is not known"),
    ):
        (report,) = segment_everything(
            [picture], predictor, SETTINGS, tmp_path / "out", wishes=wishes
        )
        assert words in report.error


@pytest.mark.parametrize("place", [(0, 500), (-300, 0), (900, 900)])
def test_a_region_beside_the_picture_is_one_sentence(tmp_path, predictor, picture, place):
    region = tmp_path / "region.geojson"
    corners = [[x + place[1], y + place[0]] for x, y in LEFT]
    region.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    (report,) = segment_everything(
        [picture], predictor, SETTINGS, tmp_path / "out", wishes=Wishes(region=region)
    )
    assert f"{region} (x from" in report.error
    assert f"lies beside {picture}, which is 200 pixels wide and 160 high" in report.error
    assert report.files == ()


def test_a_region_without_anything_is_one_sentence(tmp_path, predictor, picture):
    region = tmp_path / "region.tif"
    tifffile.imwrite(region, np.zeros((160, 200), np.uint8))
    with pytest.raises(UserError, match="0 everywhere"):
        segment_everything(
            [picture], predictor, SETTINGS, tmp_path / "out", wishes=Wishes(region=region)
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--sizes", "1:2"], "belong to --automatic"), (["--automatic", "--sizes", "x"], "be read")],
)
def test_options_that_do_not_fit(tmp_path, picture, arguments, words):
    command = ["segment", str(picture), "--output", str(tmp_path / "out"), *arguments]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, UserError)
    assert words in str(result.exception)
