"""The two doors of the network, with small random weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import (
    PRESETS,
    DeformableConfig,
    LocalConfig,
    ModelConfig,
    SwinConfig,
    TimmConfig,
)
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import EmbeddingMismatchError, Prompts

DECODER = DeformableConfig(
    width=32, heads=4, points=2, feedforward=64, encoder_layers=1, decoder_layers=2
)
CONFIGS = {
    "swin": ModelConfig(SwinConfig(24, (2, 2, 2, 2), (1, 2, 3, 6), window=4), DECODER),
    "timm": ModelConfig(TimmConfig("mobilenetv3_small_050"), DECODER),
    "local": replace(PRESETS["tiny"], decoder=LocalConfig(width=32, feedforward=64)),
}
TOKENS = 6


def build(name):
    torch.manual_seed(0)
    model = SemanticSAM(CONFIGS[name])
    for parameter in model.parameters():
        if not parameter.any():  # fresh offsets and biases are 0 and would hide mistakes
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.fixture(params=CONFIGS)
def model(request):
    return build(request.param)


@pytest.fixture(params=["swin", "timm"])
def deformable(request):
    return build(request.param)


@pytest.fixture
def swin():
    return build("swin")


@pytest.fixture
def images():
    """Two different pictures, neither side a multiple of the padding."""
    torch.manual_seed(1)
    coarse = torch.rand(2, 3, 5, 6) * 255
    return F.interpolate(coarse, size=(70, 91), mode="bilinear")


@pytest.fixture
def prompts():
    """Clicks and boxes on both pictures, in no order."""
    boxes = torch.tensor(
        [
            [0.20, 0.30, 0.005, 0.005],
            [0.50, 0.50, 0.300, 0.400],
            [0.99, 0.02, 0.005, 0.005],
            [0.70, 0.60, 0.200, 0.100],
            [0.40, 0.80, 0.005, 0.005],
        ]
    )
    return Prompts(boxes, ("click", "box", "click", "box", "click"), torch.tensor([1, 0, 0, 1, 0]))


def padded_side(model):
    """Of pictures with a long side of 91 pixels."""
    return 91 + -91 % model.config.size_divisor


def only(prompts, rows, image=None):
    """Some of the prompts, on one picture of their own if asked for."""
    index = prompts.image_index[rows]
    return Prompts(
        prompts.anchor_boxes[rows],
        [prompts.kinds[row] for row in rows],
        index if image is None else torch.full_like(index, image),
    )


def assert_same(ours, theirs, rows=slice(None), tolerance=1e-4):
    for name in ("mask_logits", "predicted_iou", "boxes"):
        torch.testing.assert_close(
            getattr(ours, name), getattr(theirs, name)[rows], rtol=tolerance, atol=tolerance
        )


@torch.no_grad()
def test_shapes(model, images, prompts):
    candidates = model.decode(model.encode(images), prompts)
    side, stride = padded_side(model), model.mask_stride
    assert candidates.geometry.image_size == (70, 91)
    assert candidates.geometry.padded_size == (side, side)
    assert candidates.mask_logits.shape == (5, TOKENS, side // stride, side // stride)
    assert candidates.predicted_iou.shape == (5, TOKENS)
    assert candidates.boxes.shape == (5, TOKENS, 4)
    for tensor in (candidates.mask_logits, candidates.predicted_iou, candidates.boxes):
        assert torch.isfinite(tensor).all()
        assert tensor.std() > 0


@torch.no_grad()
def test_a_prompt_does_not_depend_on_its_neighbours(model, images, prompts):
    embedding = model.encode(images)
    together = model.decode(embedding, prompts)
    for row in range(len(prompts)):
        alone = model.decode(embedding, only(prompts, [row]))
        assert_same(alone, together, [row])


@torch.no_grad()
def test_a_batch_of_pictures_is_the_pictures_one_by_one(model, images, prompts):
    together = model.decode(model.encode(images), prompts)
    for image in range(len(images)):
        rows = (prompts.image_index == image).nonzero()[:, 0].tolist()
        alone = model.decode(model.encode(images[[image]]), only(prompts, rows, image=0))
        assert_same(alone, together, rows)


@torch.no_grad()
def test_kind_and_place_matter(model, images):
    embedding = model.encode(images)
    boxes = torch.tensor([[0.4, 0.4, 0.2, 0.2], [0.4, 0.4, 0.2, 0.2], [0.7, 0.6, 0.2, 0.2]])
    click, box, elsewhere = model.decode(
        embedding, Prompts(boxes, ("click", "box", "box"))
    ).mask_logits
    assert not torch.allclose(click, box, atol=1e-3)
    assert not torch.allclose(box, elsewhere, atol=1e-3)


@torch.no_grad()
def test_padding_by_hand_gives_the_same_masks(model, images, prompts):
    """A padded pixel is 0 after normalisation, which is the mean colour before it."""
    small = model.decode(model.encode(images), prompts)
    side = padded_side(model)
    padded = model.pixel_mean.expand(2, 3, side, side).clone()
    padded[..., :70, :91] = images
    scale = torch.tensor([91 / side, 70 / side] * 2)
    moved = replace(prompts, anchor_boxes=prompts.anchor_boxes * scale)
    large = model.decode(model.encode(padded), moved)
    assert_same(small, replace(large, boxes=large.boxes / scale))


@torch.no_grad()
def test_projections_come_from_features_alone(model, images, prompts):
    """So a cached embedding can do without them."""
    embedding = model.encode(images)
    features = {name: feature.clone() for name, feature in embedding.features.items()}
    restored = replace(
        embedding, features=features, projections=model.mask_decoder.project(features)
    )
    assert_same(model.decode(restored, prompts), model.decode(embedding, prompts), tolerance=0)


@torch.no_grad()
def test_no_prompts_no_candidates(model, images):
    embedding = model.encode(images)
    candidates = model.decode(embedding, Prompts.clicks(torch.zeros(0, 2)))
    assert len(candidates) == 0
    assert candidates.mask_logits.shape[:2] == (0, TOKENS)


@torch.no_grad()
def test_joint_prompts_see_each_other_within_a_picture(deformable, images, prompts):
    embedding = deformable.encode(images)
    isolated = deformable.decode(embedding, prompts)
    joint = deformable.decode(embedding, prompts, joint=True)
    assert (joint.predicted_iou - isolated.predicted_iou).abs().max() > 1e-3
    for image in range(len(images)):
        rows = (prompts.image_index == image).nonzero()[:, 0].tolist()
        alone = deformable.decode(embedding, only(prompts, rows), joint=True)
        assert_same(alone, joint, rows)
    single = only(prompts, [0])
    assert_same(
        deformable.decode(embedding, single, joint=True), deformable.decode(embedding, single)
    )


@torch.no_grad()
def test_double_precision(swin, images, prompts):
    single = swin.decode(swin.encode(images), prompts)
    swin.double()
    double = swin.decode(swin.encode(images), prompts)
    assert double.mask_logits.dtype == torch.float64
    assert_same(
        single,
        replace(
            double,
            **{
                name: getattr(double, name).float()
                for name in ("mask_logits", "predicted_iou", "boxes")
            },
        ),
    )


@torch.no_grad()
def test_mixed_precision(swin, images, prompts):
    exact = swin.decode(swin.encode(images), prompts)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = swin.decode(swin.encode(images), prompts)
    assert mixed.mask_logits.dtype == torch.bfloat16
    error = (mixed.mask_logits.float() - exact.mask_logits).abs().mean()
    assert error < 0.05 * exact.mask_logits.abs().mean()
    torch.testing.assert_close(mixed.boxes.float(), exact.boxes, rtol=0, atol=0.02)


@torch.no_grad()
def test_an_embedding_of_other_weights_is_refused(model, swin, images, prompts):
    with pytest.raises(EmbeddingMismatchError, match="another checkpoint"):
        swin.decode(model.encode(images), prompts)


@torch.no_grad()
def test_an_embedding_in_another_precision_is_refused(swin, images, prompts):
    embedding = swin.encode(images)
    with pytest.raises(EmbeddingMismatchError, match=r"float32.*float64"):
        swin.double().decode(embedding, prompts)


@torch.no_grad()
def test_a_prompt_on_a_picture_that_is_not_there_is_refused(swin, images, prompts):
    with pytest.raises(IndexError, match="image_index"):
        swin.decode(swin.encode(images[:1]), prompts)


def test_gradients_reach_every_parameter(deformable, images, prompts):
    deformable.train()
    layers = deformable.decode_layers(deformable.encode(images), prompts)
    assert len(layers) == DECODER.decoder_layers
    total = sum(
        layer.predicted_iou.sum() + layer.boxes.square().sum() + layer.masks.dense().square().mean()
        for layer in layers
    )
    total.backward()
    untouched = {
        name
        for name, parameter in deformable.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    assert untouched == set()


def test_sampled_masks_are_the_dense_ones(deformable, images, prompts):
    """At pixel centres, sampling must give the logits themselves."""
    masks = deformable.decode_layers(deformable.encode(images), prompts)[0].masks
    dense = masks.dense()
    height, width = dense.shape[-2:]
    row, column = (
        torch.tensor([[0, 5, height - 1], [2, 7, 1]]),
        torch.tensor([[3, 0, 9], [4, 4, 4]]),
    )
    points = torch.stack([(column + 0.5) / width, (row + 0.5) / height], dim=-1)
    prompt, token = torch.tensor([4, 1]), torch.tensor([0, 5])
    expected = dense[prompt[:, None], token[:, None], row, column]
    torch.testing.assert_close(masks.sample(points, prompt, token), expected)
    shared = points[:1].expand(len(prompts), -1, -1)
    torch.testing.assert_close(masks.sample_all(shared), dense[:, :, row[0], column[0]])


def test_a_backbone_timm_does_not_know_is_refused():
    with pytest.raises(UserError, match="'nonsense'"):
        SemanticSAM(ModelConfig(TimmConfig("nonsense"), DECODER))


def test_a_backbone_without_the_four_strides_is_refused():
    with pytest.raises(UserError, match=r"vit_tiny_patch16_224.*\(4, 8, 16, 32\)"):
        SemanticSAM(ModelConfig(TimmConfig("vit_tiny_patch16_224"), DECODER))
