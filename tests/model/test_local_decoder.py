from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_semantic_sam.model import Prompts, SemanticSAM, implicit_masks
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.implicit_masks import OUTSIDE


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelConfig(
        TimmConfig("tf_efficientnet_lite0"),
        LocalConfig(width=32, heads=4, feedforward=32, decoder_layers=2, mask_channels=8),
        size_divisor=64,
    )
    return SemanticSAM(config).eval()


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 100, 150, generator=torch.Generator().manual_seed(1)) * 255


def clicks(*points):
    return Prompts.clicks(torch.tensor(points))


@torch.no_grad()
def test_candidates_cover_the_padded_input_at_stride_two(model, image):
    candidates = model.decode(model.encode(image), clicks((0.5, 0.5), (0.1, 0.9)))
    assert candidates.mask_logits.shape == (2, 6, 64, 96)
    assert candidates.geometry.padded_size == (128, 192)
    assert ((candidates.predicted_iou > 0) & (candidates.predicted_iou < 1)).all()


@torch.no_grad()
def test_a_click_only_sees_its_surroundings(model):
    """What lies farther away than the largest window changes nothing but through the backbone."""
    near = torch.zeros(1, 3, 64, 1280)
    far = near.clone()
    far[..., 1200:] = 255
    click = clicks((0.02, 0.5))
    one, other = (model.decode(model.encode(image), click) for image in (near, far))
    torch.testing.assert_close(one.predicted_iou, other.predicted_iou)
    torch.testing.assert_close(one.boxes, other.boxes)


@pytest.fixture
def with_specks(monkeypatch):
    """Masks as the network gives them, point by point."""
    monkeypatch.setattr(implicit_masks, "without_specks", lambda logits: logits)


@torch.no_grad()
@pytest.mark.usefixtures("with_specks")
def test_sketches_are_a_few_logits_of_the_whole_masks(model, image, monkeypatch):
    monkeypatch.setattr(implicit_masks, "SKETCH_CELLS", 300)
    masks = model.decode_last(model.encode(image), clicks((0.4, 0.6), (0.9, 0.1))).masks
    sketches = list(masks.sketches())
    assert {sketch.step for sketch in sketches} >= {2, 3}
    for sketch, logits in zip(sketches, masks.dense().flatten(0, 1), strict=True):
        assert 0 < sketch.logits.numel() <= 300
        rows, columns = sketch.logits.shape
        first, step = sketch.step // 2, sketch.step
        same = logits[sketch.y0 + first :: step, sketch.x0 + first :: step][:rows, :columns]
        known = same != OUTSIDE
        assert known.any()
        torch.testing.assert_close(sketch.logits[known], same[known], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_whole_masks_have_no_specks(model, image):
    masks = model.decode_last(model.encode(image), clicks((0.4, 0.6), (0.9, 0.1))).masks
    for piece in [*masks.pieces(), *masks.sketches()]:
        pieces, count = ndimage.label(piece.logits > 0, np.ones((3, 3)))
        areas = np.bincount(pieces.ravel())[1:]
        # The largest one has grown since, by its holes.
        assert count == 0 or areas.min() >= 0.05 * areas.max()


@torch.no_grad()
@pytest.mark.usefixtures("with_specks")
def test_whole_masks_agree_with_sampled_points(model, image):
    embedding = model.encode(image)
    masks = model.decode_layers(embedding, clicks((0.4, 0.6)))[-1].masks
    dense = masks.dense()
    rows, columns = torch.tensor([30, 12, 5]), torch.tensor([40, 3, 90])
    points = torch.stack([(columns + 0.5) / 96, (rows + 0.5) / 64], dim=-1)[None]
    inside = dense[0, :, rows, columns] != OUTSIDE
    assert inside.any()
    every = masks.sample_all(points)[0]
    torch.testing.assert_close(dense[0, :, rows, columns][inside], every[inside])
    prompts, tokens = torch.zeros(6, dtype=torch.long), torch.arange(6)
    chosen = masks.sample(points.expand(6, -1, -1), prompts, tokens)
    torch.testing.assert_close(chosen, every)


def test_gradients_reach_every_weight(model, image):
    model.train()
    layers = model.decode_layers(model.encode(image), clicks((0.4, 0.6)))
    box = Prompts(torch.tensor([[0.3, 0.4, 0.2, 0.3]]), ["box"])
    layers += model.decode_layers(model.encode(image), box)
    points = torch.rand(1, 20, 2)
    parts = [
        layer.masks.sample_all(points).sum() + layer.boxes.sum() + layer.predicted_iou.sum()
        for layer in layers
    ]
    model.zero_grad()
    torch.stack(parts).sum().backward()
    model.eval()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert without == []


def test_there_is_no_joint_mode(model, image):
    with pytest.raises(ValueError, match="isolated"):
        model.decode(model.encode(image), clicks((0.5, 0.5)), joint=True)


def test_a_backbone_without_a_fine_stage_is_refused():
    with pytest.raises(Exception, match="stride"):
        SemanticSAM(ModelConfig(TimmConfig("convnext_atto"), LocalConfig()))
