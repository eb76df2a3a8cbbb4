"""What a CUDA device computes: the same as the processor, but for rounding."""

from __future__ import annotations

import json

import pytest
import skimage.data
import torch
import yaml

from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.inference.automatic import AutomaticSettings, automatic_masks
from napari_semantic_sam.training.config import read_config
from napari_semantic_sam.training.run import train

DEVICE = "cuda"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]


@pytest.fixture(scope="module")
def predictors():
    return [Predictor(load_model("tiny", device=device)) for device in ("cpu", DEVICE)]


def test_prompts_get_the_same_masks(predictors):
    image = skimage.data.coins()
    prompts = {"points": [(57, 100), (130, 50)], "boxes": [(39, 81, 74, 120)]}
    ours, theirs = (each.predict(each.embed(image), **prompts) for each in predictors)
    for one, other in zip(ours, theirs, strict=True):
        for first, second in zip(one.candidates, other.candidates, strict=True):
            assert first.iou(second) > 0.98
            assert first.predicted_iou == pytest.approx(second.predicted_iou, abs=0.01)


def test_a_whole_image_gets_the_same_masks(predictors):
    image = skimage.data.coins()[:200, :200]
    settings = AutomaticSettings(levels=(3,))
    one, other = (automatic_masks(each, each.embed(image), settings) for each in predictors)
    found = [max(mask.iou(each) for each in other) > 0.95 for mask in one]
    assert sum(found) >= 0.95 * len(found) > 0


def test_a_run_in_half_precision_stops_and_goes_on(tmp_path):
    path = tmp_path / "train.yaml"
    recipe = {"name": "half", "start": "tiny", "precision": "bf16-mixed", "images": 64}
    data = {"crop": 64, "batch": 8, "workers": 2, "sources": [{"kind": "synthetic"}]}
    loss = {"point_policy": "prompt", "points": 64, "score_target": "all_iou", "rank": 0.1}
    path.write_text(yaml.safe_dump(recipe | {"data": data, "loss": loss}))
    config = read_config(path)
    train(config, tmp_path, output=tmp_path / "out", max_minutes=0)
    first = json.loads((tmp_path / "out" / "report.json").read_text())
    checkpoint = train(config, tmp_path, output=tmp_path / "out", resume=True)
    last = json.loads((tmp_path / "out" / "report.json").read_text())
    assert first["images"] < last["images"]
    assert last["held_out"]["click_oracle_iou"] > 0.3
    Predictor(load_model(checkpoint, device=DEVICE))
