"""The exact path against decisions of the published implementation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from published_reference import FULL, synthetic_model, synthetic_weights

from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.inference.automatic import (
    AutomaticSettings,
    Thresholds,
    automatic_masks,
    exact_masks,
)
from napari_semantic_sam.inference.automatic.agreement import agreement
from napari_semantic_sam.inference.automatic.asking import Answers
from napari_semantic_sam.inference.automatic.decisions import decide
from napari_semantic_sam.inference.automatic.exact import full_size_masks
from napari_semantic_sam.inference.automatic.regions import fill_holes, remove_islands
from napari_semantic_sam.inference.masks import Frame
from napari_semantic_sam.model.config import PUBLISHED_LEVEL_ORDER
from napari_semantic_sam.model.predictions import DenseMasks
from napari_semantic_sam.model.types import Geometry

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        not FULL.exists(), reason="the full set of reference tensors is not beside the checkout"
    ),
]

NAMES = {
    "pred_iou_thresh": "predicted_iou",
    "stability_score_thresh": "stability",
    "box_nms_thresh": "box_overlap",
    "min_mask_region_area": "smallest_region",
}


def check(kept, stored, case):
    """Compare masks, their order and numbers with a stored result."""
    width = int(stored[f"{case}/mask_hw"][1])
    masks = np.unpackbits(stored[f"{case}/masks_packed"], axis=-1)[..., :width].astype(bool)
    assert len(kept) == len(masks) == int(stored[f"{case}/n"])
    for mask, expected in zip(kept, masks, strict=True):
        np.testing.assert_array_equal(mask.full_mask(), expected)
    boxes = [(x0, y0, x1 - 1, y1 - 1) for y0, x0, y1, x1 in (mask.box for mask in kept)]
    np.testing.assert_array_equal(boxes, boxes_of(stored[f"{case}/bbox"]))
    for ours, theirs, limit in (
        ("predicted_iou", "predicted_iou", 2e-5),
        ("stability", "stability_score", 1e-6),
        ("area", "area", 0),
    ):
        values = [getattr(mask, ours) for mask in kept]
        np.testing.assert_allclose(values, stored[f"{case}/{theirs}"], rtol=0, atol=limit)


def boxes_of(bbox):
    """First and last pixels of stored ``(x, y, width, height)``; see `corners`."""
    return np.concatenate([bbox[:, :2], bbox[:, :2] + bbox[:, 2:]], axis=1)


@pytest.mark.parametrize("case", ["default", "level3", "level16", "loose", "noregion"])
def test_filters_duplicates_and_cleaning(case):
    stored = np.load(FULL / "auto_postprocess_synthetic.npz")
    options = json.loads(str(stored[f"{case}/args"]))
    levels = options.pop("level", [1, 2, 3, 4, 5, 6])
    thresholds = Thresholds(**{NAMES[name]: value for name, value in options.items()})
    tokens = [PUBLISHED_LEVEL_ORDER[level - 1] for level in levels]
    scores = torch.from_numpy(stored["pred_ious"])[:, tokens]
    rows, columns = (scores > thresholds.predicted_iou).nonzero(as_tuple=True)
    logits = DenseMasks(torch.from_numpy(stored["logits_int8"]).float() / 8)
    chosen = torch.tensor(tokens)[columns]
    answers = Answers(
        masks=logits.pick(rows, chosen),
        points=rows.numpy(),
        tokens=chosen.numpy(),
        levels=np.array(levels)[columns],
        predicted_iou=scores[rows, columns].numpy(),
    )
    masks = full_size_masks(answers, Frame(Geometry((96, 128), (96, 128)), 1, (96, 128)))
    stable = [mask for mask in masks if mask.stability >= thresholds.stability]
    assert len(stable) == len(stored[f"{case}/pre_nms_iou"])
    check(decide(masks, thresholds, across_levels=True), stored, case)


@pytest.mark.parametrize("smallest", [10, 100])
def test_small_holes_and_islands(smallest):
    stored = np.load(FULL / "postprocess_regions_and_multimask.npz")
    for name, clean in (("holes", fill_holes), ("islands", remove_islands)):
        for mask, expected, changed in zip(
            stored["masks"],
            stored[f"{name}_{smallest}"],
            stored[f"{name}_{smallest}_changed"],
            strict=True,
        ):
            cleaned = clean(mask, smallest)
            np.testing.assert_array_equal(cleaned, expected)
            assert (cleaned is not mask) == changed


@pytest.fixture(scope="module")
def predictor():
    model = synthetic_model("swin-t", synthetic_weights("swin-t"))
    model.level_order = PUBLISHED_LEVEL_ORDER
    return Predictor(model)


@pytest.fixture(scope="module")
def stored():
    return np.load(FULL / "T_256x320_auto.npz")


@pytest.fixture(scope="module")
def embedding(predictor, stored):
    return predictor.embed(stored["image"], scale=1.0)


def stored_settings(stored, levels):
    options = json.loads(str(stored["args"]))
    return AutomaticSettings(
        levels,
        Thresholds(**{NAMES[name]: options[name] for name in NAMES}),
        points_per_side=options["points_per_side"],
        across_levels=True,
    ), options["points_per_batch"]


@pytest.mark.parametrize(("case", "levels"), [("all", (1, 2, 3, 4, 5, 6)), ("l3", (3,))])
def test_the_whole_chain(predictor, embedding, stored, case, levels):
    settings, at_once = stored_settings(stored, levels)
    kept = exact_masks(predictor, embedding, settings, points_at_once=at_once)
    check(kept, stored, case)


def test_the_quick_way_keeps_the_same_masks(predictor, embedding, stored):
    settings, _ = stored_settings(stored, (1, 2, 3, 4, 5, 6))
    quick = automatic_masks(predictor, embedding, settings)
    exact = exact_masks(predictor, embedding, settings, joint=False)
    assert exact
    assert agreement(quick, exact) >= 0.98
