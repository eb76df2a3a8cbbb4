"""Clicking until a mask is right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.evaluation import evaluate


def test_clicks_go_to_the_largest_error_until_the_mask_is_right(cell_folders, predictor):
    report = evaluate(predictor, cell_folders.images, {"": cell_folders["cells"]}, "interactive")
    # Cell 1: the first click gives its nucleus, 49 of 441 pixels; one into the rest of it
    # gives the cell. Cell 2: the first click gives everything as bright or brighter, 121 of
    # 562 pixels; one on cell 1, which is too much, leaves cell 2.
    summary = report.summary
    assert summary["iou_after_1"] == pytest.approx((1 / 9 + 121 / 562) / 2)
    assert [summary[f"iou_after_{number}"] for number in (2, 3, 4, 5)] == [1.0] * 4
    assert (summary["noc_80"], summary["noc_90"]) == (2.0, 2.0)
    assert (summary["reached_80"], summary["reached_90"]) == (1.0, 1.0)
    assert summary["n_objects"] == 2
    assert summary["seconds_click"] > 0
    cells, nuclei = (_labels(cell_folders[name]) for name in ("cells", "nuclei"))
    first, again, second, dim, dim_again, too_much = predictor.clicks
    assert (first, dim) == (again, dim_again)  # all clicks of an object are asked together
    assert (cells[first], nuclei[first]) == (1, 1)
    assert (cells[second], nuclei[second]) == (1, 0)
    assert cells[dim] == 2
    assert too_much == (20, 20)  # the pixel of cell 1 farthest from its outline


def test_a_mask_that_is_right_at_once_takes_one_click(folders, predictor):
    labels = np.zeros((30, 30), int)
    labels[5:12, 5:12] = 1
    folders.picture("a", labels * 90)
    folders.labels("a", labels)
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "interactive")
    assert (report.summary["noc_80"], report.summary["iou_after_1"]) == (1.0, 1.0)
    assert predictor.clicks == [(8, 8)]


def test_what_is_never_found_counts_as_five_clicks(folders, predictor):
    labels = np.zeros((30, 40), int)
    labels[4, 4] = labels[25, 35] = 1
    folders.picture("a", np.full((30, 40), 90))  # the object looks like everything else
    folders.labels("a", labels)
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "interactive")
    assert (report.summary["noc_80"], report.summary["noc_90"]) == (5.0, 5.0)
    assert (report.summary["reached_80"], report.summary["reached_90"]) == (0.0, 0.0)
    assert report.summary["iou_after_1"] == pytest.approx(2 / 1200)
    assert len(predictor.clicks) == 1 + 2 + 3 + 4 + 5


def test_an_object_of_which_nothing_is_found_is_not_asked_for_again(folders, predictor):
    labels = np.zeros((30, 40), int)
    labels[4:9, 4:9] = 1
    folders.picture("a", labels * 90)
    folders.labels("a", labels)
    predictor.predict = _nothing(predictor.predict)
    report = evaluate(predictor, folders.images, {"": folders["masks"]}, "interactive")
    assert report.summary["iou_after_5"] == 0.0
    assert predictor.clicks == [(6, 6)]


def _nothing(predict):
    """Answer clicks as ever, but with empty masks."""

    def answer(embedding, points=(), boxes=()):
        results = predict(embedding, points, boxes)
        return [type(each)(each.kind, each.prompt, each.candidates[2:]) for each in results]

    return answer


def _labels(folder):
    import tifffile

    return tifffile.imread(next(folder.glob("*.tif")))
