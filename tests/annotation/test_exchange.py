"""Kept labels to files and back: nothing is lost, and bad files are told apart."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import tifffile

from napari_semantic_sam.annotation.exchange import (
    Document,
    read_labels_file,
    write_labels_file,
)
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels

ENDINGS = (".ome.tif", ".tif", ".labels.ome.tiff", ".json", ".geojson")
SHAPE = (40, 56)


def tissue() -> LevelLabels:
    """Two levels: a ring with two nuclei, one of them in pieces, and labels without a parent."""
    coarse, fine = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.uint8)
    coarse[2:30, 3:40] = 4
    coarse[10:14, 10:14] = 0  # a hole
    coarse[35, 50] = coarse[36, 51] = 70_000  # touch diagonally
    fine[4:8, 5:9] = 1
    fine[8, 9] = fine[20:22, 20:22] = 1  # one diagonal neighbour, one piece apart
    fine[38:40, 0:2] = 9  # in the corner, no parent
    labels = LevelLabels(SHAPE)
    labels.attach(
        2,
        coarse,
        [
            LabelRow(4, 2, "cell, «round»\n;", 1 / 3, source="click"),
            LabelRow(70_000, 2, predicted_iou=0.1 + 0.2, stability=1.0, source="propagated"),
        ],
    )
    labels.attach(
        5, fine, [LabelRow(1, 5, " nan", math.nan, "Kern", 0.25, 0.5, math.nan, source="box")]
    )
    return labels


@pytest.fixture
def document():
    labels = tissue()
    return Document(
        SHAPE,
        {level: labels.array(level) for level in labels.levels},
        {level: labels.rows(level) for level in labels.levels},
        image="ihc · “1”",
        names={2: "Zellen", 5: "ihc · level 5"},
        pixel_size=(0.1 + 0.2, 0.25),
        unit="micrometer",
        checkpoint="tiny",
        level_order=(3, 2, 0, 4, 1, 5),
    )


def plain(rows):
    """Return rows as tuples that compare equal where both have NaN."""
    return [tuple(map(repr, asdict(row).values())) for row in rows]


def assert_same(found: Document, expected: Document) -> None:
    assert sorted(found.levels) == sorted(expected.levels)
    for level, array in expected.levels.items():
        assert found.levels[level].dtype == array.dtype
        np.testing.assert_array_equal(found.levels[level], array)
        assert plain(found.rows[level]) == plain(expected.rows[level])
    for name in ("shape", "image", "names", "pixel_size", "unit", "checkpoint", "level_order"):
        assert getattr(found, name) == getattr(expected, name)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_round_trip_gives_everything_back(document, tmp_path, ending):
    written = write_labels_file(document, tmp_path / f"tissue{ending}")
    assert sorted(tmp_path.iterdir()) == sorted(written)
    for path in written:
        found = read_labels_file(path, shape=SHAPE)
        assert_same(found, document)
        assert found.notes == ()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (9, 5)])
@pytest.mark.parametrize("count", [1, 3])
def test_any_labels_come_back(tmp_path, ending, shape, count):
    rng = np.random.default_rng([*shape, count])
    arrays = {
        level: rng.integers(0, 4, shape).astype(dtype)
        for level, dtype in zip(range(1, count + 1), ("uint16", "int64", "uint32"), strict=False)
    }
    document = Document(shape, arrays).completed()
    path = tmp_path / f"labels{ending}"
    write_labels_file(document, path)
    assert_same(read_labels_file(path), document)


@pytest.mark.parametrize("ending", ENDINGS)
def test_levels_without_labels_come_back(tmp_path, ending):
    path = tmp_path / f"empty{ending}"
    write_labels_file(Document((4, 5), {3: np.zeros((4, 5), np.int32)}), path)
    found = read_labels_file(path)
    assert list(found.levels) == [3]
    assert not found.levels[3].any()


@pytest.mark.parametrize("ending", [".json", ".geojson"])
@pytest.mark.parametrize("number", [2**31, 2**53 + 1, 2**63 + 1])
def test_large_numbers_of_labels_come_back(tmp_path, ending, number):
    array = np.zeros((3, 4), np.uint64 if number >= 2**63 else np.int64)
    array[1, 2] = number
    write_labels_file(Document((3, 4), {1: array}), tmp_path / f"a{ending}")
    read = read_labels_file(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read.levels[1], array)
    assert [row.index for row in read.rows[1]] == [number]


def test_levels_count_from_one():
    with pytest.raises(ValueError, match="count from 1"):
        Document((3, 4), {0: np.zeros((3, 4), np.int32)})


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_parent_in_a_level_that_was_not_saved_stays(document, tmp_path, ending):
    part = replace(document, levels={5: document.levels[5]}, rows={5: document.rows[5]})
    assert part.rows[5][0].parent == 4
    path = tmp_path / f"fine{ending}"
    write_labels_file(part, path)
    assert plain(read_labels_file(path).rows[5]) == plain(document.rows[5])


def test_labels_and_rows_that_do_not_match_are_told(document, tmp_path):
    rows = {2: [LabelRow(4, 2), LabelRow(5, 2, "gone")]}
    write_labels_file(document, tmp_path / "a.tif")
    table = tmp_path / "a.labels.csv"
    lines = ["index,level,object", "4,2,cell", "5,2,gone"]
    table.write_text("\n".join(lines), encoding="utf-8")
    found = read_labels_file(tmp_path / "a.tif")
    without_row, without_label = found.notes
    assert "3 labels (the first: level 2, number 70000) had no row" in without_row
    assert "1 row (level 2, number 5) without a label" in without_label
    assert found.rows[2][0].object == "cell"
    assert found.rows[2][0].area == np.count_nonzero(document.levels[2] == 4)
    assert [row.source for row in found.rows[5]] == ["painted", "painted"]
    assert (found.rows[5][0].parent_level, found.rows[5][0].parent) == (2, 4)
    assert replace(document, rows=rows).completed().notes == found.notes


def test_parents_that_are_gone_are_looked_for(document):
    rows = {5: [LabelRow(1, 5, parent_level=2, parent=8)]}
    row = replace(document, rows=rows).completed().rows[5][0]
    assert (row.parent_level, row.parent) == (2, 4)


def test_a_table_that_a_spreadsheet_saved_can_be_read(document, tmp_path):
    path = tmp_path / "a.ome.tif"
    write_labels_file(document, path)
    table = tmp_path / "a.labels.csv"
    with table.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        decimal = [
            [cell.replace(".", ",") if cell.startswith("0.") else cell for cell in line]
            for line in lines
        ]
        csv.writer(file, delimiter=";").writerows(decimal)
    assert_same(read_labels_file(table), document)


def test_the_ome_tiff_says_what_other_programs_ask_for(document, tmp_path):
    path = tmp_path / "a.ome.tif"
    write_labels_file(document, path)
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "CYX"
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    assert image["Name"] == document.image
    assert image["Pixels"]["PhysicalSizeX"] == 0.25
    assert image["Pixels"]["PhysicalSizeXUnit"] == "µm"
    assert [each["Name"] for each in image["Pixels"]["Channel"]] == ["Zellen", "ihc · level 5"]


def test_label_images_of_other_programs_are_levels_in_order(tmp_path):
    path = tmp_path / "masks.ome.tif"
    planes = np.array([[[1, 1, 1]], [[0, 2, 0]]], np.uint8)
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    tifffile.imwrite(path, planes, metadata=metadata, photometric="minisblack")
    found = read_labels_file(path)
    assert {level: array.tolist() for level, array in found.levels.items()} == {
        1: [[1, 1, 1]],
        2: [[0, 2, 0]],
    }
    assert found.rows[2] == [replace(found.rows[2][0], index=2, parent_level=1, parent=1)]
    assert found.pixel_size == (0.25, 0.5)
    assert found.unit == "micrometer"
    assert found.notes == ()


def test_the_picture_beside_a_table_is_not_taken_for_its_labels(document, tmp_path):
    write_labels_file(document, tmp_path / "cells.tif")
    tifffile.imwrite(tmp_path / "cells.ome.tif", np.ones(SHAPE, np.uint8))
    assert_same(read_labels_file(tmp_path / "cells.labels.csv"), document)


def test_results_of_the_batch_command_can_be_read(tmp_path):
    tifffile.imwrite(tmp_path / "a_level1.tif", np.full((3, 4), 1, np.uint16))
    tifffile.imwrite(tmp_path / "a_level6.tif", np.eye(3, 4, dtype=np.uint16) * 2)
    tifffile.imwrite(tmp_path / "ab_level2.tif", np.eye(3, 4, dtype=np.uint16))
    table = tmp_path / "a_masks.csv"
    table.write_text("index,level,stability,parent_level,parent,source,prompt\n1,1,.5,0,0,box,1\n")
    found = read_labels_file(table)
    assert sorted(found.levels) == [1, 6]
    assert (found.rows[1][0].stability, found.rows[1][0].source) == (0.5, "box")
    assert found.rows[6][0].parent == 1


def test_nothing_is_replaced_if_a_part_cannot_be_written(document, tmp_path):
    path = tmp_path / "a.tif"
    write_labels_file(document, path)
    before = path.read_bytes()
    (tmp_path / "a.labels.csv").unlink()
    (tmp_path / "a.labels.csv").mkdir()
    with pytest.raises(UserError, match=r"a\.labels\.csv"):
        write_labels_file(replace(document, image="other"), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("earlier", [None, b"index,level\n"])
def test_no_table_is_left_without_its_image(document, tmp_path, earlier):
    path, table = tmp_path / "a.labels.ome.tif", tmp_path / "a.labels.csv"
    path.mkdir()  # in its place, as a file that another program holds open
    if earlier is not None:
        table.write_bytes(earlier)
    with pytest.raises(UserError, match=r"a\.labels\.ome\.tif could not be written"):
        write_labels_file(document, path)
    assert (table.read_bytes() if table.exists() else None) == earlier


@pytest.mark.parametrize(
    ("array", "name", "words"),
    [
        (np.full((2, 2), -1), "a.tif", "negative"),
        (np.full((2, 2), 2**40), "a.tif", "cannot hold label number"),
        (np.ones((2, 2), int), "a.png", "ending"),
        (None, "a.json", "no labels"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path, array, name, words):
    levels = {} if array is None else {1: array}
    with pytest.raises(UserError, match=words):
        write_labels_file(Document((2, 2), levels), tmp_path / name)
    assert not list(tmp_path.iterdir())


def damaged_header(data):
    data["info"]["napari_semantic_sam"]["levels"] = 3


def later_header(data):
    data["info"]["napari_semantic_sam"]["format"] = 2


@pytest.mark.parametrize(
    ("change", "words"), [(damaged_header, "damaged"), (later_header, "later version")]
)
def test_a_bad_record_is_told(document, tmp_path, change, words):
    path = tmp_path / "a.json"
    write_labels_file(document, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_labels_file(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "not a JSON file"),
        ("a.json", "[1, 2]", "neither COCO"),
        ("a.geojson", '{"type": "Topology"}', "neither COCO"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "holds no labels"),
        ("a.geojson", '{"type": "FeatureCollection"}', "damaged"),
        ("a.tif", "II, not a TIFF", "not a TIFF"),
        ("a.csv", "index,level", "no table of labels"),
        ("a.labels.csv", "index,level", "is missing"),
        ("a_masks.csv", "index,level", "No label image"),
    ],
)
def test_files_that_are_not_labels_are_told(tmp_path, name, content, words):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_labels_file(tmp_path / name)


@pytest.mark.parametrize("content", ["a,b\n1,2", "index,level\nx,1", "index,level\n1,1\n1,1", ""])
def test_bad_tables_are_told(document, tmp_path, content):
    write_labels_file(document, tmp_path / "a.tif")
    (tmp_path / "a.labels.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.labels\.csv"):
        read_labels_file(tmp_path / "a.tif")


@pytest.mark.parametrize("ending", ENDINGS)
def test_labels_of_another_size_are_refused(document, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_labels_file(document, path)
    with pytest.raises(UserError, match=r"40 × 56 pixels .* 40 × 55"):
        read_labels_file(path, shape=(40, 55))


def test_a_stack_is_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, np.ones((3, 4, 5), np.uint8), metadata={"axes": "ZYX"}, photometric="minisblack"
    )
    with pytest.raises(UserError, match="stack"):
        read_labels_file(path)
