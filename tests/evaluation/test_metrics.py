from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.evaluation.metrics import (
    IOU_THRESHOLDS,
    Detection,
    add_detections,
    detect,
    overlaps,
    panoptic_quality,
)


def strip(*runs: tuple[int, int]) -> np.ndarray:
    """A label image of one row from (label, length) runs."""
    return np.concatenate([np.full(length, label) for label, length in runs])[None]


# Object 5 (8 px) is found with IoU 6/8, object 9 (10 px) is split in two halves (IoU 0.5 each),
# object 70000 (2 px) is missed, and label 4 of the prediction is made up.
TRUTH = strip((5, 8), (0, 2), (9, 10), (70000, 2), (0, 4))
PREDICTION = strip((1, 6), (0, 4), (2, 5), (3, 5), (0, 2), (4, 3), (0, 1))


def test_overlaps_lists_the_pairs_that_touch():
    table = overlaps(TRUTH, PREDICTION)
    pairs = {
        (table.true_labels[row].item(), table.predicted_labels[column].item()): iou
        for row, column, iou in zip(table.rows, table.columns, table.iou.tolist(), strict=True)
    }
    assert pairs == {(5, 1): 0.75, (9, 2): 0.5, (9, 3): 0.5}


def test_detection_counts_and_ratios():
    half, high = detect(TRUTH, PREDICTION, (0.5, 0.8))
    assert half == Detection(0.5, matched=2, missed=1, spurious=2)
    assert half.precision == 2 / 4
    assert half.recall == 2 / 3
    assert half.f1 == 4 / 7
    assert half.accuracy == 2 / 5
    assert high == Detection(0.8, matched=0, missed=3, spurious=4)
    assert (high.precision, high.recall, high.f1, high.accuracy) == (0, 0, 0, 0)


def test_low_thresholds_are_matched_as_well_as_can_be():
    # The first prediction fits both objects, the second only the first one: greedy matching
    # by IoU would leave the second object alone.
    truth = strip((1, 10), (2, 10))
    prediction = strip((2, 2), (1, 8), (1, 4), (0, 6))
    (found,) = detect(truth, prediction, (0.2,))
    assert found == Detection(0.2, matched=2, missed=0, spurious=0)


def test_thresholds_are_those_of_coco():
    assert IOU_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    matched = [found.matched for found in detect(TRUTH, PREDICTION)]
    assert matched == [2, 1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_panoptic_quality():
    found = panoptic_quality(TRUTH, PREDICTION)  # only IoUs above 0.5 count, not 0.5 itself
    assert found.segmentation == 0.75
    assert found.recognition == 1 / (1 + 2 / 2 + 3 / 2)
    assert found.quality == pytest.approx(0.75 / 3.5)


@pytest.mark.parametrize(
    ("truth", "prediction", "score"),
    [
        (strip((1, 4)), strip((7, 4)), 1.0),
        (strip((0, 4)), strip((0, 4)), 1.0),
        (strip((1, 4)), strip((0, 4)), 0.0),
        (strip((0, 4)), strip((1, 4)), 0.0),
    ],
    ids=["relabelled", "both empty", "nothing found", "nothing there"],
)
def test_perfect_and_hopeless(truth, prediction, score):
    for found in detect(truth, prediction):
        assert (found.precision, found.recall, found.f1, found.accuracy) == (score,) * 4
    assert panoptic_quality(truth, prediction).recognition == score


def test_counts_of_images_add_up():
    images = [detect(TRUTH, PREDICTION, (0.5,)), detect(TRUTH, TRUTH, (0.5,))]
    assert add_detections(images) == [Detection(0.5, matched=5, missed=1, spurious=2)]


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        overlaps(np.zeros((2, 3), int), np.zeros((3, 2), int))


def random_labels(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy label images of the same blobs."""
    yy, xx = np.mgrid[:60, :60]
    truth, prediction = np.zeros((2, 60, 60), int)
    for label, (y, x) in enumerate(rng.uniform(5, 55, (12, 2)), start=1):
        radius = rng.uniform(3, 8)
        truth[(yy - y) ** 2 + (xx - x) ** 2 < radius**2] = label
        moved = (yy - y - rng.normal(0, 1)) ** 2 + (xx - x - rng.normal(0, 1)) ** 2
        if rng.random() < 0.9:
            prediction[moved < (radius * rng.uniform(0.7, 1.2)) ** 2] = label + 20
    return truth, prediction


def test_panoptic_quality_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchmetrics.detection")
    rng = np.random.default_rng(3)
    for _ in range(5):
        truth, prediction = random_labels(rng)
        # The background is "stuff" of class 0 and left out of the result for class 1.
        metric = detection.PanopticQuality(
            things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True
        )
        planes = [
            torch.from_numpy(np.stack([labels > 0, labels], axis=-1)[None].astype(np.int64))
            for labels in (prediction, truth)
        ]
        things, _ = metric(*planes)
        ours = panoptic_quality(truth, prediction)
        expected = (ours.quality, ours.segmentation, ours.recognition)
        assert things.tolist() == pytest.approx(expected, abs=1e-6)
