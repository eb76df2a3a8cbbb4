"""Whole pictures without prompts, against all annotated objects."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from automatic_stub import KnowingPredictor, cells_with_nuclei

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.evaluation import evaluate

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
