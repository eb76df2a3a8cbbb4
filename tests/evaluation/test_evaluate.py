from __future__ import annotations

import json

import numpy as np
import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.evaluation import evaluate
from napari_semantic_sam.inference.normalisation import normalise


def test_one_click_on_a_cell_with_a_nucleus(cell_folders, predictor):
    report = evaluate(predictor, cell_folders.images, {"": cell_folders["cells"]}, "one-click")
    # Cell 1 is clicked on its bright nucleus: both masks are the nucleus, 49 of 441 pixels.
    # Cell 2 is clicked on its own grey: its exact mask has IoU 1, the mask expected to be
    # better holds everything brighter, too: 121 of 121 + 441 pixels.
    assert report.summary["oracle_iou"] == pytest.approx((1 / 9 + 1) / 2)
    assert report.summary["max_iou"] == pytest.approx((1 / 9 + 121 / 562) / 2)
    assert report.summary["share_over_50"] == 0.5
    assert report.summary["share_over_75"] == 0.5
    assert report.summary["n_objects"] == 2
    errors = [0.6 - 1 / 9, 0.8 - 1 / 9, 0.1, 1.0 - 0.6, 0.8 - 121 / 562, 0.1]
    assert report.summary["calibration_error"] == pytest.approx(np.mean(errors))
    assert 0 < report.summary["calibration_correlation"] < 1
    assert report.summary["seconds_embed"] > 0
    assert report.summary["seconds_click"] > 0
    assert all(isinstance(value, int | float) for value in report.summary.values())


def test_random_clicks_follow_the_seed_and_nothing_else(cell_folders, predictor):
    masks = {"": cell_folders["cells"]}

    def clicks(seed: int) -> list[tuple[int, int]]:
        predictor.clicks = []
        evaluate(predictor, cell_folders.images, masks, "one-click", seed=seed)
        return predictor.clicks[-4:]  # two centre clicks and two random ones on image a

    first = clicks(seed=0)
    assert first[:2] == clicks(seed=1)[:2]
    assert first[2:] != clicks(seed=1)[2:]
    cell_folders.picture("A", np.full((60, 40), 9))
    cell_folders.labels("A", np.ones((60, 40)), "cells")
    assert clicks(seed=0) == first


def test_several_folders_of_masks(cell_folders, predictor):
    masks = {name: cell_folders[name] for name in ("cells", "nuclei")}
    report = evaluate(predictor, cell_folders.images, masks, "one-click")
    assert report.summary["cells/oracle_iou"] == pytest.approx(5 / 9)
    assert report.summary["nuclei/oracle_iou"] == 1.0
    assert report.summary["oracle_iou"] == pytest.approx((1 / 9 + 1 + 1) / 3)
    assert report.summary["nuclei/n_objects"] == 1
    assert report.images[0]["cells/n_objects"] == 2


def test_an_image_without_one_of_the_folders_labels_is_used_and_reported(cell_folders, predictor):
    cell_folders.picture("b", np.eye(12) * 90)
    cell_folders.labels("b", np.eye(12), "cells")
    masks = {name: cell_folders[name] for name in ("cells", "nuclei")}
    report = evaluate(predictor, cell_folders.images, masks, "box")
    assert report.summary["cells/n_objects"] == 3
    (entry,) = report.skipped
    assert entry["image"] == "b"
    assert str(cell_folders["nuclei"]) in entry["reason"]


def test_a_choice_of_channels_that_does_not_fit_names_the_file(
    cell_folders, predictor, monkeypatch
):
    def embed(image, *, channels):
        return normalise(image, channels=channels)

    monkeypatch.setattr(predictor, "embed", embed)
    masks = {"": cell_folders["nuclei"]}
    with pytest.raises(UserError, match=r"[/\\]a\.\w+: The picture has one channel; leave"):
        evaluate(predictor, cell_folders.images, masks, "one-click", channels=[-1])


def test_box(cell_folders, predictor):
    report = evaluate(predictor, cell_folders.images, {"": cell_folders["nuclei"]}, "box")
    assert report.summary["box_iou"] == 1.0
    assert report.summary["box_max_iou"] == pytest.approx(3 / 7)  # 3 of 7 rows
    assert report.summary["share_over_75"] == 1.0


def test_granularity_matches_everything_under_a_click(folders, predictor):
    # Bright nucleus in a grey cell: clicked on the rim of the cell, the masks are the rim
    # (60 of 100 pixels) and the cell; clicked on the nucleus, both are the nucleus.
    picture, cell, nucleus = np.zeros((3, 20, 20), int)
    cell[0:10, 0:10], nucleus[0:10, 0:4] = 1, 1
    picture[cell == 1], picture[nucleus == 1] = 50, 200
    folders.picture("a", picture)
    folders.labels("a", np.stack([cell, nucleus]))
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "granularity")
    # The centre of the cell is on the rim: one target, matched to the cell. On the nucleus
    # there are two: one mask goes to the nucleus (1.0), the other one to the cell (0.4).
    assert report.summary["granularity_iou"] == pytest.approx((1.0 + (1.0 + 0.4) / 2) / 2)
    assert report.summary["granularity_oracle_iou"] == report.summary["granularity_iou"]
    assert report.summary["targets_per_click"] == 1.5
    assert report.summary["n_objects"] == 2


def test_one_mask_may_answer_for_objects_that_two_people_drew(folders, predictor):
    first = np.zeros((12, 12), int)
    first[2:8, 2:8] = 3
    second = first.copy()
    second[2, 2] = 0  # one of 36 pixels less
    picture = first * 20
    picture[9:, :] = 90  # the other of the two masks holds everything brighter, too
    folders.picture("a", picture)
    folders.labels("a", np.stack([first, second]))
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "granularity")
    assert report.summary["granularity_oracle_iou"] == pytest.approx((1 + 35 / 36) / 2)
    assert report.summary["granularity_iou"] < 0.9


def test_granularity_counts_a_mask_once_however_often_it_is_drawn(folders, predictor):
    labels = np.zeros((12, 12), int)
    labels[2:8, 2:8] = 3
    folders.picture("a", labels * 20)
    folders.labels("a", np.stack([labels, labels, labels]))
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "granularity")
    assert report.summary["granularity_iou"] == 1.0
    assert report.summary["n_objects"] == 1
    assert report.summary["targets_per_click"] == 1.0


def test_means_are_over_objects_not_images(folders, predictor):
    many, one = np.zeros((2, 20, 20), int)
    for label in range(1, 4):
        many[5 * label : 5 * label + 3, 5:8] = label
    one[2:4, 2:4] = 1
    folders.picture("many", np.where(many, 90, 0))  # all three look the same: IoU 1/3
    folders.picture("one", np.where(one, 90, 0))
    folders.labels("many", many)
    folders.labels("one", one)
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "one-click")
    assert report.summary["oracle_iou"] == pytest.approx((3 * (1 / 3) + 1) / 4)
    assert [row["oracle_iou"] for row in report.images] == pytest.approx([1 / 3, 1])


def test_many_objects_and_fewer_on_request(folders, predictor):
    labels = np.arange(1, 101).reshape(10, 10).repeat(3, 0).repeat(3, 1)
    folders.picture("a", labels)
    folders.labels("a", labels)
    masks = {"": folders["masks"]}
    report = evaluate(predictor, folders.images, masks, "one-click")
    assert (report.summary["n_objects"], report.summary["oracle_iou"]) == (100, 1.0)
    predictor.clicks = []
    some = evaluate(predictor, folders.images, masks, "one-click", max_objects=7)
    assert (some.summary["n_objects"], len(set(predictor.clicks[:7]))) == (7, 7)


def test_channels_reach_the_predictor(folders, predictor):
    labels = np.zeros((10, 10), int)
    labels[2:5, 2:5] = 1
    folders.picture("a", np.stack([labels * 0, labels * 90, labels * 0], axis=-1))
    folders.labels("a", labels)
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "one-click", channels=[1])
    assert report.summary["oracle_iou"] == 1.0
    assert report.provenance["channels"] == [1]


def test_bad_files_are_left_out_with_a_reason_and_the_rest_goes_on(cell_folders, predictor):
    labels = np.zeros((30, 30), int)
    labels[3, 4] = 1
    for stem in ("corrupt", "corruptmask", "dot", "empty", "shape"):
        cell_folders.picture(stem, labels * 70)
        cell_folders.labels(stem, labels, "cells")
    cell_folders.labels("shape", labels[:20], "cells")
    cell_folders.labels("empty", labels * 0, "cells")
    cell_folders.labels("lonely", labels, "cells")
    picture = cell_folders.images / "corrupt.png"
    picture.write_bytes(picture.read_bytes()[:-30])
    (cell_folders["cells"] / "corruptmask.tif").write_text("not a picture")
    seen = []
    report = evaluate(
        predictor,
        cell_folders.images,
        {"": cell_folders["cells"]},
        "one-click",
        progress=lambda *step: seen.append(step),
    )
    assert [row["image"] for row in report.images] == ["a", "dot", "empty"]
    assert report.images[1]["oracle_iou"] == 1.0  # an object of one pixel
    assert report.images[2] == {"image": "empty", "n_objects": 0}
    assert report.summary["n_objects"] == 3
    reasons = {entry["image"]: entry["reason"] for entry in report.skipped}
    assert set(reasons) == {"corrupt", "corruptmask", "shape", "lonely"}
    assert "corrupt.png" in reasons["corrupt"]
    assert "corruptmask.tif" in reasons["corruptmask"]
    assert "30 × 20 pixels" in reasons["shape"]
    assert "30 × 30" in reasons["shape"]
    assert seen[0] == (0, 6, "a")
    assert [step[0] for step in seen] == list(range(6))


@pytest.mark.parametrize(
    ("protocol", "masks", "message"),
    [
        ("two-clicks", "cells", "no protocol called 'two-clicks'; choose one of one-click"),
        ("one-click", "nowhere", "nowhere is not a folder"),
        ("one-click", "empty", "hold no object"),
        ("one-click", "small", "is 12 × 12 pixels"),
    ],
)
def test_nothing_to_evaluate_is_an_error(cell_folders, predictor, protocol, masks, message):
    cell_folders.labels("a", np.zeros((60, 40)), "empty")
    cell_folders.labels("a", np.ones((12, 12)), "small")
    with pytest.raises(UserError, match=message):
        evaluate(predictor, cell_folders.images, {"": cell_folders[masks]}, protocol)


def test_report_files(cell_folders, predictor, tmp_path):
    report = evaluate(predictor, cell_folders.images, {"": cell_folders["cells"]}, "one-click")
    table = report.write(tmp_path / "new" / "report.json")
    data = json.loads((tmp_path / "new" / "report.json").read_text())
    assert data["summary"] == report.summary
    assert data["images"] == report.images
    assert data["skipped"] == []
    facts = data["provenance"]
    assert (facts["checkpoint"], facts["seed"], facts["protocol"]) == ("c0ffee", 0, "one-click")
    assert {"torch", "numpy", "python", "napari-semantic-sam"} <= set(facts["versions"])
    assert facts["machine"]["cores"] >= 1
    assert table == tmp_path / "new" / "report.md"
    assert "| oracle_iou | 0.5556 |" in table.read_text()
    assert sorted(path.name for path in table.parent.iterdir()) == ["report.json", "report.md"]


@pytest.mark.parametrize("name", ["report.md", "report", "folder.json"])
def test_a_report_needs_a_json_file(cell_folders, predictor, tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    report = evaluate(predictor, cell_folders.images, {"": cell_folders["cells"]}, "box")
    with pytest.raises(UserError, match=r"ending in \.json"):
        report.write(tmp_path / name)
