"""Stacks and time series against annotated objects."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import torch
from automatic_stub import KnowingPredictor
from scipy import ndimage

from conftest import candidates
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.evaluation import evaluate
from napari_semantic_sam.evaluation.link_metrics import count_links
from napari_semantic_sam.evaluation.stack_floors import touching_slices
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.results import PromptResult

SHAPE = (40, 60)


class BlobPredictor(KnowingPredictor):
    """Sees what is brighter than half of the greys: a click gives the piece under it."""

    def __init__(self):
        super().__init__(np.zeros((3, *SHAPE), int))
        self.model.device = torch.device("cpu")

    def embed_plane(self, plane):
        height, width = plane.shape
        return ndimage.label(plane.read((0, 0, height, width))[..., 0] > 127)[0]

    def predict(self, embedding, points=(), boxes=()):
        results = []
        for y, x in points:
            piece = embedding[int(y), int(x)]
            found = (embedding == piece) & (piece > 0)
            masks = [found, ndimage.binary_dilation(found, iterations=8), np.zeros(SHAPE, bool)]
            results.append(PromptResult("click", (y, x), candidates(masks, (0.9, 0.95, 0.1))))
        return results


def ball_and_rod():
    """A ball in slices 2 to 8 and a slanted rod in slices 0 to 9, well apart."""
    z, y, x = np.ogrid[:12, : SHAPE[0], : SHAPE[1]]
    truth = np.zeros((12, *SHAPE), np.uint16)
    truth[(2.2 * (z - 5)) ** 2 + (y - 14) ** 2 + (x - 15) ** 2 <= 64] = 3
    for index in range(10):
        truth[index, 25:33, 22 + 2 * index : 34 + 2 * index] = 7
    return truth


def write(folder, stem, array):
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem}.tif"
    tifffile.imwrite(path, array, photometric="minisblack")
    return path


@pytest.fixture
def stacks(tmp_path):
    truth = ball_and_rod()
    rng = np.random.default_rng(0)
    pattern = 60 + 200 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1)
    ground = pattern.clip(0, 110)  # does not move
    noise = rng.normal(0, 3, truth.shape)
    write(tmp_path / "images", "a", np.where(truth > 0, 240, ground) + noise)
    write(tmp_path / "masks", "a", truth)
    return tmp_path


@pytest.fixture
def segmented(monkeypatch):
    """Automatic segmentation finds the bright pieces of every slice, at level 2."""

    def segment(predictor, image, settings, *, channels=None):
        found = LevelLabels(SHAPE)
        for level in settings.levels:
            seen = image > 127 if level == 2 else np.zeros(SHAPE, bool)
            found.attach(level, ndimage.label(seen)[0].astype(np.int32))
        return found

    monkeypatch.setattr("napari_semantic_sam.inference.automatic.picture.segment_picture", segment)


def test_objects_are_followed_from_their_middle_slice(stacks):
    report = evaluate(BlobPredictor(), stacks / "images", {"": stacks / "masks"}, "propagation")
    summary = report.summary
    assert summary["n_objects"] == 2
    assert summary["iou_3d"] > 0.9
    assert summary["share_over_50"] == 1
    assert summary["slices_missed"] <= 1 / 6  # at most the caps of the ball, which shrink quickly
    assert summary["slices_beyond"] == 0
    truth = ball_and_rod()
    copies = {label: np.broadcast_to(truth[5] == label, truth.shape) for label in (3, 7)}
    ious = [
        (copies[label] & (truth == label)).sum() / (copies[label] | (truth == label)).sum()
        for label in (3, 7)
    ]
    assert summary["floor_iou_3d"] == pytest.approx(np.mean(ious))
    assert summary["floor_iou_3d"] < summary["floor_extent_iou_3d"] < 1


def test_only_some_objects_and_several_folders(stacks):
    masks = {"all": stacks / "masks", "again": stacks / "masks"}
    report = evaluate(BlobPredictor(), stacks / "images", masks, "propagation", max_objects=3)
    assert report.summary["n_objects"] == 3
    assert report.summary["all/n_objects"] + report.summary["again/n_objects"] == 3


def test_slices_are_linked_and_compared_with_both_floors(stacks, segmented):
    report = evaluate(BlobPredictor(), stacks / "images", {"": stacks / "masks"}, "linking")
    summary = report.summary
    assert (summary["n_objects"], summary["level"]) == (2, 2)
    names = ("f1_50", "link_accuracy", "link_recall")
    for prefix in ("", "given_", "floor_", "given_floor_"):
        assert [summary[prefix + name] for name in names] == [1, 1, 1]
    assert summary["seconds_slice"] > 0


def test_every_level_is_linked_and_one_of_them_counts(stacks, segmented):
    folders = stacks / "images", {"": stacks / "masks"}
    for level in (2, 3):
        summary = evaluate(BlobPredictor(), *folders, "linking", level=level).summary
        assert summary["level"] == level
        assert [summary[f"level_{each}/f1_50"] for each in (1, 2, 3)] == [0, 1, 0]
        assert [summary[f"level_{each}/floor_link_recall"] for each in (1, 2, 3)] == [0, 1, 0]
        for name in ("f1_50", "link_accuracy", "floor_f1_50"):
            assert summary[name] == summary[f"level_{level}/{name}"]


def test_the_floor_joins_what_touches_and_linking_does_not(tmp_path, segmented):
    truth = np.zeros((4, *SHAPE), np.uint16)
    truth[:2, 5:20, 5:20] = 1  # ends where another one, a little to the side, begins
    truth[2:, 18:33, 18:33] = 2
    truth[:, 4:34, 38:58] = 3
    write(tmp_path / "images", "a", truth.clip(max=1) * np.uint16(200))
    write(tmp_path / "masks", "a", truth)
    folders = tmp_path / "images", {"cells": tmp_path / "masks"}
    summary = evaluate(BlobPredictor(), *folders, "linking", axis="T").summary
    assert summary["f1_50"] == summary["given_f1_50"] == summary["cells/f1_50"] == 1
    assert summary["floor_f1_50"] == pytest.approx(4 / 5)  # one of three is missing
    assert summary["floor_link_accuracy"] == pytest.approx(5 / 6)
    assert summary["floor_link_recall"] == 1


def test_the_command_line_measures_stacks(stacks, segmented, monkeypatch, command_line):
    monkeypatch.setattr("napari_semantic_sam.cli.load_predictor", lambda *_: BlobPredictor())
    arguments = ("--images", stacks / "images", "--masks", stacks / "masks")
    output = stacks / "report.json"
    for protocol, number in (("linking", "f1_50"), ("propagation", "share_over_50")):
        done = command_line("evaluate", *arguments, "--output", output, "--protocol", protocol)
        assert done.code == 0, done.err
        assert json.loads(output.read_text())["summary"][number] == 1
    done = command_line(
        "evaluate", *arguments, "--output", output, "--protocol", "linking", "--axis", "T"
    )
    assert json.loads(output.read_text())["provenance"]["axis"] == "T"
    done = command_line(
        "evaluate", *arguments, "--output", output, "--protocol", "linking", "--axis", "C"
    )
    assert done.code == 1
    assert "axis" in done.err


def test_what_is_no_stack_is_named_and_left_out(stacks):
    write(stacks / "images", "flat", np.zeros(SHAPE, np.uint8))
    write(stacks / "masks", "flat", np.ones(SHAPE, np.uint8))
    write(stacks / "images", "short", np.zeros((3, *SHAPE), np.uint8))
    write(stacks / "masks", "short", np.ones((4, *SHAPE), np.uint8))
    masks = {"": stacks / "masks"}
    report = evaluate(BlobPredictor(), stacks / "images", masks, "propagation")
    reasons = {entry["image"]: entry["reason"] for entry in report.skipped}
    assert reasons.keys() == {"flat", "short"}
    assert "three dimensions" in reasons["flat"]
    assert "slices and the size" in reasons["short"]
    assert report.summary["n_objects"] == 2


def test_a_stack_without_objects_measures_nothing(stacks, segmented):
    write(stacks / "masks", "a", np.zeros((12, *SHAPE), np.uint16))
    for protocol in ("propagation", "linking"):
        with pytest.raises(UserError, match="hold no object"):
            evaluate(BlobPredictor(), stacks / "images", {"": stacks / "masks"}, protocol)


def test_links_that_are_right_missing_and_wrong():
    truth = np.zeros((3, 10, 30), int)
    truth[:, 2:8, 2:8] = 1
    truth[:, 2:8, 12:18] = 2
    found = truth.copy()
    assert (count_links(truth, found).right, count_links(truth, found).accuracy) == (4, 1)
    found[2][truth[2] == 2] = 9  # broken
    found[1][truth[1] == 1] = 0  # not found
    counts = count_links(truth, found)
    assert (counts.right, counts.true, counts.made) == (1, 4, 1)
    assert (counts.recall, counts.accuracy) == (0.25, 0.25)
    swapped = np.where(truth == 1, 2, np.where(truth == 2, 1, 0))
    swapped[0] = truth[0]
    assert (count_links(truth, swapped).right, count_links(truth, swapped).made) == (2, 4)
    nothing = count_links(np.zeros_like(truth), np.zeros_like(truth))
    assert nothing.accuracy == nothing.recall == 1


def test_touching_slices_are_connected_components_of_labels():
    labels = np.zeros((3, 6, 12), int)
    labels[0, :, :3], labels[0, :, 3:6] = 1, 2  # touch within the slice only
    labels[1, :, 1:3], labels[1, :, 4:6] = 5, 5  # one label over both of them
    labels[2, :, 9:] = 5
    joined = touching_slices(labels)
    assert joined[0, 0, 0] == joined[0, 0, 4] == joined[1, 0, 1] != joined[2, 0, 10]
    assert ((joined > 0) == (labels > 0)).all()
    apart = touching_slices(labels[:1])
    assert apart[0, 0, 0] != apart[0, 0, 4]
