"""Masks drawn quickly, for what follows the mouse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.inference.masks import Frame, full_size
from napari_semantic_sam.model.loading import load_model
from napari_semantic_sam.model.predictions import MaskPiece
from napari_semantic_sam.model.types import Geometry


@pytest.fixture(scope="module")
def predictor():
    return Predictor(load_model("tiny", "cpu"))


def _both(predictor, side):
    """Ask in the middle of a large disc, with all care and quickly."""
    y, x = np.mgrid[:side, :side] - side / 2
    noise = np.random.default_rng(1).normal(0, 6, (side, side))
    picture = np.where(np.hypot(y, x) < 0.4 * side, 170, 60) + noise
    embedding = predictor.embed(picture.clip(0, 255).astype(np.uint8))
    points = [(side / 2, side / 2)]
    (full,), (draft,) = (predictor.predict(embedding, points, draft=each) for each in (False, True))
    return list(zip(full.candidates, draft.candidates, strict=True))


def test_small_pictures_are_drawn_as_ever(predictor):
    for full, draft in _both(predictor, 128):
        assert (draft.box, draft.predicted_iou) == (full.box, full.predicted_iou)
        assert (draft.level, draft.token) == (full.level, full.token)
        assert np.array_equal(draft.crop, full.crop)


def test_large_masks_are_nearly_the_same(predictor):
    large = [pair for pair in _both(predictor, 640) if pair[0].area > 640**2 / 4]
    assert large
    assert all(draft.iou(full) > 0.7 for full, draft in large)
    assert all(draft.predicted_iou == full.predicted_iou for full, draft in large)


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_mask_known_at_some_cells_is_drawn_in_its_place(step):
    frame = Frame(Geometry((480, 400), (480, 416)), 4, (240, 200))
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(100.0), indexing="ij")
    logits = (30 - torch.hypot(y - 66, x - 41)) / 4
    top, left = 23, 4
    every = MaskPiece(top, left, logits[top:, left:])
    some = MaskPiece(top, left, every.logits[step // 2 :: step, step // 2 :: step], step)
    full, rough = (
        full_size(piece, frame, token=2, level=3, predicted_iou=0.5) for piece in (every, some)
    )
    assert rough.iou(full) > 0.97
    assert rough.stability == pytest.approx(full.stability, abs=0.03)
