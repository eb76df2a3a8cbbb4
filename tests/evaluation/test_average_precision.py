from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
import pytest

from napari_semantic_sam.evaluation.average_precision import RankedHits, average_precision
from napari_semantic_sam.evaluation.metrics import IOU_THRESHOLDS, overlaps


def strip(*runs: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.full(length, label) for label, length in runs])[None]


TRUTH = strip((1, 4), (2, 4), (0, 4))


def ranked(prediction: np.ndarray, *scores: float, truth: np.ndarray = TRUTH) -> RankedHits:
    return RankedHits.of(overlaps(truth, prediction), scores)


def test_a_perfect_prediction_scores_one():
    assert average_precision([ranked(TRUTH, 0.9, 0.8)]) == dict.fromkeys(IOU_THRESHOLDS, 1.0)


def test_one_of_two_found_fills_half_the_recalls():
    found = average_precision([ranked(strip((1, 4), (0, 8)), 0.9)])
    assert found[0.5] == pytest.approx(51 / 101)  # recalls 0.00 … 0.50


def test_a_false_alarm_costs_only_if_it_ranks_above():
    prediction = strip((1, 4), (0, 4), (2, 4))
    below, above = ranked(prediction, 0.9, 0.1), ranked(prediction, 0.1, 0.9)
    assert average_precision([below])[0.5] == pytest.approx(51 / 101)
    assert average_precision([above])[0.5] == pytest.approx(51 / 101 / 2)


def test_nothing_found_and_nothing_there_score_zero():
    nothing, zeros = np.zeros_like(TRUTH), dict.fromkeys(IOU_THRESHOLDS, 0.0)
    assert average_precision([ranked(nothing)]) == zeros
    assert average_precision([ranked(TRUTH, 1.0, 1.0, truth=nothing)]) == zeros
    assert average_precision([]) == zeros


def test_a_missing_score_is_refused():
    with pytest.raises(ValueError, match="1 scores for 2 labels"):
        ranked(TRUTH, 0.9)


def test_agrees_with_pycocotools():
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    rng = np.random.default_rng(0)
    images = [noisy_blobs(rng) for _ in range(4)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = coco_truth(images)
        truth.createIndex()
        judge = cocoeval.COCOeval(truth, truth.loadRes(coco_results(images)), "segm")
        judge.evaluate()
        judge.accumulate()
    # precision: (thresholds, recalls, classes, areas, limits)
    expected = judge.eval["precision"][:, :, 0, 0, -1].mean(axis=1)
    entries = [
        ranked(image.prediction, *image.scores.tolist(), truth=image.truth) for image in images
    ]
    ours = list(average_precision(entries).values())
    assert 0.1 < expected[0] < 0.95
    assert ours == pytest.approx(expected.tolist(), abs=1e-9)


@dataclass(frozen=True)
class Blobs:
    truth: np.ndarray
    prediction: np.ndarray
    scores: np.ndarray


def noisy_blobs(rng: np.random.Generator) -> Blobs:
    yy, xx = np.mgrid[:64, :64]
    truth, prediction = np.zeros((2, 64, 64), int)
    for label, (y, x) in enumerate(rng.uniform(5, 59, (15, 2)), start=1):
        radius = rng.uniform(3, 8)
        truth[(yy - y) ** 2 + (xx - x) ** 2 < radius**2] = label
        dy, dx = rng.normal(0, 1.2, 2)
        prediction[(yy - y - dy) ** 2 + (xx - x - dx) ** 2 < radius**2] = label
    count = len(np.unique(prediction)) - 1
    return Blobs(truth, prediction, rng.choice([0.2, 0.4, 0.6, 0.8], count))


def coco_truth(images: list[Blobs]) -> dict:
    annotations = [
        {"image_id": number, "category_id": 1, "iscrowd": 0, **area_of(image.truth == label)}
        for number, image in enumerate(images)
        for label in np.unique(image.truth)[1:]
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    sizes = [{"id": number, "height": 64, "width": 64} for number in range(len(images))]
    return {"images": sizes, "annotations": annotations, "categories": [{"id": 1}]}


def coco_results(images: list[Blobs]) -> list[dict]:
    return [
        {"image_id": number, "category_id": 1, "score": score, **area_of(image.prediction == label)}
        for number, image in enumerate(images)
        for label, score in zip(
            np.unique(image.prediction)[1:].tolist(), image.scores.tolist(), strict=True
        )
    ]


def area_of(mask: np.ndarray) -> dict:
    from pycocotools import mask as rle

    code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"segmentation": code, "area": int(mask.sum())}
