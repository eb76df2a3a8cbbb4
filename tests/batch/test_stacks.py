"""Stacks, movies and lazy files on the command line: what is read is what is written."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_semantic_sam.batch.segment import segment_files
from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.io.images import read_labels
from napari_semantic_sam.io.label_stacks import LabelPlanes, write_label_planes
from napari_semantic_sam.io.opening import Scale, open_image
from napari_semantic_sam.model import load_model
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

HEIGHT, WIDTH = 40, 56


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A very small network with random weights."""
    torch.manual_seed(0)
    config = ModelConfig(
        TimmConfig("test_efficientnet"),
        LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
    )
    metadata = CheckpointMetadata(
        "small",
        config,
        tuple(range(6)),
        ("click", "box"),
        "CC0-1.0",
        automatic={"predicted_iou": 0.0, "stability": 0.0},
    )
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(path, SemanticSAM(config), metadata)
    return path


@pytest.fixture
def segment(checkpoint, command_line, tmp_path):
    """Run ``segment`` with two clicks, or with other arguments."""

    def run(*arguments, clicks=("--points", "20,22;31,40")):
        options = ["--model", checkpoint, "--device", "cpu", "--output", tmp_path / "out"]
        return command_line("segment", *arguments, *clicks, *options)

    return run


def values(*shape):
    return np.random.default_rng(3).integers(0, 4000, (*shape, HEIGHT, WIDTH), dtype=np.uint16)


def levels_of(folder, stem, count=6):
    return [read_labels(folder / f"{stem}_level{level}.tif") for level in range(1, count + 1)]


def rows_of(folder, stem, table="masks"):
    with (folder / f"{stem}_{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def segmented_alone(tmp_path, checkpoint, plane):
    """The label images of one plane, segmented as a picture of its own."""
    predictor = Predictor(load_model(checkpoint, device="cpu"))
    tifffile.imwrite(tmp_path / "alone.tif", plane)
    (report,) = segment_files(
        [tmp_path / "alone.tif"], predictor, [(20, 22), (31, 40)], (), tmp_path / "alone"
    )
    assert not report.error
    return levels_of(tmp_path / "alone", "alone")


def test_every_plane_of_a_stack_is_segmented_like_a_picture(tmp_path, segment, checkpoint):
    stack = values(3)
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    outcome = segment(tmp_path / "s.tif")
    assert (outcome.code, outcome.err) == (0, "")
    levels = levels_of(tmp_path / "out", "s")
    assert {level.shape for level in levels} == {stack.shape}
    rows = rows_of(tmp_path / "out", "s")
    assert next(iter(rows[0])) == "z"
    for z, plane in enumerate(stack):
        for level, alone in zip(levels, segmented_alone(tmp_path, checkpoint, plane), strict=True):
            np.testing.assert_array_equal(level[z], alone)
        count = sum(len(np.unique(level[z])) - 1 for level in levels)
        assert sum(row["z"] == str(z) for row in rows) == count > 0
    assert f"{len(rows)} masks" in outcome.out


def test_axes_scale_and_units_are_kept(tmp_path, segment):
    facts = {"axes": "TZCYX", "unit": "um", "spacing": 0.7, "finterval": 20.0}
    tifffile.imwrite(
        tmp_path / "h.tif", values(2, 3, 2), imagej=True, resolution=(4, 4), metadata=facts
    )
    assert segment(tmp_path / "h.tif").code == 0
    with open_image(tmp_path / "h.tif") as read:
        scale = read.scale
    for level in range(1, 7):
        with open_image(tmp_path / "out" / f"h_level{level}.tif") as written:
            assert "".join(written.names) == "TZYX"
            assert written.levels[0].shape == (2, 3, HEIGHT, WIDTH)
            assert written.scale == scale
    places = {(row["t"], row["z"]) for row in rows_of(tmp_path / "out", "h")}
    assert places == {(t, z) for t in "01" for z in "012"}


@pytest.mark.parametrize(
    ("plane", "axes", "index"),
    [("t=1,z=2", "YX", (1, 2)), ("z=2", "TYX", (slice(None), 2)), ("T=1", "ZYX", (1,))],
)
def test_one_plane_of_a_stack(tmp_path, segment, plane, axes, index):
    stack = values(2, 3)
    options = {"photometric": "minisblack", "metadata": {"axes": "TZYX"}}
    tifffile.imwrite(tmp_path / "whole.ome.tif", stack, **options)
    tifffile.imwrite(tmp_path / "part.tif", stack[index], metadata={"axes": axes}, ome=True)
    assert segment(tmp_path / "whole.ome.tif", "--plane", plane).code == 0
    assert segment(tmp_path / "part.tif").code == 0
    found, expected = (levels_of(tmp_path / "out", stem) for stem in ("whole", "part"))
    np.testing.assert_array_equal(found, expected)
    with open_image(tmp_path / "out" / "whole_level1.tif") as written:
        assert "".join(written.names) == axes


def test_axes_and_channels_can_be_said(tmp_path, segment, checkpoint):
    array = np.moveaxis(values(3, 5), 1, -1)  # z, y, x, channel: nothing in the file says so
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    assert segment(tmp_path / "a.tif", "--axes", "zyxc", "--channels", "3").code == 0
    found = levels_of(tmp_path / "out", "a")
    alone = segmented_alone(tmp_path, checkpoint, array[1, ..., 3])
    for level, expected in zip(found, alone, strict=True):
        np.testing.assert_array_equal(level[1], expected)


def test_the_pixel_size_of_the_command_line_counts(tmp_path, segment):
    tifffile.imwrite(tmp_path / "a.tif", values())
    assert segment(tmp_path / "a.tif", "--pixel-size", "0.25").code == 0
    with open_image(tmp_path / "out" / "a_level1.tif") as written:
        assert written.scale.pixel_size == 0.25


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "a.tif has 6 channels; choose up to three of them, 0 to 5, or say"),
        (["--axes", "ZYX", "--plane", "z=6"], "a.tif has no plane z=6; there are 6, 0 to 5."),
        (["--axes", "ZYX", "--plane", "t=0"], "a.tif has no axis T: its axes are ZYX"),
        (["--axes", "QYX"], 'The axes "QYX" have the letter Q'),
        (["--axes", "YX"], "name 2 dimensions, but the picture has 3"),
        (["--plane", "5"], '--plane "5" cannot be read; write "z=5"'),
        (["--channels", "0,red"], '--channels "0,red" cannot be read'),
        (["--axes", "ZYX", "--channels", "1"], "a.tif has one channel; leave"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path, segment, options, words):
    tifffile.imwrite(tmp_path / "a.tif", values(6), photometric="minisblack")
    outcome = segment(tmp_path / "a.tif", *options)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))


def damage(path, *pages):
    """Spoil the pixels of some pages of a TIFF."""
    with tifffile.TiffFile(path) as file:
        places = [file.pages[page].dataoffsets[0] for page in pages]
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(b"\xff" * 64)


def test_a_damaged_plane_is_named_and_the_others_are_kept(tmp_path, segment):
    path, whole = tmp_path / "s.tif", tmp_path / "whole.tif"
    for each in (path, whole):
        tifffile.imwrite(
            each, values(4), compression="zlib", metadata={"axes": "ZYX"}, photometric="minisblack"
        )
    damage(path, 2)
    outcome = segment(path, "--axes", "ZYX", whole)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert re.search(r"Error: .*s\.tif \(z = 2\) could not be read at rows 0 to 40", outcome.err)
    assert outcome.err.endswith("This plane was left without labels.\n")
    found, expected = (levels_of(tmp_path / "out", stem) for stem in ("s", "whole"))
    for level, undamaged in zip(found, expected, strict=True):
        assert not level[2].any()
        np.testing.assert_array_equal(level[[0, 1, 3]], undamaged[[0, 1, 3]])
    assert {row["z"] for row in rows_of(tmp_path / "out", "s")} == {"0", "1", "3"}


def test_a_stack_without_a_usable_plane_is_one_error(tmp_path, segment):
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, values(3), compression="zlib", photometric="minisblack")
    damage(path, 0, 1, 2)
    outcome = segment(path, "--axes", "ZYX")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "s.tif (z = 0) could not be read" in outcome.err
    assert not list(tmp_path.glob("out/*"))


def write_zarr(path, array, chunks):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=array, chunks=chunks)
    axes = [{"name": "z", "unit": "micrometer"}]
    axes += [{"name": name, "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": datasets}]
    return path


def test_ome_zarr_gives_what_tiff_gives_and_tells_about_missing_chunks(tmp_path, segment):
    stack = values(2)
    stack[1, :20, :28] = 0
    path = write_zarr(tmp_path / "cells.ome.zarr", stack, (1, 20, 28))
    (path / "0" / "1.0.0").unlink(missing_ok=True)
    tifffile.imwrite(tmp_path / "other.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    outcome = segment(path, tmp_path / "other.tif")
    assert outcome.code == 0
    assert outcome.err.startswith("Note: ")
    assert "cells.ome.zarr lacks 1 of the 8 chunks" in outcome.err
    found, expected = (levels_of(tmp_path / "out", stem) for stem in ("cells", "other"))
    np.testing.assert_array_equal(found, expected)
    with open_image(tmp_path / "out" / "cells_level3.tif") as written:
        assert written.scale.sizes == {"Z": 2.0, "Y": 0.5, "X": 0.5}


def test_a_dense_run_over_a_stack_measures_and_goes_on(tmp_path, segment):
    everything = ("--automatic", "--levels", "2", "--measure")
    path = write_zarr(tmp_path / "cells.zarr", values(2), (1, HEIGHT, WIDTH))
    assert segment(path, clicks=everything).code == 0
    out = tmp_path / "out"
    rows = rows_of(out, "cells", "measurements")
    assert len(rows) == len(rows_of(out, "cells"))
    assert {row["z"] for row in rows} == {"0", "1"}
    assert len(rows_of(out, "cells", "links")) == len(rows)
    for row in rows:
        assert float(row["area_um2"]) == pytest.approx(float(row["area"]) / 4, rel=1e-4)
    assert "done before" in segment(path, clicks=everything).out
    assert "done before" not in segment(path, clicks=(*everything, "--no-link")).out
    chunk = path / "0" / "1.0.0"
    chunk.write_bytes(b"torn")
    outcome = segment(path, clicks=everything)
    assert outcome.code == 1
    assert "cells.zarr (z = 1) could not be read" in outcome.err
    assert "done before" not in outcome.out
    again = segment(path, clicks=everything)  # what was left out is tried anew
    assert "cells.zarr (z = 1) could not be read" in again.err


def test_planes_above_a_size_are_written_as_zarr(tmp_path, segment):
    path, out = write_zarr(tmp_path / "cells.zarr", values(2), (1, 20, 28)), tmp_path / "out"
    everything = ("--automatic", "--levels", "2", "--no-link", "--measure")
    assert segment(path, clicks=everything).code == 0
    expected, rows = read_labels(out / "cells_level2.tif"), rows_of(out, "cells")
    measured = rows_of(out, "cells", "measurements")
    (out / "cells_measurements.csv").unlink()
    outcome = segment(path, clicks=(*everything, "--zarr-above", "0.002"))
    assert (outcome.code, outcome.err) == (0, "")
    assert f"{len(rows)} masks" in outcome.out
    with open_image(out / "cells_level2.ome.zarr") as written:
        np.testing.assert_array_equal(written.levels[0][...], expected)
        assert "".join(written.names) == "zyx"
        assert written.scale.sizes == {"Z": 2.0, "Y": 0.5, "X": 0.5}
    assert rows_of(out, "cells") == rows
    assert rows_of(out, "cells", "measurements") == measured
    assert len(measured) == len(rows)
    assert len(rows_of(out, "cells", "inside")) == 0  # there is no finer level


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--automatic", "--output-format", "png"), 'no output format "png"'),
        (("--output-format", "zarr"), "belong to --automatic"),
    ],
)
def test_formats_that_do_not_fit_are_one_sentence(tmp_path, segment, options, words):
    tifffile.imwrite(tmp_path / "a.tif", values())
    outcome = segment(tmp_path / "a.tif", clicks=options)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_results_of_many_labels_need_more_bits(tmp_path):
    planes = LabelPlanes((9, 9))
    planes.add(np.ones((9, 9), np.int64))
    planes.fill(3)
    planes.add(np.full((9, 9), 70_000, np.int32))
    write_label_planes(tmp_path / "a.tif", planes, "T", (4,), Scale())
    read = read_labels(tmp_path / "a.tif")
    assert read.dtype == np.uint32
    np.testing.assert_array_equal(read[:, 0, 0], [1, 0, 0, 70_000])
