"""Planes that need not fit memory: label images as OME-Zarr, written part by part."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
import zarr
from seeing_stub import SeeingPredictor, bright, settings

from napari_semantic_sam.batch import automatic
from napari_semantic_sam.batch.automatic import segment_everything
from napari_semantic_sam.batch.finished import JOURNAL
from napari_semantic_sam.batch.output import Output
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic import canvas
from napari_semantic_sam.io import label_pyramid, label_zarr
from napari_semantic_sam.io.opening import open_image

SHAPE = (200, 290)
PICTURE = bright(
    SHAPE, (60, 60, 24, 100), (66, 58, 9, 255), (120, 150, 26, 100), (60, 240, 15, 255)
)
SMALL = Output(most_pixels=10_000)
"""Streams every plane of these tests."""


class InTiles(SeeingPredictor):
    """Cuts planes into small tiles."""

    def embed_plane(self, plane, *, scale=None):
        return super().embed_plane(plane, edge=128)


@pytest.fixture
def predictor():
    return InTiles()


@pytest.fixture
def in_memory(monkeypatch):
    """Refuse to hold whole label images."""

    def refuse(*_, **__):
        raise AssertionError("the label images are in memory")

    monkeypatch.setattr(automatic, "segment_picture", refuse)


def write_zarr(path, array):
    """Write a picture that is read a block at a time."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    chunks = (*[1] * (array.ndim - 2), 64, 64)
    stored = group.create_array(
        "0",
        shape=array.shape,
        chunks=chunks,
        dtype=array.dtype,
        config={"write_empty_chunks": True},  # or their absence is told
    )
    stored[...] = array
    axes = [{"name": name, "unit": "micrometer"} for name in "zyx"[-array.ndim :]]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.5][-array.ndim :]}]
    group.attrs["multiscales"] = [
        {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ]
    return path


def read_table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_levels(folder, stem="p"):
    found = {}
    for level in (1, 2):
        with open_image(folder / f"{stem}_level{level}.ome.zarr") as opened:
            found[level] = np.asarray(opened.levels[0][...]), "".join(opened.names), opened.scale
    return found


def both_ways(folder, path, predictor, **options):
    """Segment a picture in memory and streamed, and check that the results are the same."""
    (plain,) = segment_everything([path], predictor, settings(), folder / "b", **options)
    options["form"] = SMALL
    (report,) = segment_everything([path], predictor, settings(), folder / "a", **options)
    assert (report.error, report.notices) == ("", ())
    names = [file.name.replace(".tif", ".ome.zarr") for file in plain.files]
    assert [file.name for file in report.files] == names
    assert report.masks == plain.masks > 3
    found = read_levels(folder / "a")
    for level, (labels, _, _) in found.items():
        np.testing.assert_array_equal(labels, tifffile.imread(plain.files[level - 1]))
    for ours, theirs in zip(report.files[2:], plain.files[2:], strict=True):
        assert read_table(ours) == read_table(theirs) != []
    assert not [each for each in (folder / "a").iterdir() if each.name.startswith(".")]
    return {name.removeprefix("p_"): file for name, file in zip(names, report.files, strict=True)}


@pytest.mark.parametrize("block", [64, 1024])
def test_streamed_results_are_those_in_memory(tmp_path, predictor, monkeypatch, block):
    monkeypatch.setattr(label_zarr, "BLOCK", block)
    path = write_zarr(tmp_path / "p.ome.zarr", PICTURE)
    files = both_ways(tmp_path, path, predictor, measure=True)
    assert list(files)[2:] == ["measurements.csv", "inside.csv", "masks.csv"]
    for _, axes, scale in read_levels(tmp_path / "a").values():
        assert (axes, scale.pixel_size) == ("yx", 0.5)
    assert "perimeter_um" in read_table(files["measurements.csv"])[0]


def test_streamed_slices_are_linked_to_the_same_objects(tmp_path, predictor, monkeypatch):
    monkeypatch.setattr(label_zarr, "BLOCK", 64)
    monkeypatch.setattr(canvas, "BLOCK", 96)
    stack = np.stack([PICTURE, np.roll(PICTURE, 9, axis=1), PICTURE[:, ::-1]])
    path = write_zarr(tmp_path / "p.ome.zarr", stack)
    files = both_ways(tmp_path, path, predictor, measure=True)
    assert {"links.csv", "objects.csv", "objects_inside.csv"} <= files.keys()
    objects = read_table(files["objects.csv"])
    assert {"1", "2"} <= {row["slices"] for row in objects}
    assert "volume_um3" in objects[0]


def test_large_planes_come_with_coarser_copies_of_the_linked_labels(
    tmp_path, predictor, monkeypatch
):
    monkeypatch.setattr(label_pyramid, "OVERVIEW", 100)
    path = write_zarr(tmp_path / "p.ome.zarr", np.stack([PICTURE, PICTURE[:, ::-1]]))
    segment_everything([path], predictor, settings(), tmp_path / "out", form=SMALL)
    with open_image(tmp_path / "out" / "p_level1.ome.zarr") as opened:
        fine, middle, coarse = (np.asarray(level[...]) for level in opened.levels)
    assert (middle.shape, coarse.shape) == ((2, 100, 145), (2, 50, 73))
    for plane, small in zip(fine, coarse, strict=True):
        np.testing.assert_array_equal(np.unique(small), np.unique(plane))


def test_no_label_image_is_in_memory_and_what_is_done_stays_done(tmp_path, predictor, in_memory):
    path = write_zarr(tmp_path / "p.ome.zarr", PICTURE)

    def run(form=SMALL):
        (report,) = segment_everything(
            [path], predictor, settings(), tmp_path / "out", form=form, measure=True
        )
        return report

    first = run()
    assert first.notices == ()
    inside = read_table(tmp_path / "out" / "p_inside.csv")
    assert sorted(row["inside_count"] for row in inside) == ["0", "0", "1"]
    again = run()
    assert again.done_before
    assert (again.files, again.masks) == (first.files, first.masks)
    assert not run(Output(most_pixels=9_999)).done_before


def test_a_stack_is_streamed_plane_by_plane(tmp_path, predictor, in_memory):
    stack = np.stack([PICTURE, PICTURE[:, ::-1], PICTURE])
    path = write_zarr(tmp_path / "p.ome.zarr", stack)
    (path / "0" / "1.1.1").write_bytes(b"torn")
    (report,) = segment_everything([path], predictor, settings(), tmp_path / "out", form=SMALL)
    assert "(z = 1) could not be read" in report.skipped[0]
    labels, axes, scale = read_levels(tmp_path / "out")[1]
    assert (axes, scale.sizes["Z"]) == ("zyx", 2.0)
    assert [len(np.unique(plane)) for plane in labels] == [4, 1, 4]
    np.testing.assert_array_equal(labels[0], labels[2])
    assert {row["z"] for row in read_table(tmp_path / "out" / "p_masks.csv")} == {"0", "2"}
    assert {row["slices"] for row in read_table(tmp_path / "out" / "p_objects.csv")} == {"2"}


def test_small_stacks_are_linked_whatever_their_form(tmp_path, predictor):
    path = write_zarr(tmp_path / "p.ome.zarr", np.stack([PICTURE, PICTURE]))
    (report,) = segment_everything(
        [path], predictor, settings(), tmp_path / "out", form=Output("zarr")
    )
    assert report.notices == ()
    labels, _, _ = read_levels(tmp_path / "out")[1]
    np.testing.assert_array_equal(labels[0], labels[1])
    objects = read_table(tmp_path / "out" / "p_objects.csv")
    assert {row["slices"] for row in objects} == {"2"}
    assert "volume_um3" in objects[0]


def test_tiff_is_never_streamed(tmp_path, predictor):
    path = write_zarr(tmp_path / "p.ome.zarr", PICTURE)
    (report,) = segment_everything(
        [path], predictor, settings(), tmp_path / "out", form=Output("tiff", most_pixels=1)
    )
    assert report.files[0].name == "p_level1.tif"


@pytest.mark.parametrize("when", ["batch.streaming.copy_labels", "io.label_zarr.fill_coarser"])
def test_earlier_results_stay_unless_all_is_written(tmp_path, predictor, monkeypatch, when):
    monkeypatch.setattr(label_pyramid, "OVERVIEW", 200)
    path, out = write_zarr(tmp_path / "p.ome.zarr", PICTURE), tmp_path / "out"
    segment_everything([path], predictor, settings(), out, form=SMALL)
    before = read_levels(out)
    table = (out / "p_masks.csv").read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"napari_semantic_sam.{when}", full)
    predictor.model.checkpoint_hash = "other"
    (report,) = segment_everything([path], predictor, settings(), out, form=SMALL)
    assert "the disk is full" in report.error
    for level, (labels, _, _) in read_levels(out).items():
        np.testing.assert_array_equal(labels, before[level][0])
    assert (out / "p_masks.csv").read_text() == table
    assert not [each for each in out.iterdir() if each.name.startswith(".")]


def test_a_plane_that_cannot_be_read_is_one_error(tmp_path, predictor):
    path = write_zarr(tmp_path / "p.ome.zarr", PICTURE)
    (path / "0" / "1.1").write_bytes(b"torn")
    (report,) = segment_everything([path], predictor, settings(), tmp_path / "out", form=SMALL)
    assert "could not be read" in report.error
    assert {each.name for each in (tmp_path / "out").iterdir()} <= {JOURNAL}


def test_an_unknown_form_is_one_sentence():
    with pytest.raises(UserError, match=r'no output format "png"; choose one of auto, tiff, zarr'):
        Output("png")
