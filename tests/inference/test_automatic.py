"""Everything in a picture at once: what is found, where it is asked, what it costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from automatic_stub import KnowingPredictor, cells_with_nuclei, disc

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.inference.automatic import (
    AutomaticSettings,
    Thresholds,
    automatic_masks,
    exact_masks,
)
from napari_semantic_sam.inference.automatic.agreement import agreement
from napari_semantic_sam.inference.automatic.objects import MainLevel
from napari_semantic_sam.inference.automatic.picture import (
    main_level,
    segment_picture,
    suited_settings,
)
from napari_semantic_sam.inference.automatic.settings import checked_levels
from napari_semantic_sam.model.config import (
    DeformableConfig,
    LocalConfig,
    ModelConfig,
    SwinConfig,
    TimmConfig,
)
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import Prompts

LOOSE = Thresholds(0.3, 0.5)


def settings(*levels, spacing=16.0):
    return AutomaticSettings(levels, LOOSE, spacing=spacing)


def random_predictor(kind):
    torch.manual_seed(0)
    if kind == "local":
        config = ModelConfig(
            TimmConfig("test_efficientnet"),
            LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=2, mask_channels=8),
        )
    else:
        decoder = DeformableConfig(
            width=32, heads=2, points=2, feedforward=32, encoder_layers=1, decoder_layers=2
        )
        config = ModelConfig(SwinConfig(8, (1, 1, 1, 1), (1, 1, 2, 2), window=4), decoder)
    model = SemanticSAM(config)
    head = model.mask_decoder.mask_head
    last = (head.controller if kind == "local" else head).layers[-1]
    with torch.no_grad():  # else all logits are near 0, and no mask is stable
        last.weight *= 30
    return Predictor(model)


def picture(shape=(96, 112)):
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def ious(masks, truth):
    """IoU of the best mask with each true object."""
    return [
        max((np.sum(m & t) / np.sum(m | t) for m in masks), default=0.0)
        for t in (truth == label for label in np.unique(truth[truth > 0]))
    ]


def test_every_object_of_every_level_is_found_once():
    truth = cells_with_nuclei()
    predictor = KnowingPredictor(truth)
    found = automatic_masks(predictor, predictor.embed(truth[0]), settings(1, 2, 3))
    for level, labels in enumerate(truth, 1):
        masks = [mask.full_mask() for mask in found if mask.level == level]
        assert len(masks) == labels.max()
        assert min(ious(masks, labels)) > 0.8
    assert all(mask.token == 3 - mask.level for mask in found)


def test_only_the_levels_asked_for_are_found():
    truth = cells_with_nuclei()
    predictor = KnowingPredictor(truth)
    found = automatic_masks(predictor, predictor.embed(truth[0]), settings(2))
    assert {mask.level for mask in found} == {2}
    assert len(found) == 5


def test_points_get_denser_near_small_objects_and_none_where_everything_is_covered():
    shape = (320, 320)
    everywhere = np.ones(shape, int)
    spots = np.zeros(shape, int)
    for index, (y, x) in enumerate([(40, 40), (40, 52), (52, 46), (60, 60)], 1):
        spots[disc(shape, y, x, 5)] = index
    covered, spotted = KnowingPredictor([everywhere]), KnowingPredictor([spots])
    automatic_masks(covered, covered.embed(everywhere), settings(1, spacing=12.0))
    found = automatic_masks(spotted, spotted.embed(spots), settings(1, spacing=12.0))
    assert len(covered.model.asked) == 14**2  # 320 pixels over twice the spacing, and no more
    assert len(found) == 4
    points = np.array(spotted.model.asked) * 320
    near = ((points > 25) & (points < 75)).all(axis=1)
    density = np.array([near.sum() / 50**2, (~near).sum() / (320**2 - 50**2)])
    assert density[0] > 1.5 * density[1]


@pytest.mark.parametrize("kind", ["local", "deformable"])
@pytest.mark.parametrize("across_levels", [False, True])
def test_the_quick_way_decides_as_the_exact_one(kind, across_levels):
    predictor = random_predictor(kind)
    embedding = predictor.embed(picture())
    with torch.inference_mode():
        middle = predictor.model.decode_last(
            embedding.image, Prompts.clicks(torch.tensor([[0.5, 0.5]]))
        )
    least = float(middle.predicted_iou.median()) - 0.02
    chosen = AutomaticSettings(
        tuple(range(1, 7)),
        Thresholds(least, 0.6),
        points_per_side=5,
        across_levels=across_levels,
    )
    quick = automatic_masks(predictor, embedding, chosen)
    exact = exact_masks(predictor, embedding, chosen, joint=False)
    assert exact
    assert agreement(quick, exact) >= 0.98


def test_agreement_is_the_share_of_masks_that_both_kept():
    truth = cells_with_nuclei()
    predictor = KnowingPredictor(truth)
    embedding = predictor.embed(truth[0])
    both = automatic_masks(predictor, embedding, settings(1, 2))
    cells = [mask for mask in both if mask.level == 1]
    assert agreement(both, both) == 1
    assert agreement(both, cells) == pytest.approx(2 * 6 / (11 + 6))
    assert agreement([], []) == 1
    assert agreement(both, []) == 0


def test_results_are_the_same_every_time():
    predictor = random_predictor("local")
    embeddings = [predictor.embed(picture()) for _ in range(2)]
    first, second = (automatic_masks(predictor, each, settings(1, 6)) for each in embeddings)
    assert [mask.box for mask in first] == [mask.box for mask in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.crop, other.crop)


def test_progress_counts_points():
    truth = cells_with_nuclei()
    predictor = KnowingPredictor(truth)
    told = []
    automatic_masks(
        predictor,
        predictor.embed(truth[0]),
        AutomaticSettings((1,), LOOSE, points_per_side=12),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(64, 144), (128, 144), (144, 144)]


@pytest.mark.parametrize("constant", [np.zeros((40, 60)), np.full((40, 60, 3), (9, 200, 30))])
def test_a_constant_picture_has_no_objects(constant):
    predictor = random_predictor("local")
    everything = AutomaticSettings((1, 2), Thresholds(0.0, 0.0))
    labels = segment_picture(predictor, constant.astype(np.uint8), everything)
    assert labels.levels == [1, 2]
    assert not labels.array(1).any()
    assert not labels.array(2).any()


def test_a_picture_of_few_pixels_is_refused_as_everywhere():
    with pytest.raises(UserError, match="7 × 30 pixels"):
        segment_picture(random_predictor("local"), picture((7, 30)), AutomaticSettings((1,)))


def test_a_long_strip():
    predictor = random_predictor("local")
    labels = segment_picture(
        predictor, picture((12, 65_000)), AutomaticSettings((1,), Thresholds(0.0, 0.0))
    )
    assert labels.array(1).shape == (12, 65_000)


def test_the_checkpoint_says_what_suits_it():
    predictor = random_predictor("local")
    assert main_level(predictor) is None
    predictor.model.automatic = {"level": 4, "predicted_iou": 0.61, "spacing": 11.0}
    suited = suited_settings(predictor, [2, 5])
    assert main_level(predictor) == MainLevel(4)
    predictor.model.automatic["level_step"] = 0.25
    assert main_level(predictor) == MainLevel(4, 0.25)
    assert suited.levels == (2, 5)
    assert (suited.thresholds.predicted_iou, suited.spacing) == (0.61, 11.0)
    assert suited_settings(random_predictor("deformable")).thresholds == Thresholds()


def test_levels_that_do_not_exist_are_named():
    assert checked_levels([], range(1, 7)) == (1, 2, 3, 4, 5, 6)
    assert checked_levels([6, 1, 6], range(1, 7)) == (1, 6)
    with pytest.raises(UserError, match="no level 7; this checkpoint has the levels 1 to 6"):
        checked_levels([1, 7], range(1, 7))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Thresholds(stability=1.1),
        lambda: Thresholds(predicted_iou=float("nan")),
        lambda: Thresholds(smallest_region=-1),
        lambda: AutomaticSettings(()),
        lambda: AutomaticSettings((2, 1)),
        lambda: AutomaticSettings((1,), spacing=0.0),
        lambda: AutomaticSettings((1,), points_per_side=0),
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=r"out of range|must be|not \(2, 1\)|not \(\)"):
        wrong()
