from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_semantic_sam.model.predictions import DenseMasks, LayerPrediction, sample_maps
from napari_semantic_sam.model.product_masks import ProductMasks
from napari_semantic_sam.training.clicks import ClickTargets, sample_boxes, sample_clicks
from napari_semantic_sam.training.loss_terms import best_iou, rank_loss
from napari_semantic_sam.training.losses import Criterion, LossConfig
from napari_semantic_sam.training.points import PromptPoints, random_source, target_values
from napari_semantic_sam.training.targets import build_targets

SIZE, TOKENS = 64, 6
PROMPT = LossConfig(point_policy="prompt", points=400, score_target="all_iou", score=2.0, rank=0.5)


def discs(centre, radii):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return np.stack([distance < radius for radius in radii])


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def targets(rng):
    """Two images of nested discs, four prompts each."""
    examples = []
    for centre in ((20, 24), (40, 32)):
        masks = discs(centre, (16, 9, 4))
        prompts = [sample_clicks(masks, 3, rng), sample_boxes(masks, 1, rng)]
        examples.append((masks, ClickTargets.concatenate(prompts)))
    return build_targets(examples, (SIZE, SIZE))[1]


def rand(seed=0):
    return random_source("cpu", torch.Generator().manual_seed(seed))


def random_layers(targets, count=2):
    generator = torch.Generator().manual_seed(5)
    prompts = len(targets.index)
    return [
        LayerPrediction(
            torch.rand(prompts, TOKENS, generator=generator).requires_grad_(),
            (torch.rand(prompts, TOKENS, 4, generator=generator) * 0.5 + 0.2).requires_grad_(),
            DenseMasks(torch.randn(prompts, TOKENS, 16, 16, generator=generator).requires_grad_()),
        )
        for _ in range(count)
    ]


def perfect_layer(targets, scores=1.0):
    """Token t of a prompt gives the target in slot t; the other tokens give nothing."""
    shape = (len(targets.index), TOKENS)
    logits = torch.full((*shape, SIZE, SIZE), -20.0)
    boxes = torch.full((*shape, 4), 0.5)
    for prompt, slot in zip(targets.prompt, targets.slot, strict=True):
        mask = targets.index[prompt, slot]
        logits[prompt, slot] = targets.masks[mask] * 40.0 - 20.0
        boxes[prompt, slot] = targets.boxes[mask]
    predicted = torch.zeros(shape)
    predicted[targets.prompt, targets.slot] = scores
    return LayerPrediction(predicted, boxes, DenseMasks(logits))


@pytest.mark.parametrize("config", [LossConfig(points=300), PROMPT], ids=["published", "prompt"])
def test_perfect_predictions_cost_nothing_and_others_do(targets, config):
    perfect = Criterion(config)([perfect_layer(targets)], targets, rand())
    # Points on an outline are half inside; the published points look for them.
    assert {name: value.item() for name, value in perfect.items()} == pytest.approx(
        dict.fromkeys(perfect, 0.0), abs=0.6
    )
    poor = Criterion(config)(random_layers(targets, 1), targets, rand())
    assert all(poor[name] > 2 * perfect[name] for name in perfect)


def test_terms_of_every_layer(targets):
    terms = Criterion(PROMPT)(random_layers(targets, 3), targets, rand())
    names = {"bce", "dice", "box", "giou", "score", "rank"}
    assert set(terms) == {name + suffix for name in names for suffix in ("", "_1", "_2")}


def test_weights_scale_their_terms(targets):
    layers = random_layers(targets, 1)
    once = Criterion(PROMPT)(layers, targets, rand())
    doubled = replace(PROMPT, bce=10.0, dice=10.0, box=10.0, giou=4.0, score=4.0, rank=1.0)
    twice = Criterion(doubled)(layers, targets, rand())
    for name, value in once.items():
        assert twice[name].item() == pytest.approx(2 * value.item())


def gradients(config, targets):
    layer = random_layers(targets, 1)[0]
    sum(Criterion(config)([layer], targets, rand()).values()).backward()
    reached = {
        "score": layer.predicted_iou.grad != 0,
        "boxes": (layer.boxes.grad != 0).any(dim=-1),
        "masks": (layer.masks.logits.grad != 0).flatten(2).any(dim=-1),
    }
    return {name: int(value.sum()) for name, value in reached.items()}


def test_published_losses_leave_unmatched_tokens_alone(targets):
    pairs = len(targets.prompt)
    assert gradients(LossConfig(points=300), targets) == dict.fromkeys(
        ("score", "boxes", "masks"), pairs
    )


def test_our_score_teaches_every_token(targets):
    pairs, every = len(targets.prompt), targets.index.shape[0] * TOKENS
    assert gradients(PROMPT, targets) == {"score": every, "boxes": pairs, "masks": pairs}


@pytest.mark.parametrize("config", [LossConfig(points=300), PROMPT], ids=["published", "prompt"])
def test_spare_tokens_lean_towards_a_target(targets, config):
    every = targets.index.shape[0] * TOKENS
    reached = gradients(replace(config, spare=0.1), targets)
    assert (reached["boxes"], reached["masks"]) == (every, every)


def test_spare_tokens_cost_what_their_masks_are_off(targets):
    """Where every token gives the one target, each spare one costs as little as the matched one."""
    layer = perfect_layer(targets)
    first = targets.index[:, :1]
    repeated = replace(
        layer,
        boxes=targets.boxes[first].expand(-1, TOKENS, -1),
        masks=DenseMasks((targets.masks[first] * 40.0 - 20.0).expand(-1, TOKENS, -1, -1)),
    )
    single = replace(targets, valid=targets.valid & (torch.arange(targets.valid.shape[1]) == 0))
    prompt, slot = single.valid.nonzero(as_tuple=True)
    single = replace(single, prompt=prompt, slot=slot)

    def cost(layer, spare):
        terms = Criterion(replace(PROMPT, spare=spare))([layer], single, rand())
        return sum(terms[name].item() for name in ("bce", "dice", "box", "giou"))

    assert cost(repeated, 1.0) == pytest.approx(TOKENS * cost(repeated, 0.0), rel=1e-4)
    assert cost(layer, 1.0) > 5 * cost(repeated, 1.0)


def test_only_the_published_score_pulls_at_the_masks(targets):
    def score_gradient(config):
        layer = random_layers(targets, 1)[0]
        Criterion(config)([layer], targets, rand())["score"].backward()
        return layer.masks.logits.grad

    assert score_gradient(LossConfig(points=300)).abs().max() > 0
    assert score_gradient(PROMPT) is None


@pytest.mark.parametrize("config", [LossConfig(points=300), PROMPT], ids=["published", "prompt"])
def test_gradients_reach_masks_that_are_computed_when_first_asked(targets, config):
    generator = torch.Generator().manual_seed(4)
    queries = torch.randn(len(targets.index), TOKENS, 8, generator=generator).requires_grad_()
    features = torch.randn(2, 8, 16, 16, generator=generator).requires_grad_()
    image_index = torch.arange(len(targets.index)) // 4
    layer = random_layers(targets, 1)[0]
    masks = ProductMasks(queries, features, image_index)
    terms = Criterion(config)([replace(layer, masks=masks)], targets, rand())
    terms["bce"].backward()
    assert int((queries.grad != 0).any(dim=-1).sum()) == len(targets.prompt)
    assert features.grad.abs().max() > 0


def test_points_that_tokens_share_are_needed_for_ranking():
    with pytest.raises(ValueError, match="point_policy"):
        LossConfig(rank=1.0)
    with pytest.raises(ValueError, match="point_policy"):
        LossConfig(score_target="all_iou")


def test_processes_share_their_number_of_pairs(targets, monkeypatch):
    layers = random_layers(targets, 1)
    alone = Criterion(PROMPT)(layers, targets, rand())
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda total: total.mul_(3))
    together = Criterion(PROMPT)(layers, targets, rand())
    assert together["bce"].item() == pytest.approx(alone["bce"].item() * 2 / 3)


@pytest.mark.parametrize(
    "config",
    [LossConfig(points=100), PROMPT, replace(PROMPT, spare=0.1)],
    ids=["published", "prompt", "spare"],
)
def test_a_batch_without_objects_has_no_loss(config, rng):
    none = np.zeros((0, SIZE, SIZE), dtype=bool)
    targets = build_targets([(none, sample_clicks(none, 4, rng))], (SIZE, SIZE))[1]
    terms = Criterion(config)(random_layers(targets), targets, rand())
    sum(terms.values()).backward()
    assert {value.item() for value in terms.values()} == {0.0}


def test_half_precision_predictions_are_compared_in_single_precision(targets):
    layer = random_layers(targets, 1)[0]
    half = LayerPrediction(
        layer.predicted_iou.bfloat16(), layer.boxes, DenseMasks(layer.masks.logits)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = Criterion(PROMPT)([half], targets, rand())
    assert {value.dtype for value in terms.values()} == {torch.float32}
    expected = Criterion(PROMPT)([layer], targets, rand())
    assert terms["dice"].item() == pytest.approx(expected["dice"].item())


def test_weighted_points_estimate_areas(targets):
    estimates = torch.stack(
        [
            (shared.masks * shared.weights[:, None]).mean(dim=-1)
            for shared in (Criterion(PROMPT).shared_points(targets, rand(n)) for n in range(300))
        ]
    ).mean(dim=0)
    areas = targets.masks.flatten(1).float().mean(dim=1)[targets.index]
    torch.testing.assert_close(estimates[targets.valid], areas[targets.valid], rtol=0.03, atol=0.0)


def test_most_points_lie_around_the_targets(targets):
    drawn = PromptPoints(400, windows=(("all", 1.5, 0.5),)).draw(targets, rand())
    boxes = torch.stack(
        [
            targets.boxes[row[valid]][:, 2:].amax(dim=0)
            for row, valid in zip(targets.index, targets.valid, strict=True)
        ]
    )
    centres = targets.boxes[targets.index[:, 0], :2]
    near = ((drawn.points - centres[:, None]).abs() <= 0.76 * boxes[:, None]).all(dim=-1)
    assert (near.float().mean(dim=1) > 0.5).all()
    assert (near.float().mean(dim=1) < 0.8).all()
    assert drawn.points.min() >= 0
    assert drawn.points.max() <= 1


def test_the_smallest_target_of_a_prompt_has_points_of_its_own(rng):
    masks = discs((32, 32), (28, 3))
    clicks = sample_clicks(masks[1:], 1, rng)
    both = replace(clicks, targets=(np.array([0, 1]),))
    targets = build_targets([(masks, both)], (SIZE, SIZE))[1]
    windows = (("smallest", 1.5, 0.4), ("all", 1.5, 0.3))
    drawn = PromptPoints(400, windows=windows).draw(targets, rand())
    near = ((drawn.points - targets.boxes[1, :2]).abs() <= 0.75 * targets.boxes[1, 2:]).all(dim=-1)
    assert 0.4 <= near.float().mean().item() < 0.5


def test_estimated_iou_is_that_of_the_best_target(targets):
    layer = perfect_layer(targets)
    shared = Criterion(LossConfig(point_policy="prompt", points=4000)).shared_points(
        targets, rand()
    )
    iou = best_iou(layer.masks.sample_all(shared.points), targets.valid, shared)
    matched = torch.zeros_like(iou, dtype=torch.bool)
    matched[targets.prompt, targets.slot] = True
    assert iou[matched].min() > 0.95
    assert iou[~matched].max() == 0.0


def test_iou_between_nested_discs(rng):
    masks = discs((32, 32), (16, 8))
    clicks = sample_clicks(masks[1:], 1, rng)
    targets = build_targets([(masks[1:], clicks)], (SIZE, SIZE))[1]
    logits = torch.from_numpy(masks[:1]).float()[None] * 20 - 10
    shared = Criterion(LossConfig(point_policy="prompt", points=4000)).shared_points(
        targets, rand()
    )
    iou = best_iou(DenseMasks(logits).sample_all(shared.points), targets.valid, shared)
    assert iou.item() == pytest.approx(masks[1].sum() / masks[0].sum(), rel=0.05)


def test_rank_loss_asks_for_the_order():
    true = torch.tensor([[0.9, 0.5, 0.1]])
    right, shifted, wrong = true, true - 0.3, true.flip(1)
    assert rank_loss(right, true).item() == pytest.approx(0.0, abs=1e-6)
    assert rank_loss(shifted, true).item() == pytest.approx(0.0, abs=1e-6)
    assert rank_loss(wrong, true).item() > 1.0


def test_target_values_are_bilinear_samples():
    generator = torch.Generator().manual_seed(2)
    masks = torch.rand(3, 11, 17, generator=generator) > 0.5
    points = torch.rand(4, 200, 2, generator=generator) * 1.2 - 0.1  # some lie outside
    index = torch.tensor([2, 0, 1, 1])
    expected = sample_maps(masks[index][:, None].float(), points)[:, 0]
    torch.testing.assert_close(target_values(masks, index, points), expected, atol=1e-5, rtol=0)
