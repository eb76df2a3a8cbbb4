"""A whole picture at once, for an annotation."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from automatic_stub import KnowingPredictor, cells_with_nuclei

from napari_semantic_sam.annotation.automatic import (
    AutomaticRequest,
    Pace,
    find_everything,
    with_quality,
)
from napari_semantic_sam.annotation.bulk import patches_of
from napari_semantic_sam.annotation.measuring import PlaneCopy, measure_plane, pixel_size_in_um
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import PolygonRegion, SizeRange
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings, Thresholds
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels

TRUTH = cells_with_nuclei()


@pytest.fixture
def opened():
    predictor = KnowingPredictor(TRUTH)
    embedding = predictor.embed(np.zeros(TRUTH.shape[1:]))
    return SimpleNamespace(
        model=SimpleNamespace(predictor=predictor), embedding=embedding, plane=()
    )


def find(opened, request, told=None, stopped=lambda: False, drafts=None):
    told = [] if told is None else told
    drafts = [] if drafts is None else drafts
    return find_everything(
        opened, request, lambda *facts: told.append(facts), stopped, drafts.append
    )


def test_everything_is_found_and_told_of(opened):
    told, drafts = [], []
    found = find(opened, AutomaticRequest(), told, drafts=drafts)
    assert found.counts == {1: 6, 2: 5, 3: 1}
    assert told[-1][1] == 1
    assert all("Segmenting" in text for text, _ in told)
    assert sum(len(masks) for masks in drafts) >= 12
    session = AnnotationSession(LevelLabels(TRUTH.shape[1:]))
    session.begin_adding(found.patches)
    session.settle()
    assert [len(session.levels.rows(level)) for level in (1, 2, 3)] == [6, 5, 1]


def test_levels_sizes_and_a_region_are_kept_to(opened):
    assert find(opened, AutomaticRequest(levels=(2,))).counts == {2: 5}
    assert find(opened, AutomaticRequest(sizes=SizeRange(30, math.inf))).counts == {1: 6}
    left = np.array([[0, 0], [70, 0], [70, 160], [0, 160]], dtype=float)
    inside = find(opened, AutomaticRequest(inside=PolygonRegion([[left]])))
    assert inside.counts == {1: 2, 2: 2, 3: 1}


def test_more_like_what_was_kept(opened):
    kept = LabelRow(1, 2, area=450, source="click")
    assert find(opened, AutomaticRequest(like=(kept,))).counts == {2: 5}
    tiny = LabelRow(1, 2, area=20, source="click")
    assert find(opened, AutomaticRequest(like=(tiny,))).counts == {}


def test_a_level_that_does_not_exist_is_refused(opened):
    with pytest.raises(UserError, match="no level 9"):
        find(opened, AutomaticRequest(levels=(9,)))


def test_quality_moves_the_limits():
    settings = AutomaticSettings((1, 2), Thresholds(predicted_iou=0.8, stability=0.6))
    limits = {
        quality: (
            pytest.approx(with_quality(settings, quality).thresholds.predicted_iou),
            pytest.approx(with_quality(settings, quality).thresholds.stability),
        )
        for quality in (-1, -0.5, 0, 0.5, 1)
    }
    assert limits == {
        -1: (0.4, 0.3),
        -0.5: (0.6, 0.45),
        0: (0.8, 0.6),
        0.5: (0.85, 0.7),
        1: (0.9, 0.8),
    }
    assert with_quality(settings, 0) == settings


def test_the_time_left_is_told_once_it_is_known():
    now = iter([0.0, 10.0, 600.0])
    pace = Pace(lambda: next(now))
    assert pace.text(0.01) == "Segmenting …"
    assert pace.text(0.25) == "Segmenting … 25 %, about 30 s left"
    assert pace.text(0.5, "Slice 2 of 3") == "Slice 2 of 3 … 50 %, about 10 min left"


def one_label(number, box, shape=(20, 30)):
    found, array = LevelLabels(shape), np.zeros(shape, np.int32)
    array[box[0] : box[2], box[1] : box[3]] = number
    found.attach(2, array, [LabelRow(number, 2, source="automatic")])
    return found


def test_labels_of_several_planes_with_one_number_become_one_label():
    session = AnnotationSession(LevelLabels((20, 30), (4,)))
    session.go((1,))
    session.levels.paste(2, (0, 0, 10, 10), np.ones((10, 10), int))
    parts = [(0, 7, (2, 2, 9, 9)), (1, 7, (2, 2, 9, 9)), (1, 3, (0, 0, 8, 8)), (2, 7, (3, 3, 9, 9))]
    session.begin_adding(
        [each for z, n, box in parts for each in patches_of(one_label(n, box), (z,))]
    )
    session.settle()
    assert session.levels.planes_of(2, 2) == [(0,), (2,)]
    assert session.levels.row(2, 2).area == 49 + 36
    assert [row.index for row in session.levels.rows(2)] == [1, 2]
    # Of the first one a part is there.
    assert session.notice.startswith("1 object was left out")
    session.undo()
    assert [row.index for row in session.levels.rows(2)] == [1]


@pytest.fixture
def nested():
    levels = LevelLabels((40, 50))
    cells, nuclei = np.zeros((2, 40, 50), np.int32)
    cells[2:22, 2:22], cells[2:22, 25:45] = 1, 2
    nuclei[5:10, 5:10], nuclei[12:16, 12:16] = 1, 2
    levels.attach(1, cells, [LabelRow(1, 1, object="cell")])
    levels.attach(2, nuclei)
    return levels


def test_measurements_are_in_physical_units_and_saved(nested, tmp_path):
    tables = measure_plane(PlaneCopy.of(nested), 0.5)
    masks, parents = tables["masks"], tables["parents"]
    first = dict(zip(masks.columns, masks.rows[0], strict=True))
    assert (first["object"], first["area"], first["area_um2"]) == ("cell", 400, 100)
    assert first["children"] == 2
    inside = [dict(zip(parents.columns, row, strict=True)) for row in parents.rows]
    assert [(row["index"], row["inside_count"]) for row in inside] == [(1, 2), (2, 0)]
    assert inside[0]["inside_area_um2"] == pytest.approx(41 / 4)
    parents.save(tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == ",".join(parents.columns)
    assert len(lines) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_table_of_nothing_has_its_header():
    tables = measure_plane(PlaneCopy.of(LevelLabels((8, 8))), None)
    assert tables["masks"].rows == ()
    assert "area" in tables["masks"].columns
    assert "inside_count" in tables["parents"].columns


def test_a_table_that_cannot_be_written_is_told_of(nested, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="could not be made"):
        measure_plane(PlaneCopy.of(nested), None)["masks"].save(tmp_path / "file" / "table.csv")


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.5, 0.5), ("micrometer", "micrometer"), 0.5),
        ((2.0, 250, 250), ("micrometer", "nanometer", "nanometer"), 0.25),
        ((1, 1), ("pixel", "pixel"), None),
        ((0.5, 0.7), ("micrometer", "micrometer"), None),
    ],
)
def test_the_pixel_size_comes_from_the_layer(scale, units, expected):
    assert pixel_size_in_um(scale, units) == (expected and pytest.approx(expected))
