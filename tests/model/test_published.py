"""Published key names to ours, strictly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published_reference import published_keys

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import PRESETS, DeformableConfig, ModelConfig, SwinConfig
from napari_semantic_sam.model.published import (
    from_published,
    guess_preset,
    is_published,
    published_names,
)
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.swin import relative_position_index

DECODER = DeformableConfig(
    width=32, heads=4, points=2, feedforward=64, encoder_layers=1, decoder_layers=2
)
CONFIG = ModelConfig(SwinConfig(24, (1, 1, 2, 1), (1, 2, 3, 6), window=4), DECODER)

PREDICTOR = "model.sem_seg_head.predictor"
UNUSED = ("lang_mapper", "class_embed", "class_embed_part")


@pytest.fixture
def state():
    return SemanticSAM(CONFIG).state_dict()


@pytest.fixture
def published(state):
    """What the authors' code would have saved of the same network."""
    index = relative_position_index(CONFIG.backbone.window)
    tensors = {"model.criterion.empty_weight": torch.ones(2)}
    tensors |= {f"{PREDICTOR}.{name}": torch.ones(32, 8) for name in UNUSED}
    for ours, names in published_names(CONFIG).items():
        tensors |= {name: state[ours].clone() for name in names}
        if ours.endswith("relative_position_bias_table"):
            tensors[names[0].replace("bias_table", "index")] = index
    label = f"{PREDICTOR}.label_enc.weight"
    tensors[label] = torch.cat([tensors[label], torch.randn(1, 32)])
    return tensors


@pytest.mark.parametrize("preset", ["swin-t", "swin-l"])
def test_every_key_of_the_published_files_has_its_place(preset):
    ours = [name for names in published_names(PRESETS[preset]).values() for name in names]
    assert len(ours) == len(set(ours))
    theirs = set(published_keys(preset))
    assert set(ours) <= theirs
    unused = {f"{PREDICTOR}.{name}" for name in UNUSED} | {"model.criterion.empty_weight"}
    computed = {key for key in theirs if key.endswith("relative_position_index")}
    assert theirs - set(ours) == unused | computed


@pytest.mark.parametrize("preset", ["swin-t", "swin-l"])
def test_the_preset_is_found_from_the_weights(preset):
    tensors = {
        key: torch.empty(shape, device="meta") for key, (shape, _) in published_keys(preset).items()
    }
    assert is_published(tensors)
    assert guess_preset(tensors) == preset


def test_the_converted_weights_are_ours_again(state, published):
    converted = from_published(published, CONFIG)
    assert converted.keys() == state.keys()
    for key, tensor in state.items():
        assert torch.equal(converted[key], tensor), key
    SemanticSAM(CONFIG).load_state_dict(converted)


def test_unused_tensors_may_be_absent(state, published):
    for name in UNUSED:
        del published[f"{PREDICTOR}.{name}"]
    del published["model.criterion.empty_weight"]
    assert from_published(published, CONFIG).keys() == state.keys()


def test_tensors_of_others_are_left_out(state, published):
    published["optimizer.step"] = torch.ones(1)
    assert from_published(published, CONFIG).keys() == state.keys()


def test_a_missing_tensor_is_named(published):
    del published["model.backbone.norm2.weight"]
    with pytest.raises(UserError, match=r"1 missing \(model\.backbone\.norm2\.weight\)"):
        from_published(published, CONFIG)


def test_an_unknown_tensor_is_named(published):
    published["model.sem_seg_head.surprise"] = torch.ones(1)
    with pytest.raises(UserError, match=r"1 unknown \(model\.sem_seg_head\.surprise\)"):
        from_published(published, CONFIG)


def test_a_wrong_shape_is_told(published):
    published[f"{PREDICTOR}.mask_tokens.weight"] = torch.ones(5, 32)
    wanted = r"1 of the wrong shape \(.*mask_tokens\.weight \(5, 32\) instead of \(6, 32\)\)"
    with pytest.raises(UserError, match=wanted):
        from_published(published, CONFIG)


@pytest.mark.parametrize(
    "key",
    [
        f"{PREDICTOR}.decoder_norm.bias",
        f"{PREDICTOR}.bbox_embed.1.layers.2.weight",
        f"{PREDICTOR}.decoder.bbox_embed.0.layers.0.bias",
    ],
)
def test_copies_must_agree(published, key):
    published[key] += 1
    with pytest.raises(UserError, match=rf"1 that differ from their copies \({key}\)"):
        from_published(published, CONFIG)


def test_another_numbering_of_positions_is_refused(published):
    key = "model.backbone.layers.2.blocks.1.attn.relative_position_index"
    published[key] = published[key].T
    with pytest.raises(UserError, match=key):
        from_published(published, CONFIG)


def test_many_faults_are_counted_and_a_few_named(published):
    shallower = replace(CONFIG, decoder=replace(DECODER, decoder_layers=1))
    with pytest.raises(UserError, match=r"unknown \(model\..+, model\..+, model\..+, and \d+ more"):
        from_published(published, shallower)


def test_a_checkpoint_of_another_network_is_refused():
    assert not is_published({"image_encoder.layers.0.norm.weight": torch.ones(1)})
    with pytest.raises(UserError, match="not a Swin model"):
        guess_preset({f"{PREDICTOR}.mask_tokens.weight": torch.ones(6, 256)})
    with pytest.raises(UserError, match="neither Swin-T nor Swin-L"):
        guess_preset({"model.backbone.patch_embed.proj.weight": torch.ones(128, 3, 4, 4)})


def test_only_swin_models_were_published():
    with pytest.raises(ValueError, match="Swin"):
        published_names(PRESETS["tiny"])
