"""COCO and GeoJSON as other programs write and read them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pycocotools.mask
import pytest

from napari_semantic_sam.annotation.exchange import Document, read_labels_file, write_labels_file
from napari_semantic_sam.annotation.exchange.outlines import outline
from napari_semantic_sam.annotation.exchange.rle import decode, encode
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.polygons import fill
from napari_semantic_sam.inference.results import CroppedMask, tight

KNOTS = {
    "diagonal": ["#.", ".#"],
    "hole": ["###", "#.#", "###"],
    "hole that touches the outside": ["###", "#.#", "##."],
    "two holes that touch": ["#####", "#.###", "##.##", "#####"],
    "island in a hole": ["#####", "#...#", "#.#.#", "#...#", "#####"],
    "chessboard": ["#.#.#", ".#.#.", "#.#.#"],
    "spiral": ["#####", "....#", "###.#", "#...#", "#####"],
}


def random_masks():
    rng = np.random.default_rng(0)
    return [rng.random(rng.integers(1, 12, 2)) < rng.choice([0.3, 0.5, 0.8]) for _ in range(150)]


def masks():
    drawn = [np.array([[cell == "#" for cell in row] for row in rows]) for rows in KNOTS.values()]
    return [mask for mask in (*drawn, *random_masks()) if mask.any()]


def test_outlines_give_exactly_the_mask_they_were_drawn_from():
    for mask in masks():
        polygons = outline(mask, origin=(3, 5))
        found = fill([[np.array(ring, float) for ring in rings] for rings in polygons], (20, 20))
        np.testing.assert_array_equal(found.full_mask()[3:, 5:][: len(mask), : mask.shape[1]], mask)
        assert found.area == mask.sum()


def test_outlines_are_valid_polygons():
    for mask in masks():
        for outer, *holes in outline(mask):
            assert area(outer) > 0
            assert all(area(hole) < 0 for hole in holes)
            for ring in (outer, *holes):
                assert ring[0] == ring[-1]
                assert len(set(ring)) == len(ring) - 1  # simple: no point twice
                steps = np.diff(ring, axis=0)
                assert (np.count_nonzero(steps, axis=1) == 1).all()  # along pixel edges
                assert (steps[:-1] * steps[1:] == 0).all()  # points at corners only


def area(ring):
    (x, y), (following_x, following_y) = np.array(ring[:-1]).T, np.array(ring[1:]).T
    return (x * following_y - following_x * y).sum() / 2


def test_a_diagonal_is_two_polygons():
    assert len(outline(np.eye(2, dtype=bool))) == 2


def test_run_lengths_are_those_of_pycocotools():
    for mask in masks():
        full = np.zeros((20, 20), dtype=bool)
        full[3 : 3 + len(mask), 5 : 5 + mask.shape[1]] = mask
        expected = pycocotools.mask.encode(np.asfortranarray(full, dtype=np.uint8))
        cropped = CroppedMask(*tight(full, 0, 0), full.shape)
        assert encode(cropped).encode() == expected["counts"]
        np.testing.assert_array_equal(decode(encode(cropped), full.shape).full_mask(), full)


@pytest.fixture
def nested():
    """A cell with a nucleus, each in its level."""
    cell, nucleus = np.zeros((2, 12, 16), np.int32)
    cell[2:10, 2:12], nucleus[4:7, 4:9] = 3, 1
    rows = {
        1: [LabelRow(3, 1, "cell", source="click")],
        2: [LabelRow(1, 2, part="nucleus", parent_level=-1)],
    }
    return Document((12, 16), {1: cell, 2: nucleus}, rows, image="a").completed()


def written(document, path):
    write_labels_file(document, path)
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def saved(path, data):
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


# pycocotools 2.0 has not followed NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_is_what_other_programs_expect(nested, tmp_path):
    data = written(nested, tmp_path / "a.json")
    assert [(each["height"], each["width"]) for each in data["images"]] == [(12, 16)]
    assert {each["name"] for each in data["categories"]} == {"cell", "nucleus"}
    cell, nucleus = data["annotations"]
    assert cell["parent_id"] is None
    assert nucleus["parent_id"] == cell["id"] != nucleus["id"]
    assert cell["bbox"] == [2, 2, 10, 8]
    mask = pycocotools.mask.decode(nucleus["segmentation"])
    np.testing.assert_array_equal(mask, nested.levels[2])


def coco(**changes):
    polygon = [2, 2, 12, 2, 12, 10, 2, 10]
    data = {
        "images": [{"id": 7, "file_name": "scans/a.png", "height": 12, "width": 16}],
        "categories": [{"id": 0, "name": "cell"}, {"id": 1, "name": "nucleus"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[4, 4, 9, 4, 9, 7, 4, 7]]},
            {"id": 2, "image_id": 7, "category_id": 0, "segmentation": [polygon]},
            {"id": 3, "image_id": 7, "category_id": 0, "segmentation": [[12, 2, 16, 2, 16, 4]]},
        ],
    }
    return data | changes


def test_coco_of_other_programs_gets_levels_by_nesting(nested, tmp_path):
    found = read_labels_file(saved(tmp_path / "b.json", coco()))
    assert found.image == "a"
    assert sorted(found.levels) == [1, 2]
    np.testing.assert_array_equal(found.levels[2] > 0, nested.levels[2] > 0)
    assert [row.object for row in found.rows[1]] == ["cell", "cell"]
    (nucleus,) = found.rows[2]
    assert (nucleus.object, nucleus.parent_level, nucleus.area) == ("nucleus", 1, 15)


def test_neighbours_with_sloppy_outlines_stay_in_one_level(tmp_path):
    data = coco()
    data["annotations"][2]["segmentation"] = [[11.4, 2, 16, 2, 16, 10, 11.4, 10]]
    data["annotations"][2]["category_id"] = 1
    found = read_labels_file(saved(tmp_path / "b.json", data))
    assert len(found.rows[1]) == 1  # a fifth is more than sloppy
    data["annotations"][2]["segmentation"] = [
        [11.4, 2, 15, 2, 15, 3, 16, 3, 16, 12, 12, 12, 12, 3, 11.4, 3]
    ]
    found = read_labels_file(saved(tmp_path / "b.json", data))
    assert len(found.rows[1]) == 2
    assert found.notes[0].endswith("went to one of them: 1.")


def test_plain_run_lengths_and_boxes_without_outline(tmp_path):
    runs = {"size": [2, 3], "counts": [1, 2, 3]}
    data = {
        "image": {"image_id": 1, "height": 2, "width": 3, "file_name": "sa_1.jpg"},
        "annotations": [
            {"id": 1, "segmentation": runs, "predicted_iou": 0.5, "stability_score": 0.75},
            {"id": 2, "bbox": [0, 0, 1, 1], "segmentation": []},
        ],
    }
    found = read_labels_file(saved(tmp_path / "sa_1.json", data))
    assert found.levels[1].tolist() == [[0, 1, 0], [1, 0, 0]]
    assert (found.rows[1][0].predicted_iou, found.rows[1][0].stability) == (0.5, 0.75)
    assert found.notes == ("Objects without an outline that were left out: 1.",)


def test_of_several_pictures_the_one_that_is_open_is_read(tmp_path):
    second = {"id": 8, "file_name": "c.png", "height": 4, "width": 4}
    data = coco(images=[*coco()["images"], second])
    data["annotations"][1]["image_id"] = 8
    path = saved(tmp_path / "b.json", data)
    with pytest.raises(UserError, match="2 pictures"):
        read_labels_file(path)
    assert read_labels_file(path, image="a").shape == (12, 16)


def with_annotation(**changes):
    data = coco()
    data["annotations"][0].update(changes)
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (with_annotation(category_id=5), "category 5"),
        (with_annotation(image_id=5), "picture 5"),
        (with_annotation(segmentation=[[0, 0, 90, 0, 90, 9]]), "picture is 16 × 12"),
        (with_annotation(segmentation=[[0, 0, float("nan"), 0, 9, 9]]), "picture is 16 × 12"),
        (with_annotation(segmentation=[[1, 2, 3]]), "Object 1 .* damaged"),
        (with_annotation(segmentation={"size": [9, 9], "counts": [81]}), "9 × 9 pixels"),
        (with_annotation(segmentation={"size": [12, 16], "counts": [5]}), "Object 1 .* damaged"),
        (with_annotation(segmentation={"size": [12, 16], "counts": "~~"}), "Object 1 .* damaged"),
        (coco(images=[{"id": 7}]), "does not tell the size"),
        (coco(annotations=[3]), "not a COCO file"),
    ],
)
def test_bad_coco_files_are_told(tmp_path, data, words):
    with pytest.raises(UserError, match=words):
        read_labels_file(saved(tmp_path / "b.json", data))


def test_geojson_is_what_qupath_expects(nested, tmp_path):
    data = written(nested, tmp_path / "a.geojson")
    cell, nucleus = data["features"]
    assert data["type"] == "FeatureCollection"
    assert cell["geometry"]["coordinates"] == [[[2, 2], [12, 2], [12, 10], [2, 10], [2, 2]]]
    assert cell["properties"]["objectType"] == "annotation"
    assert cell["properties"]["classification"] == {"name": "cell"}
    assert nucleus["properties"]["name"] == "nucleus"
    assert nucleus["properties"]["parent_id"] == cell["id"]
    assert nucleus["properties"]["measurements"]["level"] == 2
    assert "stability" not in nucleus["properties"]["measurements"]


def test_what_qupath_keeps_of_our_file_is_enough(nested, tmp_path):
    data = written(nested, tmp_path / "a.geojson")
    kept = ("objectType", "name", "classification", "measurements", "metadata")
    for feature in data["features"]:
        properties = feature["properties"]
        feature["properties"] = {name: properties[name] for name in kept if name in properties}
    data["features"][0]["properties"]["classification"]["name"] = "tumour cell"
    new = {"type": "Polygon", "coordinates": [[[4, 4], [5, 4], [5, 5], [4, 5], [4, 4]]]}
    data["features"].append({"type": "Feature", "geometry": new, "properties": {}})
    features = {"type": "FeatureCollection", "features": data["features"]}
    found = read_labels_file(saved(tmp_path / "b.geojson", features), shape=(12, 16))
    for level, array in nested.levels.items():
        np.testing.assert_array_equal(found.levels[level], array)
    assert found.rows[1][0].object == "tumour cell"
    assert found.rows[1][0].source == "click"
    assert found.rows[2][0].part == "nucleus"
    assert found.rows[3][0].parent_level == 2


def square(x, y, side, **properties):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_annotations_that_were_drawn_in_qupath(tmp_path):
    cell = square(6, 0, 4, objectType="cell", classification={"names": ["Tumour", "Positive"]})
    cell["nucleusGeometry"] = square(7, 1, 2)["geometry"]
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}}
    tiny = square(0.6, 0.6, 0.3)
    path = saved(tmp_path / "b.geojson", [square(0, 0, 5, name="A 1"), cell, point, tiny])
    found = read_labels_file(path)
    assert (found.shape, found.sized) == ((5, 10), False)
    assert {row.object for row in found.rows[1]} == {"A 1", "Tumour: Positive"}
    assert [(row.object, row.part) for row in found.rows[2]] == [("Tumour: Positive", "nucleus")]
    assert found.notes == (
        "Points and lines that were left out: 1.",
        "Objects smaller than a pixel that were left out: 1.",
    )
    assert read_labels_file(path, shape=(20, 20)).shape == (20, 20)
    with pytest.raises(UserError, match="picture is 8 × 8"):
        read_labels_file(path, shape=(8, 8))


@pytest.mark.parametrize(
    ("name", "classification"),
    [
        ("CD3: positive", {"names": ["CD3", "positive"]}),
        ("GO:0005634", {"names": ["GO", "0005634"]}),
        ("two\nlines ", {"name": "two lines"}),
        (" : ", None),
        ("κύτταρο", {"name": "κύτταρο"}),
    ],
)
def test_names_that_qupath_refuses_as_a_class_come_back_all_the_same(
    nested, tmp_path, name, classification
):
    rows = {
        level: [replace(row, object=name) for row in found] for level, found in nested.rows.items()
    }
    path = tmp_path / "a.geojson"
    data = written(replace(nested, rows=rows), path)
    assert path.read_bytes().isascii()  # older versions of QuPath guess the encoding
    assert [each["properties"].get("classification") for each in data["features"]] == [
        classification
    ] * len(data["features"])
    found = read_labels_file(path)
    assert {row.object for level in found.rows.values() for row in level} == {name}
    for feature in data["features"]:
        feature["properties"]["classification"] = {"name": "tumour"}
    found = read_labels_file(saved(tmp_path / "b.geojson", data))
    assert {row.object for level in found.rows.values() for row in level} == {"tumour"}


def test_a_hierarchy_that_qupath_exported(tmp_path):
    inner = square(4, 4, 1, objectType="annotation", name="inner")
    cell = square(2, 2, 5, objectType="annotation", childObjects=[inner])
    outer = square(0, 0, 10, objectType="annotation", name="outer", childObjects=[cell])
    data = {"type": "FeatureCollection", "features": [outer]}
    found = read_labels_file(saved(tmp_path / "b.geojson", data))
    assert [len(found.rows[level]) for level in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize(
    "geometry",
    [None, {}, {"type": "Polygon", "coordinates": [[[1], [2], [3]]]}, {"type": "Polygon"}],
)
def test_bad_geojson_files_are_told(tmp_path, geometry):
    data = {"type": "Feature", "geometry": geometry, "properties": {}}
    with pytest.raises(UserError, match=r"Object 1 .* damaged"):
        read_labels_file(saved(tmp_path / "b.geojson", data))
