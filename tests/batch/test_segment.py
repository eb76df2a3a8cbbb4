"""Files in, label images and tables out."""

from __future__ import annotations

import csv
import errno

import numpy as np
import pytest
import tifffile
import torch

from napari_semantic_sam.batch.automatic import segment_everything
from napari_semantic_sam.batch.finished import JOURNAL
from napari_semantic_sam.batch.pictures import PictureOptions
from napari_semantic_sam.batch.segment import segment_files
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import Predictor, distinct_candidates
from napari_semantic_sam.inference.automatic import AutomaticSettings
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.semantic_sam import SemanticSAM

POINTS = [(40, 50), (70, 30), (41, 50)]
BOXES = [(10, 20, 60, 90)]
EVERYTHING = AutomaticSettings((1, 3), spacing=64.0)


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(3)
    return Predictor(SemanticSAM(PRESETS["tiny"], level_order=(3, 2, 0, 4, 1, 5)))


@pytest.fixture
def picture(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, rng.integers(0, 4000, (130, 140), dtype=np.uint16))
    return path


def read_table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def expected_levels(predictor, path, points, boxes):
    """The same, step by step: earlier prompts win, nothing is overwritten."""
    image = read_image(path)
    levels = np.zeros((6, *image.shape), dtype=int)
    origins = []
    results = predictor.predict(predictor.embed(image), points, boxes)
    for number, result in enumerate(results, 1):
        for candidate in distinct_candidates(result.candidates):
            array = levels[candidate.level - 1]
            free = candidate.full_mask() & (array == 0)
            if free.any():
                array[free] = array.max() + 1
                origins.append(
                    (candidate.level, array.max(), number, result, candidate, free.sum())
                )
    return levels, sorted(origins, key=lambda each: each[:2])


def test_level_images_and_table(tmp_path, predictor, picture):
    output = tmp_path / "new" / "folder"
    (report,) = segment_files([picture], predictor, POINTS, BOXES, output)
    levels, origins = expected_levels(predictor, picture, POINTS, BOXES)
    assert origins
    assert report.error == ""
    assert report.masks == len(origins)
    names = [f"cells_level{level}.tif" for level in range(1, 7)] + ["cells_masks.csv"]
    assert [path.name for path in report.files] == names
    assert sorted(path.name for path in output.iterdir()) == [*names, JOURNAL]
    for level, path in enumerate(report.files[:-1], 1):
        np.testing.assert_array_equal(read_labels(path), levels[level - 1])

    rows = read_table(report.files[-1])
    for row, (level, index, number, result, candidate, area) in zip(rows, origins, strict=True):
        assert (int(row["level"]), int(row["index"]), int(row["area"])) == (level, index, area)
        assert int(row["prompt"]) == number
        assert row["source"] == result.kind
        assert float(row["predicted_iou"]) == pytest.approx(candidate.predicted_iou, rel=1e-4)
        assert float(row["stability"]) == pytest.approx(candidate.stability, rel=1e-4)
        corners = [float(row[f"prompt_{name}"]) for name in ("y0", "x0", "y1", "x1")]
        assert corners == [*result.prompt, *result.prompt][:4]
        assert row["object"] == row["object_score"] == row["part"] == row["part_score"] == ""
        if int(row["parent"]):
            parent = levels[int(row["parent_level"]) - 1] == int(row["parent"])
            child = levels[level - 1] == index
            assert (parent & child).sum() >= 0.8 * child.sum()


def test_the_columns_of_the_table(tmp_path, predictor, picture):
    (report,) = segment_files([picture], predictor, POINTS, (), tmp_path / "out")
    header = report.files[-1].read_text(encoding="utf-8").splitlines()[0]
    assert header == (
        "index,level,object,object_score,part,part_score,predicted_iou,stability,area,"
        "parent_level,parent,source,prompt,prompt_y0,prompt_x0,prompt_y1,prompt_x1"
    )


def test_bad_files_are_named_and_the_others_go_on(tmp_path, predictor, picture):
    text, empty, small, hollow = (tmp_path / f"{name}.tif" for name in ("t", "e", "s", "h"))
    text.write_text("x,y\n" * 20)
    empty.touch()
    tifffile.imwrite(small, np.zeros((3, 2), np.uint8))
    tifffile.imwrite(hollow, np.full((90, 80), np.nan, np.float32))
    clipped = tmp_path / "clipped.tif"
    tifffile.imwrite(clipped, np.arange(50 * 45, dtype=np.uint16).reshape(50, 45))
    missing = tmp_path / "missing.tif"
    seen = []
    paths = [text, empty, small, hollow, missing, clipped, picture]
    output = tmp_path / "out"
    reports = segment_files(paths, predictor, POINTS, (), output, progress=seen.append)
    assert reports == seen
    assert [report.image for report in reports] == paths
    sentences = {report.image: report.error for report in reports}
    for path, expected in {
        text: "is not a TIFF",
        empty: "is empty",
        small: "3 × 2 pixels",
        hollow: "no finite value",
        missing: "does not exist",
        clipped: "outside the picture, which is 50 × 45",
        picture: "",
    }.items():
        assert expected in sentences[path]
        assert sentences[path].count(str(path)) == (1 if expected else 0)
        assert "\n" not in sentences[path]
    assert {path.name.split("_")[0] for path in output.iterdir()} == {"cells", JOURNAL}


def test_pictures_of_the_same_name_are_refused_before_anything_is_written(
    tmp_path, predictor, picture
):
    other = tmp_path / "other" / "cells.png"
    with pytest.raises(UserError, match=r"cells\.tif and .*cells\.png have the same name"):
        segment_files([picture, other], predictor, POINTS, (), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("with_picture", "points"), [(False, POINTS), (True, [])])
def test_nothing_to_do_is_an_error(tmp_path, predictor, picture, with_picture, points):
    with pytest.raises(UserError, match="at least one picture and at least one click or box"):
        segment_files([picture] * with_picture, predictor, points, (), tmp_path / "out")


def test_channels_are_chosen(tmp_path, predictor):
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 4000, (5, 100, 90), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    tifffile.imwrite(tmp_path / "plane.tif", stack[3])
    paths = [tmp_path / "stack.tif", tmp_path / "plane.tif"]
    without, _ = segment_files(paths, predictor, POINTS, (), tmp_path / "out")
    assert "stack.tif has 5 channels; choose up to three of them" in without.error
    options = PictureOptions(channels=[3])
    (chosen,) = segment_files(paths[:1], predictor, POINTS, (), tmp_path / "out", options=options)
    (plane,) = segment_files(paths[1:], predictor, POINTS, (), tmp_path / "out")
    for one, other in zip(chosen.files[:-1], plane.files[:-1], strict=True):
        np.testing.assert_array_equal(read_labels(one), read_labels(other))


def test_a_full_disk_leaves_nothing_behind(tmp_path, predictor, picture, monkeypatch):
    write = tifffile.imwrite

    def full_after_three(path, *args, **options):
        if "level4" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, *args, **options)

    monkeypatch.setattr(tifffile, "imwrite", full_after_three)
    (report,) = segment_files([picture], predictor, POINTS, (), tmp_path / "out")
    assert "disk is full" in report.error
    assert f"{tmp_path / 'out' / 'cells_level4.tif'} could not" in report.error
    assert report.files == ()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("last", ["level4", "masks"])
def test_a_second_run_that_fails_leaves_the_first_as_it_was(
    tmp_path, predictor, picture, monkeypatch, last
):
    output = tmp_path / "out"
    segment_files([picture], predictor, POINTS, BOXES, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    write, write_table = tifffile.imwrite, csv.writer

    def full_at_an_image(path, *args, **options):
        if last in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, *args, **options)

    def full_at_the_table(file):
        if last in file.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_table(file)

    monkeypatch.setattr(tifffile, "imwrite", full_at_an_image)
    monkeypatch.setattr(csv, "writer", full_at_the_table)
    (report,) = segment_files([picture], predictor, POINTS[:1], (), output)
    assert "disk is full" in report.error
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_a_second_run_replaces_the_first(tmp_path, predictor, picture):
    segment_files([picture], predictor, POINTS, BOXES, tmp_path / "out")
    (again,) = segment_files([picture], predictor, POINTS[:1], (), tmp_path / "out")
    levels, _ = expected_levels(predictor, picture, POINTS[:1], ())
    for level, path in enumerate(again.files[:-1], 1):
        np.testing.assert_array_equal(read_labels(path), levels[level - 1])


def test_results_of_clicks_are_guarded_like_others(tmp_path, predictor, picture):
    output = tmp_path / "out"
    (clicked,) = segment_files([picture], predictor, [(40, 50)], [], output)
    assert segment_files([picture], predictor, [(40, 50)], [], output)[0].done_before
    (everything,) = segment_everything([picture], predictor, EVERYTHING, output)
    written = {path.name for path in everything.files}
    assert {path.name for path in output.iterdir()} == {*written, JOURNAL}
    (again,) = segment_files([picture], predictor, [(40, 50)], [], output)
    assert not again.done_before
    assert {path.name for path in output.iterdir()} == {*(f.name for f in clicked.files), JOURNAL}
    mine = np.full((8, 8), 77, np.uint8)
    tifffile.imwrite(again.files[0], mine)
    for reports in (
        segment_everything([picture], predictor, EVERYTHING, output),
        segment_files([picture], predictor, [(70, 30)], [], output),
    ):
        assert f"because {again.files[0]} was changed since" in reports[0].error
    np.testing.assert_array_equal(tifffile.imread(again.files[0]), mine)
