"""Everything in stacks and movies: one number for an object in all planes, in all files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
from automatic_stub import KnowingPredictor, disc
from scipy import ndimage

from napari_semantic_sam.batch.automatic import segment_everything
from napari_semantic_sam.inference.automatic import AutomaticSettings, Thresholds
from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding

SHAPE = (72, 120)
CELL, NUCLEUS = 90, 200
SETTINGS = AutomaticSettings((1, 2), Thresholds(0.3, 0.5), spacing=8.0)


class GreyPredictor(KnowingPredictor):
    """Knows cells and nuclei by their greys; of each plane it numbers the upper left one first."""

    def __init__(self):
        super().__init__(np.zeros((2, *SHAPE), int))
        self.planes = 0

    def embed_plane(self, plane, *, scale=None):
        values = plane.levels[0].read((0, 0, *plane.shape))[..., 0]
        self.model.truth = np.stack([ndimage.label(values > grey)[0] for grey in (50, 150)])
        self.model._known.clear()
        self.planes += 1
        return PlaneEmbedding(plane, self.model, EmbeddingCache())


def plane_of(*cells):
    """Draw cells at (y, x), each with a nucleus."""
    plane = np.zeros(SHAPE, np.uint8)
    for y, x in cells:
        plane[disc(SHAPE, y, x, 15)] = CELL
        plane[disc(SHAPE, y, x, 7)] = NUCLEUS
    return plane


A, B, C = (20, 22), (50, 60), (20, 98)
STACK = np.stack([plane_of(B), plane_of(A, B), plane_of(A, B, C), plane_of(A, C)])


@pytest.fixture
def predictor():
    return GreyPredictor()


@pytest.fixture
def segment(tmp_path, predictor):
    """Write a picture, segment it, and return its report and its files by the end of their name."""

    def run(array, axes, damaged=None, facts=None, **options):
        path = tmp_path / "s.ome.tif"
        if array is not None:
            form = {"photometric": "minisblack", "compression": "zlib"}
            tifffile.imwrite(path, array, metadata={"axes": axes, **(facts or {})}, **form)
        if damaged is not None:
            damage(path, damaged)
        (report,) = segment_everything([path], predictor, SETTINGS, tmp_path / "out", **options)
        assert report.error == ""
        return report, {file.name.removeprefix("s_"): read(file) for file in report.files}

    return run


def read(path):
    if path.suffix == ".tif":
        return tifffile.imread(path)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def damage(path, page):
    """Spoil the pixels of a page of a TIFF."""
    with tifffile.TiffFile(path) as file:
        place = file.pages[page].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 64)


def at(labels, place):
    """The number at a place in each plane."""
    return labels[(..., *place)].tolist()


def check_that_files_agree(files, levels):
    """Every label has its row and its link, under the number it has in the label image."""
    for name in ("masks.csv", "measurements.csv", "inside.csv"):
        for row in files.get(name, []):
            where = tuple(int(row[letter]) for letter in "tz" if letter in row)
            labels = levels[int(row["level"])][where] == int(row["index"])
            assert labels.any()
            if "area" in row:
                assert labels.sum() == int(row["area"])
            if int(row.get("parent", 0)):
                above = levels[int(row["parent_level"])][where] == int(row["parent"])
                assert (labels & above).sum() >= 0.8 * labels.sum()
    check_objects(files, levels)
    numbers = sorted((row["level"], row["index"]) for row in files["masks.csv"])
    assert numbers == sorted((row["level"], row["object"]) for row in files["links.csv"])


def levels_of(files):
    return {level: files[f"level{level}.tif"] for level in SETTINGS.levels}


def check_objects(files, levels):
    """Every object has one row, of all its planes."""
    rows = {(int(row["level"]), int(row["index"])): row for row in files["objects.csv"]}
    present = {(level, int(n)) for level in levels for n in np.unique(levels[level]) if n}
    assert rows.keys() == present
    for (level, index), row in rows.items():
        labels = levels[level] == index
        assert int(row["voxels"]) == labels.sum()
        where = np.argwhere(labels.any(axis=(-2, -1)))
        what = "slice" if "slices" in row else "frame"
        numbers = where[:, -1].tolist()
        assert int(row[f"first_{what}"]) == min(numbers)
        assert int(row[f"last_{what}"]) == max(numbers)
        assert int(row[f"{what}s"]) == len(set(numbers))
        if int(row["parent"]):
            above = levels[int(row["parent_level"])] == int(row["parent"])
            assert (labels & above).sum() >= 0.8 * labels.sum()


def test_an_object_has_one_number_in_all_slices_and_files(segment):
    report, files = segment(STACK, "ZYX", measure=True)
    levels = levels_of(files)
    for labels in levels.values():
        assert at(labels, B) == [1, 1, 1, 0]
        (a,), (c,) = (set(at(labels, place)) - {0} for place in (A, C))
        assert {a, c} == {2, 3}
        assert (at(labels, A), at(labels, C)) == ([0, a, a, a], [0, 0, c, c])
    check_that_files_agree(files, levels)
    parents = {(row["z"], row["level"], row["parent_level"]) for row in files["masks.csv"]}
    assert parents == {(str(z), level, above) for z in range(4) for level, above in ("10", "21")}
    links = files["links.csv"]
    assert list(links[0])[:4] == ["level", "index", "label", "object"]
    assert len(links) == report.masks == 16
    assert {row["parent"] for row in links} == {"0"}
    last = [row for row in links if row["level"] == "1" and row["index"] == "3"]
    assert {(row["previous_index"], row["iou"]) for row in last} == {("2", "1")}


def test_a_row_for_each_object_tells_volume_parent_and_contents(segment):
    form = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    form |= {f"PhysicalSize{letter}Unit": "µm" for letter in "XYZ"}
    _, files = segment(STACK, "ZYX", facts=form, measure=True)
    cells = [row for row in files["objects.csv"] if row["level"] == "1"]
    assert [(row["slices"], row["first_slice"], row["last_slice"]) for row in cells] == [
        ("3", "0", "2"),
        ("3", "1", "3"),
        ("2", "2", "3"),
    ]
    for row in cells:
        assert float(row["volume_um3"]) == pytest.approx(float(row["voxels"]) / 2, rel=1e-4)
        assert row["children"] == "1"
    nuclei = [row for row in files["objects.csv"] if row["level"] == "2"]
    assert [(row["parent_level"], row["parent"]) for row in nuclei] == [
        ("1", row["index"]) for row in nuclei
    ]
    inside = {row["index"]: row for row in files["objects_inside.csv"]}
    for row in nuclei:
        assert inside[row["index"]]["inside_count"] == "1"
        assert inside[row["index"]]["inside_voxels"] == row["voxels"]
        share = float(row["voxels"]) / float(cells[int(row["index"]) - 1]["voxels"])
        assert float(inside[row["index"]]["inside_share_of_voxels"]) == pytest.approx(
            share, rel=1e-4
        )
        assert float(row["share_of_parent"]) == pytest.approx(share, rel=1e-4)


def test_a_movie_has_areas_instead_of_volumes(segment):
    _, files = segment(STACK, "TYX")
    row = files["objects.csv"][0]
    assert (row["frames"], row["first_frame"], row["last_frame"]) == ("3", "0", "2")
    assert float(row["mean_area"]) == pytest.approx(int(row["voxels"]) / 3, rel=1e-4)
    assert "volume_um3" not in row


def test_labels_are_those_of_the_planes_without_linking(segment):
    _, linked = segment(STACK, "ZYX")
    _, plain = segment(STACK, "ZYX", link=False)
    assert set(linked) - set(plain) == {"links.csv", "objects.csv"}
    assert at(plain["level1.tif"], A) != at(linked["level1.tif"], A)
    for level in SETTINGS.levels:
        before, after = (files[f"level{level}.tif"] for files in (plain, linked))
        np.testing.assert_array_equal(before > 0, after > 0)
        for row in (row for row in linked["links.csv"] if row["level"] == str(level)):
            index = int(row["index"])
            np.testing.assert_array_equal(
                before[index] == int(row["label"]), after[index] == int(row["object"])
            )


def test_a_damaged_plane_is_a_gap(segment):
    report, files = segment(np.stack([plane_of(A, B)] * 4), "ZYX", damaged=1)
    assert "(z = 1) could not be read" in report.skipped[0]
    labels = files["level1.tif"]
    first = at(labels, A)[0]
    assert at(labels, A) == [first, 0, first, first]
    check_that_files_agree(files, levels_of(files))
    (bridge,) = (
        row
        for row in files["links.csv"]
        if (row["level"], row["index"], row["object"]) == ("1", "2", str(first))
    )
    assert bridge["previous_index"] == "0"


def test_cells_divide_in_time_but_not_in_depth(segment):
    mother = np.zeros(SHAPE, np.uint8)
    mother[20:50, 20:80] = CELL
    daughters = mother.copy()
    daughters[:, 47:53] = 0
    for axes, divides in (("TYX", True), ("ZYX", False)):
        _, files = segment(np.stack([mother, daughters]), axes)
        labels = files["level1.tif"]
        start = labels[0, 30, 30]
        begun = {
            row["object"]: row["parent"]
            for row in files["links.csv"]
            if row["index"] == "1" and int(row["object"]) != start
        }
        assert len(begun) == (2 if divides else 1)
        assert set(begun.values()) == {str(start) if divides else "0"}
        assert {str(labels[1, 30, x]) for x in (30, 70)} >= set(begun)
        check_that_files_agree(files, levels_of(files))


@pytest.mark.parametrize("damaged", [None, 1])
def test_what_moves_with_the_stage_stays_itself(segment, damaged):
    moved = [plane_of(*((20, x + 18 * step) for x in (20, 60))) for step in range(3)]
    report, files = segment(np.stack(moved), "TYX", damaged=damaged)
    labels = files["level1.tif"]
    assert len(report.skipped) == (damaged is not None)
    for x in (20, 60):
        numbers = {labels[step, 20, x + 18 * step] for step in range(3)} - {0}
        assert len(numbers) == 1
        assert labels[2, 20, x + 36] in numbers


def test_the_stacks_of_a_movie_are_linked_along_z_and_share_no_number(segment):
    _, files = segment(np.stack([STACK, STACK[::-1]]), "TZYX")
    levels = levels_of(files)
    early, late = levels[1]
    assert at(early, B) == [1, 1, 1, 0]
    (b,) = set(at(late, B)) - {0}
    assert at(late, B) == [0, b, b, b]
    assert not set(np.unique(early)) & set(np.unique(late)) - {0}
    check_that_files_agree(files, levels)
    assert {(row["t"], row["index"]) for row in files["links.csv"]} == {
        (t, z) for t in "01" for z in "0123"
    }


def test_one_slice_of_a_movie_is_linked_along_time(segment):
    from napari_semantic_sam.batch.pictures import PictureOptions

    movie = np.stack([STACK, STACK])
    _, files = segment(movie, "TZYX", options=PictureOptions(plane={"Z": 2}))
    assert [len(set(at(files["level1.tif"], place))) for place in (A, B, C)] == [1, 1, 1]
    assert {row["index"] for row in files["links.csv"]} == {"0", "1"}


def test_a_single_plane_has_no_links(segment):
    _, files = segment(STACK[2], "YX")
    assert set(files) == {"level1.tif", "level2.tif", "masks.csv"}


def test_linking_is_part_of_what_was_done(tmp_path, segment, predictor):
    report, _ = segment(STACK, "ZYX")
    assert predictor.planes == 4
    again, _ = segment(None, "")
    assert again.done_before
    assert (again.files, again.masks, predictor.planes) == (report.files, report.masks, 4)
    (tmp_path / "out" / "s_links.csv").unlink()
    assert not segment(None, "")[0].done_before
    assert not segment(None, "", link=False)[0].done_before
    assert segment(None, "", link=False)[0].done_before


@pytest.mark.parametrize("side", [40, 2100])
def test_movements_of_large_planes_are_seen_in_steps(side):
    from napari_semantic_sam.batch.linking import Movements
    from napari_semantic_sam.inference.image import Plane

    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(side, side)), 4)
    movements = Movements(3)
    for number, shift in enumerate((0, 6, 12, 12)):
        movements.add(number, Plane.of(np.roll(values, shift, axis=1)))
    assert movements.of_series(0) == [(0, 6), (0, 6)]
    assert movements.of_series(3) == [(0, 0), (0, 0)]
