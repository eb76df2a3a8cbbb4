"""The network against tensors computed with the published implementation.

Limits are the reference's own: about ten times what two runs of the published implementation
differ in float32, and a tenth of the mildest mistake that was tried.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from published_reference import (
    COMMITTED,
    FULL,
    image_tensor,
    published_keys,
    synthetic_model,
    synthetic_weights,
)
from weights_rule import fingerprint

from napari_semantic_sam.model.config import PUBLISHED_LEVEL_ORDER
from napari_semantic_sam.model.types import Prompts

MASK_LIMIT, SCORE_LIMIT, BOX_LIMIT, FEATURE_LIMIT = 5e-4, 2e-5, 1e-5, 1e-4

PRESETS = {"T": "swin-t", "L": "swin-l"}
COMMITTED_CASES = (
    "T_250x333_isolated",
    "T_256x320_boxes_isolated",
    "T_256x320_mixed_batch",
    "L_250x333_batch",
)
FULL_CASES = (
    "T_250x333_batch",
    "T_250x333_isolated",
    "T_256x320_boxes_isolated",
    "T_256x320_clicks_batch",
    "T_256x320_clicks_isolated",
    "T_256x320_clicks_pb1_isolated",
    "T_256x320_mixed_batch",
    "T_640_astronaut_batch4",
    "T_640_astronaut_click",
    "T_640x962_chelsea_click",
    "L_250x333_batch",
    "L_256x320_clicks_isolated",
)
PICTURES = {
    "T_640_astronaut_batch4": "astronaut_640x640.png",
    "T_640_astronaut_click": "astronaut_640x640.png",
    "T_640x962_chelsea_click": "chelsea_640x962.png",
}

full_set = pytest.mark.reference
needs_full_set = pytest.mark.skipif(
    not FULL.exists(), reason="the full set of reference tensors is not beside the checkout"
)


def every_case():
    for size in "TL":  # all of one model, then all of the other: they are built once
        for folder, names, marks in (
            (COMMITTED, COMMITTED_CASES, ()),
            (FULL, FULL_CASES, (full_set, needs_full_set)),
        ):
            for name in names:
                if name.startswith(size):
                    path = folder / f"{name}.npz"
                    label = f"{folder.parent.name}-{name}"
                    yield pytest.param(PRESETS[size], path, marks=marks, id=label)


EVERY_CASE = list(every_case())
FULL_SET = [case for case in EVERY_CASE if case.marks]


@pytest.fixture(scope="module")
def preset(request):
    return request.param


@pytest.fixture(scope="module")
def path(request):
    return request.param


@pytest.fixture(scope="module")
def model(preset):
    weights = synthetic_weights(preset)
    expected = {key: digest for key, (_, digest) in published_keys(preset).items()}
    # Another random number generator would make every comparison below meaningless.
    assert {key: fingerprint(tensor) for key, tensor in weights.items()} == expected
    return synthetic_model(preset, weights)


@pytest.fixture(scope="module")
def case(model, path):
    return Case(model, path)


class Case:
    """A stored case, and what our network makes of its picture and prompts."""

    def __init__(self, model, path):
        self.expected = dict(np.load(path))
        self.strides = json.loads(str(self.expected["strides"]))
        self.joint = "batch" in path.stem
        picture = self.expected.get("image")
        if picture is None:
            picture = np.array(Image.open(FULL / "inputs" / PICTURES[path.stem]))
        kinds = ["box" if row else "click" for row in self.expected["pb"]]
        prompts = Prompts(torch.from_numpy(self.expected["prompts"]), kinds)
        with torch.inference_mode(), Recorder(model) as self.recorded:
            self.embedding = model.encode(image_tensor(picture))
            self.layers = model.decode_layers(self.embedding, prompts, joint=self.joint)
            self.candidates = model.decode(self.embedding, prompts, joint=self.joint)

    def check(self, name, ours, limit):
        """Compare with a stored array, if this case has it."""
        if name in self.expected:
            theirs = self.expected[name]
            assert tuple(ours.shape) == theirs.shape
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=limit, err_msg=name)

    def check_map(self, name, ours):
        channels, pixels = self.strides[name]
        sample = ours[:, ::channels, ::pixels, ::pixels]
        self.check(f"{name}_sample", sample, FEATURE_LIMIT)
        self.check(f"{name}_chmean", ours.mean(dim=(0, 2, 3)), FEATURE_LIMIT)


class Recorder:
    """Outputs of inner modules during the first call of each."""

    def __init__(self, model):
        encoder, decoder = model.image_encoder, model.mask_decoder
        self.modules = {
            "backbone": encoder.backbone,
            "patch_embed": encoder.backbone.patch_embed,
            "proj0": encoder.input_projections[0],
            "proj3": encoder.input_projections[3],
            "fpn": encoder.smooth,
            **{f"encoder_{i}": layer for i, layer in enumerate(encoder.layers)},
            **{f"decoder_{i}": layer for i, layer in enumerate(decoder.layers)},
        }
        self.outputs = {}
        self.inputs = {}

    def __enter__(self):
        self.handles = [
            module.register_forward_hook(self._keep(name)) for name, module in self.modules.items()
        ]
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    def _keep(self, name):
        def hook(module, inputs, output):
            self.inputs.setdefault(name, inputs)
            self.outputs.setdefault(name, output)

        return hook


@pytest.mark.parametrize(("preset", "path"), EVERY_CASE, indirect=True)
def test_masks_scores_and_boxes(case):
    stride = case.strides["lowres"]
    with torch.inference_mode():  # as the candidates were made: other kernels, other rounding
        masks = case.layers[-1].masks.dense()
    case.check("pred_masks_lowres", masks[..., ::stride, ::stride], MASK_LIMIT)
    meanstd = torch.stack([masks.mean(dim=(-2, -1)), masks.std(dim=(-2, -1))], dim=-1)
    case.check("pred_masks_lowres_meanstd", meanstd, MASK_LIMIT)
    case.check("pred_ious", case.layers[-1].predicted_iou, SCORE_LIMIT)
    case.check("pred_boxes", case.layers[-1].boxes, BOX_LIMIT)
    assert torch.equal(case.candidates.mask_logits, masks)
    assert torch.equal(case.candidates.predicted_iou, case.layers[-1].predicted_iou)


@pytest.mark.parametrize(("preset", "path"), EVERY_CASE, indirect=True)
def test_every_layer(case):
    *earlier, _ = case.layers
    ious = torch.stack([layer.predicted_iou for layer in earlier])
    case.check("aux_pred_ious", ious, SCORE_LIMIT)
    boxes = torch.stack([layer.boxes for layer in earlier])
    case.check("aux_pred_boxes", boxes, BOX_LIMIT)


@pytest.mark.parametrize(("preset", "path"), EVERY_CASE, indirect=True)
def test_features(case):
    features, outputs = case.embedding.features, case.recorded.outputs
    case.check_map("mask_features", features["mask_features"])
    for level, stride in enumerate((8, 16, 32, 64)):
        case.check_map(f"ms{level}", features[f"memory_{stride}"])
    for level, output in enumerate(outputs["backbone"], start=2):
        case.check_map(f"res{level}", output)
    tokens, channels = case.strides["enc"]
    encoder = [outputs[f"encoder_{i}"][0, ::tokens, ::channels] for i in range(6)]
    case.check("enc_layers_sample", torch.stack(encoder), FEATURE_LIMIT)


@pytest.mark.parametrize(("preset", "path"), EVERY_CASE, indirect=True)
def test_queries_and_references(case):
    inputs, outputs = case.recorded.inputs, case.recorded.outputs
    queries = torch.stack([outputs[f"decoder_{i}"] for i in range(9)])
    stored = case.expected.get("dec_layers_raw", np.empty((9, 0)))
    case.check("dec_layers_raw", queries[:, : stored.shape[1]], FEATURE_LIMIT)
    references = torch.stack([inputs[f"decoder_{i}"][2] for i in range(9)])
    np.testing.assert_allclose(
        references.numpy(), case.expected["dec_refs"][:9], rtol=0, atol=BOX_LIMIT
    )


@full_set
@needs_full_set
@pytest.mark.parametrize(("preset", "path"), FULL_SET, indirect=True)
def test_inner_steps(case):
    """Steps that only the full set stores, to tell where a difference begins."""
    outputs = case.recorded.outputs
    case.check_map("patch_embed", outputs["patch_embed"].permute(0, 3, 1, 2))
    for name in ("proj0", "proj3", "fpn"):
        case.check_map(name, outputs[name])
    first = case.recorded.inputs["decoder_0"][0][:1]
    case.check("query_content", first, FEATURE_LIMIT)


@full_set
@needs_full_set
@pytest.mark.parametrize("preset", ["swin-t"], indirect=True)
def test_a_grid_of_joint_clicks_as_in_automatic_segmentation(model):
    stored = np.load(FULL / "T_256x320_auto.npz")
    side, at_once = 5, 15
    centres = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    clicks = torch.stack([x, y], dim=-1).flatten(0, 1)
    with torch.inference_mode():
        embedding = model.encode(image_tensor(stored["image"]))
        scores = torch.cat(
            [
                model.decode(embedding, Prompts.clicks(some), joint=True).predicted_iou
                for some in clicks.split(at_once)
            ]
        )
    by_level = scores[:, PUBLISHED_LEVEL_ORDER].numpy()
    np.testing.assert_allclose(by_level, stored["all/raw_ious"], rtol=0, atol=SCORE_LIMIT)
