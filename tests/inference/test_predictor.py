"""From a picture and clicks to masks in its pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.model.config import (
    PRESETS,
    DeformableConfig,
    LocalConfig,
    ModelConfig,
    SwinConfig,
)
from napari_semantic_sam.model.predictions import DenseMasks, LayerPrediction
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import EmbeddingMismatchError, Geometry, ImageEmbedding

SWIN = SwinConfig(16, (1, 1, 1, 1), (1, 1, 1, 1), window=7)
PUBLISHED_LIKE = ModelConfig(
    SWIN, DeformableConfig(32, 2, points=2, feedforward=32, encoder_layers=1, decoder_layers=2)
)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    return Predictor(SemanticSAM(PRESETS["tiny"], level_order=(3, 2, 0, 4, 1, 5)))


class Spotlight:
    """Stands in for a network: its mask is the anchor box, or a disc of 12 % around a click."""

    level_order = (0, 1)

    def __init__(self, config):
        self.config = config

    def eval(self):
        return self

    def encode(self, images, preparation_hash):
        size = tuple(images.shape[-2:])
        padded = tuple(side + -side % 32 for side in size)
        features = {"mask_features": torch.zeros(1, 1, *padded)}
        return ImageEmbedding(features, (), Geometry(size, padded), 2, "spot", preparation_hash)

    def decode_last(self, embedding, prompts):
        height, width = embedding.geometry.image_size
        rows, columns = (side // 2 for side in embedding.geometry.padded_size)
        y = ((torch.arange(rows) + 0.5) * 2 / height)[None, :, None]
        x = ((torch.arange(columns) + 0.5) * 2 / width)[None, None, :]
        cx, cy, w, h = prompts.anchor_boxes.T[:, :, None, None]
        disc = 0.12 - torch.hypot((y - cy) * height, (x - cx) * width) / min(height, width)
        box = torch.minimum(w / 2 - (x - cx).abs(), h / 2 - (y - cy).abs())
        is_click = torch.tensor([kind == "click" for kind in prompts.kinds])[:, None, None]
        logits = torch.where(is_click, disc, box)[:, None] * 100
        return LayerPrediction(
            predicted_iou=torch.tensor([[0.5, 0.25]]).expand(len(prompts), -1),
            boxes=prompts.anchor_boxes[:, None].expand(-1, 2, -1),
            masks=DenseMasks(logits.expand(-1, 2, -1, -1)),
        )


SHAPES = [(100, 100), (200, 300), (1500, 700), (61, 90), (8, 8)]


@pytest.mark.parametrize("config", [PRESETS["tiny"], PUBLISHED_LIKE], ids=["local", "published"])
@pytest.mark.parametrize("shape", SHAPES)
def test_masks_lie_where_the_prompts_are(shape, config):
    height, width = shape
    predictor = Predictor(Spotlight(config))
    embedding = predictor.embed(RNG.random(shape))
    clicks = [(height // 2, width // 3), (height * 0.7, width * 0.61), (0, 0)]
    boxes = [(height * 0.25, width * 0.5, height * 0.75, width), (0, 0, height, width)]
    results = predictor.predict(embedding, clicks, boxes)
    assert [result.kind for result in results] == ["click"] * 3 + ["box"] * 2
    assert [result.prompt for result in results] == [*clicks, *boxes]

    rows, columns = np.indices(shape)
    for (y, x), result in zip(clicks, results, strict=False):
        disc = np.hypot(rows - y, columns - x) < 0.12 * min(shape)
        mask = result.best.full_mask()
        # The network's grid may be coarser than the picture; an outline may be off by its cell.
        outline = abs(np.hypot(rows - y, columns - x) - 0.12 * min(shape)) < 1 + max(shape) / 500
        np.testing.assert_array_equal(mask[~outline], disc[~outline])
        centre = np.argwhere(mask).mean(axis=0)
        if y > 0:
            np.testing.assert_allclose(centre, (y, x), atol=0.6 + max(shape) / 2000)
    quarter, whole = results[3].best.box, results[4].best.box
    np.testing.assert_allclose(quarter, boxes[0], atol=1 + max(shape) / 500)
    np.testing.assert_allclose(whole, boxes[1], atol=1 + max(shape) / 500)


def test_many_prompts_keep_their_order():
    predictor = Predictor(Spotlight(PRESETS["tiny"]))
    embedding = predictor.embed(RNG.random((200, 260)))
    clicks = RNG.uniform(30, 170, (150, 2))
    for (y, x), result in zip(clicks, predictor.predict(embedding, points=clicks), strict=True):
        y0, x0, y1, x1 = result.best.box
        assert y0 < y < y1
        assert x0 < x < x1


def pictures():
    yield "bool", RNG.random((40, 50)) > 0.5, {}
    for dtype in ("uint8", "uint16", "int32", "uint32", "float32", "float64"):
        yield dtype, (RNG.random((40, 50)) * 200).astype(dtype), {}
    yield "rgb", RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8), {}
    yield "rgba", RNG.integers(0, 256, (40, 50, 4), dtype=np.uint8), {}
    yield "channels", RNG.random((5, 40, 50)), {"channels": [4, 0]}
    yield "limits", RNG.random((40, 50)), {"contrast_limits": (0.2, 0.5)}
    yield "scale", RNG.random((40, 50)), {"scale": 3.0}
    yield "constant", np.full((40, 50), 7), {}
    yield "hole", np.where(RNG.random((40, 50)) > 0.9, np.nan, 1.5), {}


@pytest.mark.parametrize(
    ("image", "options"), [case[1:] for case in pictures()], ids=[case[0] for case in pictures()]
)
def test_every_kind_of_picture(predictor, image, options):
    embedding = predictor.embed(image, **options)
    (result,) = predictor.predict(embedding, points=[(20, 30)])
    assert embedding.shape == (40, 50)
    assert [candidate.shape for candidate in result.candidates] == [(40, 50)] * 6


@pytest.mark.parametrize("shape", [(8, 8), (9, 400), (130, 131), (1100, 60)])
def test_every_size(predictor, shape):
    embedding = predictor.embed(RNG.random(shape))
    (result,) = predictor.predict(embedding, boxes=[(0, 0, *shape)])
    assert {candidate.full_mask().shape for candidate in result.candidates} == {shape}


def test_candidates_come_in_token_order_with_learned_levels(predictor):
    embedding = predictor.embed(RNG.random((200, 150)))
    results = predictor.predict(embedding, points=[(99, 70), (20, 20)], boxes=[(10, 10, 90, 50)])
    for result in results:
        assert [candidate.token for candidate in result.candidates] == [0, 1, 2, 3, 4, 5]
        assert [candidate.level for candidate in result.candidates] == [3, 5, 2, 1, 4, 6]
        assert result.best.predicted_iou == max(each.predicted_iou for each in result.candidates)
        for candidate in result.candidates:
            y0, x0, y1, x1 = candidate.box
            assert candidate.crop.shape == (y1 - y0, x1 - x0)
            assert candidate.crop.dtype == bool
            assert candidate.full_mask().sum() == candidate.area
            assert 0 <= candidate.stability <= 1
    assert any(candidate.area for result in results for candidate in result.candidates)
    assert predictor.levels == range(1, 7)


def test_a_prompt_does_not_depend_on_the_others(predictor):
    embedding = predictor.embed(RNG.random((150, 150)))
    clicks = RNG.uniform(0, 149, (70, 2))  # more than go through the network at once
    together = predictor.predict(embedding, points=clicks)
    for index in (0, 65):
        (alone,) = predictor.predict(embedding, points=clicks[index : index + 1])
        for one, other in zip(alone.candidates, together[index].candidates, strict=True):
            assert one.predicted_iou == pytest.approx(other.predicted_iou, abs=1e-4)
            differing = np.count_nonzero(one.full_mask() ^ other.full_mask())
            assert differing <= 0.002 * 150**2  # rounding at the outline


def test_the_published_architecture_works_the_same_way():
    torch.manual_seed(0)
    predictor = Predictor(SemanticSAM(PUBLISHED_LIKE))
    embedding = predictor.embed(RNG.random((80, 100)))
    assert embedding.image.geometry.image_size == (640, 800)
    results = predictor.predict(embedding, points=[(3, 99)], boxes=[(0, 0, 80, 100)])
    assert [len(result.candidates) for result in results] == [6, 6]


def test_no_prompts_give_no_results(predictor):
    assert predictor.predict(predictor.embed(RNG.random((30, 30)))) == []


def test_clicks_may_lie_anywhere_in_the_outer_pixels(predictor):
    embedding = predictor.embed(RNG.random((30, 40)))
    assert len(predictor.predict(embedding, points=[(-0.5, -0.5), (29.49, 39.49)])) == 2


def test_what_of_a_box_lies_outside_is_cut_off():
    predictor = Predictor(Spotlight(PRESETS["tiny"]))
    embedding = predictor.embed(RNG.random((200, 200)))
    (result,) = predictor.predict(embedding, boxes=[(-50, 100, 60, 999)])
    np.testing.assert_allclose(result.best.box, (0, 100, 60, 200), atol=1)
    assert result.prompt == (-50, 100, 60, 999)


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        (
            {"points": [(5, 5), (30, 2)]},
            r"y = 30, x = 2 lies outside the picture, which is 30 × 40",
        ),
        ({"points": [(3, -0.6)]}, "x = -0.6 lies outside"),
        ({"points": [(29.5, 3)]}, "y = 29.5, x = 3 lies outside"),
        ({"points": [(np.nan, 3)]}, "y = nan"),
        ({"points": [(np.inf, 3)]}, "y = inf"),
        ({"points": (5, 5)}, r"A click is \(y, x\)"),
        ({"points": [(5, 5, 5)]}, r"A click is \(y, x\)"),
        ({"points": [(5,), (5, 6)]}, r"A click is \(y, x\)"),
        ({"points": "5,6"}, r"A click is \(y, x\)"),
        ({"boxes": [(5, 5, 5, 9)]}, r"The box \(5, 5, 5, 9\) covers no area.* 30 × 40"),
        ({"boxes": [(9, 9, 2, 2)]}, "y0 < y1"),
        ({"boxes": [(0, 0, 1e-46, 5)]}, "covers no area"),
        ({"boxes": [(5, 39.9999, 9, 50)]}, "covers no area"),
        ({"boxes": [(30, 0, 50, 9)]}, "covers no area"),
        ({"boxes": [(0, 0, np.nan, 9)]}, "nan"),
        ({"boxes": [(0, 0, np.inf, 9)]}, "inf"),
        ({"boxes": [(0, 0, 5)]}, r"A box is \(y0, x0, y1, x1\)"),
    ],
)
def test_prompts_that_cannot_be_used(predictor, prompts, sentence):
    embedding = predictor.embed(RNG.random((30, 40)))
    with pytest.raises(UserError, match=sentence):
        predictor.predict(embedding, **prompts)


def test_embeddings_of_another_model_are_refused(predictor):
    embedding = predictor.embed(RNG.random((30, 40)))
    small = LocalConfig(width=32, decoder_layers=1)
    other = Predictor(SemanticSAM(ModelConfig(PRESETS["tiny"].backbone, small)))
    with pytest.raises(EmbeddingMismatchError, match="another checkpoint"):
        other.predict(embedding, points=[(1, 1)])


def test_a_checkpoint_without_boxes_says_so():
    predictor = Predictor(Spotlight(replace(PRESETS["tiny"], prompt_types={"click": 0})))
    embedding = predictor.embed(RNG.random((30, 40)))
    assert len(predictor.predict(embedding, points=[(9, 9)])) == 1
    with pytest.raises(UserError, match="does not take a box"):
        predictor.predict(embedding, boxes=[(2, 2, 9, 9)])


class Failing(Spotlight):
    def __init__(self, message):
        super().__init__(PRESETS["tiny"])
        self.message = message

    def encode(self, images, preparation_hash):
        raise RuntimeError(self.message)


def test_too_little_memory_is_one_sentence():
    failing = Failing("CUDA out of memory. Tried to allocate 3 GiB")
    with pytest.raises(UserError, match="not enough memory for this picture"):
        Predictor(failing).embed(RNG.random((30, 40)))


def test_too_little_memory_for_preparation_is_the_same_sentence(predictor, monkeypatch):
    def exhausted(*args, **options):
        raise MemoryError

    monkeypatch.setattr("napari_semantic_sam.inference.predictor.prepare", exhausted)
    with pytest.raises(UserError, match="not enough memory for this picture"):
        predictor.embed(RNG.random((30, 40)))


def test_a_sliver_of_a_box_is_still_a_box(predictor):
    embedding = predictor.embed(RNG.random((30, 40)))
    assert len(predictor.predict(embedding, boxes=[(3, 3, 3.002, 9)])) == 1


def test_defects_are_not_hidden():
    with pytest.raises(RuntimeError, match="shapes do not match"):
        Predictor(Failing("shapes do not match")).embed(RNG.random((30, 40)))


def test_the_model_is_put_into_evaluation_mode(predictor):
    model = predictor.model
    model.train()
    assert not Predictor(model).model.training
