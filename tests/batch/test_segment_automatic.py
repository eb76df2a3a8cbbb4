"""Everything in many files: label images, tables, and runs that go on where they stopped."""

from __future__ import annotations

import csv
import errno

import numpy as np
import pytest
import tifffile
from automatic_stub import KnowingPredictor, cells_with_nuclei

from napari_semantic_sam.batch.automatic import segment_everything
from napari_semantic_sam.batch.finished import JOURNAL
from napari_semantic_sam.batch.object_scale import ObjectScale
from napari_semantic_sam.batch.pictures import PictureOptions
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic import AutomaticSettings, Thresholds
from napari_semantic_sam.inference.automatic.picture import segment_picture
from napari_semantic_sam.io.images import read_labels

SETTINGS = AutomaticSettings((1, 3), Thresholds(0.3, 0.5), spacing=8.0)


@pytest.fixture
def predictor():
    return KnowingPredictor(cells_with_nuclei())


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, cells_with_nuclei().sum(axis=0).astype(np.uint8))
    return path


def read_table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_label_images_and_table(tmp_path, predictor, picture):
    output = tmp_path / "new" / "folder"
    (report,) = segment_everything([picture], predictor, SETTINGS, output)
    expected = segment_picture(predictor, tifffile.imread(picture), SETTINGS)
    assert report.error == ""
    assert report.masks == 7
    names = ["cells_level1.tif", "cells_level3.tif", "cells_masks.csv"]
    assert [path.name for path in report.files] == names
    for level, path in zip((1, 3), report.files, strict=False):
        np.testing.assert_array_equal(read_labels(path), expected.array(level))
    rows = read_table(report.files[-1])
    assert [(int(row["level"]), int(row["index"])) for row in rows] == [
        (level, row.index) for level in (1, 3) for row in expected.rows(level)
    ]
    assert {row["source"] for row in rows} == {"automatic"}
    (nucleolus,) = (row for row in rows if row["level"] == "3")
    assert nucleolus["parent_level"] == "1"
    assert int(nucleolus["area"]) == (expected.array(3) > 0).sum()


def test_measurements_are_written_on_demand(tmp_path, predictor, picture):
    (report,) = segment_everything(
        [picture],
        predictor,
        SETTINGS,
        tmp_path / "out",
        options=PictureOptions(pixel_size=0.25),
        measure=True,
    )
    tables = {path.name: read_table(path) for path in report.files if path.suffix == ".csv"}
    assert len(tables["cells_measurements.csv"]) == len(tables["cells_masks.csv"]) == 7
    row = tables["cells_measurements.csv"][0]
    assert float(row["area_um2"]) == pytest.approx(float(row["area"]) / 16, rel=1e-4)
    counts = [int(row["inside_count"]) for row in tables["cells_inside.csv"]]
    assert sorted(counts) == [0, 0, 0, 0, 0, 1]


def test_what_is_done_is_not_done_again(tmp_path, predictor, picture):
    output = tmp_path / "out"
    (first,) = segment_everything([picture], predictor, SETTINGS, output)
    asked = len(predictor.model.asked)
    (again,) = segment_everything([picture], predictor, SETTINGS, output)
    assert len(predictor.model.asked) == asked
    assert again.done_before
    assert (again.files, again.masks) == (first.files, first.masks)


@pytest.mark.parametrize(
    "change", ["settings", "picture", "checkpoint", "scale", "deleted", "torn"]
)
def test_what_changed_is_done_again(tmp_path, predictor, picture, change):
    output, settings, options = tmp_path / "out", SETTINGS, PictureOptions()
    (first,) = segment_everything([picture], predictor, settings, output)
    if change == "settings":
        settings = AutomaticSettings((1, 3), Thresholds(0.31, 0.5))
    elif change == "picture":
        tifffile.imwrite(picture, cells_with_nuclei().sum(axis=0).astype(np.uint16) * 500)
    elif change == "checkpoint":
        predictor.model.checkpoint_hash = "other"
    elif change == "scale":
        options = PictureOptions(object_scale=ObjectScale("48"))
    elif change == "deleted":
        first.files[0].unlink()
    else:
        journal = output / JOURNAL
        journal.write_text(journal.read_text()[:-12])
    (again,) = segment_everything([picture], predictor, settings, output, options=options)
    assert not again.done_before
    assert again.files[0].exists()
    (third,) = segment_everything([picture], predictor, settings, output, options=options)
    assert third.done_before


def test_files_that_a_new_run_does_not_write_go(tmp_path, predictor, picture):
    output = tmp_path / "out"
    segment_everything([picture], predictor, SETTINGS, output, measure=True)
    (again,) = segment_everything([picture], predictor, AutomaticSettings((1,)), output)
    left = {path.name for path in output.iterdir()}
    assert left == {"cells_level1.tif", "cells_masks.csv", JOURNAL}
    assert again.files[0].exists()


def test_labels_that_somebody_corrected_are_never_written_over(tmp_path, predictor, picture):
    output = tmp_path / "out"
    (first,) = segment_everything([picture], predictor, SETTINGS, output)
    mine = np.full((8, 8), 77, np.uint8)
    tifffile.imwrite(first.files[0], mine)
    (again,) = segment_everything([picture], predictor, SETTINGS, output)
    assert again.done_before
    assert again.notices == (f"{first.files[0]} was changed and stays so.",)
    other = AutomaticSettings((1,))
    (refused,) = segment_everything([picture], predictor, other, output)
    assert refused.error == (
        f"{picture} is not segmented again, because {first.files[0]} was changed since; rename "
        "it, or give another output folder."
    )
    np.testing.assert_array_equal(tifffile.imread(first.files[0]), mine)
    first.files[0].rename(output / "corrected.tif")
    (last,) = segment_everything([picture], predictor, other, output)
    assert not last.error
    np.testing.assert_array_equal(tifffile.imread(output / "corrected.tif"), mine)


def test_bad_files_are_named_and_the_others_go_on(tmp_path, predictor, picture):
    text, small = tmp_path / "t.tif", tmp_path / "s.tif"
    text.write_text("x,y\n" * 20)
    tifffile.imwrite(small, np.arange(21, dtype=np.uint8).reshape(3, 7))
    seen = []
    paths = [text, small, tmp_path / "missing.tif", picture]
    reports = segment_everything(paths, predictor, SETTINGS, tmp_path / "out", progress=seen.append)
    assert reports == seen
    sentences = [report.error for report in reports]
    for sentence, path, words in zip(
        sentences, paths, ("is not a TIFF", "3 × 7 pixels", "does not exist", ""), strict=True
    ):
        assert words in sentence
        assert sentence.count(str(path)) == (1 if words else 0)
    written = {path.name.split("_")[0] for path in (tmp_path / "out").iterdir()}
    assert written == {"cells", JOURNAL}


def test_a_constant_picture_gives_empty_images(tmp_path, predictor):
    path = tmp_path / "black.tif"
    tifffile.imwrite(path, np.zeros((160, 200), np.uint8))
    (report,) = segment_everything([path], predictor, SETTINGS, tmp_path / "out", measure=True)
    assert (report.error, report.masks) == ("", 0)
    assert not read_labels(report.files[0]).any()
    for table in (path for path in report.files if path.suffix == ".csv"):
        (header,) = table.read_text(encoding="utf-8").splitlines()
        assert header.startswith(("index,level,", "level,index,"))


def test_a_full_disk_leaves_earlier_results_alone(tmp_path, predictor, picture, monkeypatch):
    output = tmp_path / "out"
    segment_everything([picture], predictor, SETTINGS, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    write = tifffile.imwrite

    def full_at_level_three(path, *args, **options):
        if "level3" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, *args, **options)

    monkeypatch.setattr(tifffile, "imwrite", full_at_level_three)
    predictor.model.checkpoint_hash = "other"
    (report,) = segment_everything([picture], predictor, SETTINGS, output)
    assert "disk is full" in report.error
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_no_picture_is_an_error(tmp_path, predictor):
    with pytest.raises(UserError, match="at least one picture"):
        segment_everything([], predictor, SETTINGS, tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--automatic", "--points", "3,4"], "leave out --points"),
        (["--levels", "1", "--points", "3,4"], "belong to --automatic"),
        (["--no-link", "--points", "3,4"], "belong to --automatic"),
        (["--automatic", "--levels", "one"], "write whole numbers"),
        (["--automatic", "--levels", "1,9"], "no level 9"),
    ],
)
def test_options_that_do_not_fit(tmp_path, picture, command_line, arguments, words):
    outcome = command_line("segment", picture, *arguments, "--output", tmp_path / "out")
    assert outcome.code == 1
    assert words in outcome.err


def test_the_command_line(tmp_path, command_line):
    rng = np.random.default_rng(0)
    path, broken = tmp_path / "noise.png", tmp_path / "broken.png"
    from PIL import Image

    Image.fromarray(rng.integers(0, 255, (40, 48), dtype=np.uint8)).save(path)
    broken.write_bytes(b"no picture")
    arguments = ["segment", broken, path, "--automatic", "--levels", "2,5", "--output"]
    outcome = command_line(*arguments, tmp_path / "out", "--measure", "--device", "cpu")
    assert outcome.code == 1
    assert str(broken) in outcome.err
    assert f"{path}: " in outcome.out
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert names == {
        JOURNAL,
        "noise_level2.tif",
        "noise_level5.tif",
        "noise_masks.csv",
        "noise_measurements.csv",
        "noise_inside.csv",
    }
    again = command_line(*arguments[:1], *arguments[2:], tmp_path / "out", "--device", "cpu")
    assert again.code == 0
    assert "done before" not in again.out  # without measurements it is another result
