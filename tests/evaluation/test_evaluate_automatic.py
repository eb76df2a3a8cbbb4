"""Whole pictures without prompts, against all annotated objects."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from automatic_stub import KnowingPredictor, cells_with_nuclei

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.evaluation import evaluate
from napari_semantic_sam.evaluation.automatic import AutomaticProtocol
from napari_semantic_sam.evaluation.average_precision import RankedHits, average_precision
from napari_semantic_sam.evaluation.metrics import detect, overlaps
from napari_semantic_sam.inference.automatic.picture import segment_picture, suited_settings
from napari_semantic_sam.io.pairs import pair_files

KEYS = ("f1_50", "f1_75", "ap", "floor_f1_50", "floor_f1_75")


@pytest.fixture
def predictor(monkeypatch):
    predictor = KnowingPredictor(cells_with_nuclei())
    predictor.model.device = torch.device("cpu")
    limits = {"predicted_iou": 0.3, "stability": 0.5}
    predictor.model.automatic = {"level": 2, "level_step": 1.0, **limits}
    return predictor


@pytest.fixture
def cells(folders):
    truth = cells_with_nuclei()
    folders.picture("a", truth.clip(max=1).sum(axis=0) * 70 + 20)
    folders.labels("a", truth[0], "cells")
    folders.labels("a", truth[1], "nuclei")
    return folders


def test_every_level_and_the_classical_floor(predictor, cells):
    report = evaluate(predictor, cells.images, {"": cells["nuclei"]}, "automatic")
    summary = report.summary
    assert summary["level"] == 2
    assert summary["n_objects"] == 5
    assert summary["f1_50"] == summary["f1_75"] == summary["level_2/f1_50"] == 1
    assert 0.6 < summary["ap"] < 1  # masks at half resolution are not right to 0.95
    assert summary["level_1/f1_50"] == summary["level_3/f1_50"] == 0
    assert 0 <= summary["floor_f1_75"] <= summary["floor_f1_50"] <= 1
    assert summary["seconds_picture"] > 0
    (row,) = report.images
    assert {key: row[key] for key in KEYS} == {key: summary[key] for key in KEYS}


def test_the_floor_is_that_of_the_classical_method(predictor, cells):
    report = evaluate(predictor, cells.images, {"": cells["cells"]}, "automatic")
    assert report.summary["floor_f1_50"] == 1  # six bright discs, well apart
    assert report.summary["f1_50"] == 0  # nuclei are no cells


def test_another_level_may_be_asked_for(predictor, cells):
    report = evaluate(predictor, cells.images, {"": cells["cells"]}, "automatic", level=1)
    assert (report.summary["level"], report.summary["f1_50"]) == (1, 1)
    for level in (0, 4):
        with pytest.raises(UserError, match=f"no level {level}"):
            evaluate(predictor, cells.images, {"": cells["cells"]}, "automatic", level=level)
    with pytest.raises(UserError, match="belongs to the protocol automatic"):
        evaluate(predictor, cells.images, {"": cells["cells"]}, "box", level=1)


def test_without_a_record_the_middle_level_counts(predictor, cells):
    del predictor.model.automatic["level"]
    report = evaluate(predictor, cells.images, {"": cells["nuclei"]}, "automatic")
    assert report.summary["level"] == 2


def test_several_folders_and_pictures_are_put_together(predictor, cells):
    truth = cells_with_nuclei()
    cells.picture("b", truth[0] * 30)
    cells.labels("b", np.zeros_like(truth[0]), "nuclei")
    cells.labels("b", truth[0], "cells")
    folders = {"cells": cells["cells"], "nuclei": cells["nuclei"]}
    summary = evaluate(predictor, cells.images, folders, "automatic").summary
    assert summary["n_objects"] == 17
    assert summary["nuclei/n_objects"] == 5
    # The second picture has five found nuclei and no true one.
    assert summary["nuclei/f1_50"] == pytest.approx(2 * 5 / (2 * 5 + 5))
    assert summary["nuclei/mean_f1_50"] == pytest.approx((1 + 0) / 2)
    assert summary["cells/level_1/f1_50"] == 1
    assert summary["f1_50"] == pytest.approx(2 * 5 / (2 * 5 + 12 + 15))


def side_by_side(labels: list[np.ndarray]) -> np.ndarray:
    """Put label images together, each with numbers of its own."""
    return np.hstack([np.where(each, each + 100 * n, 0) for n, each in enumerate(labels)])


def test_numbers_are_those_of_all_label_images_at_once(predictor, folders):
    predictor.model.scores = {(1, label): 0.9 - 0.1 * label for label in (2, 4)}
    truths = []
    for stem, move in zip("abc", (0, 5, 9), strict=True):
        truths.append(np.roll(cells_with_nuclei()[0], move, axis=1))
        folders.picture(stem, cells_with_nuclei()[0] * 30)
        folders.labels(stem, truths[-1])
    summary = evaluate(
        predictor, folders.images, {"": folders["masks"]}, "automatic", level=1
    ).summary

    found = segment_picture(predictor, cells_with_nuclei()[0] * 30, suited_settings(predictor))
    truth, prediction = side_by_side(truths), side_by_side([found.array(1)] * 3)
    f1 = [each.f1 for each in detect(truth, prediction, (0.5, 0.75))]
    scores = [row.predicted_iou for row in found.rows(1)] * 3
    precision = average_precision([RankedHits.of(overlaps(truth, prediction), scores)])
    assert len(set(scores)) > 1
    assert 0 < f1[1] < f1[0]
    assert [summary["f1_50"], summary["f1_75"]] == f1
    assert summary["ap"] == np.mean(list(precision.values()))


def test_a_result_holds_no_label_images(predictor, cells):
    protocol = AutomaticProtocol.of(predictor, None, None)
    (files,) = pair_files(cells.images, {"": cells["cells"]}).files
    result = protocol.image(files)
    assert len(pickle.dumps(result)) < 160 * 200 / 4  # bytes; one label image has 160 × 200


def test_pictures_that_cannot_be_used_are_named(predictor, cells):
    cells.picture("wide", np.zeros((160, 200)))
    cells.labels("wide", np.zeros((10, 10)), "nuclei")
    (cells.images / "torn.png").write_bytes(b"no picture")
    cells.labels("torn", np.zeros((10, 10)), "nuclei")
    report = evaluate(predictor, cells.images, {"": cells["nuclei"]}, "automatic")
    reasons = {entry["image"]: entry["reason"] for entry in report.skipped}
    assert "10 × 10 pixels" in reasons["wide"]
    assert "torn.png" in reasons["torn"]
    assert report.summary["f1_50"] == 1


def test_labels_without_objects_are_an_error(predictor, cells):
    cells.labels("a", np.zeros((160, 200)), "none")
    with pytest.raises(UserError, match="no object"):
        evaluate(predictor, cells.images, {"": cells["none"]}, "automatic")


def test_the_command_line(cells, tmp_path, command_line):
    arguments = ["evaluate", "--images", cells.images, "--masks", cells["nuclei"]]
    arguments += ["--protocol", "automatic", "--level", "3", "--device", "cpu"]
    outcome = command_line(*arguments, "--output", tmp_path / "report.json")
    assert outcome.code == 0
    summary = json.loads((tmp_path / "report.json").read_text())["summary"]
    assert set(KEYS) <= set(summary)
    assert {f"level_{level}/f1_50" for level in range(1, 7)} <= set(summary)
    assert summary["level"] == 3
