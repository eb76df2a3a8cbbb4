from __future__ import annotations

import importlib.util
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from automatic_stub import cells_with_nuclei
from tifffile import imwrite

from napari_semantic_sam.inference.automatic.suited import main_level, suited_settings
from napari_semantic_sam.inference.predictor import Predictor
from napari_semantic_sam.model.checkpoint import load_checkpoint, save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "choose_automatic_level.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("choose_automatic_level", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    config = ModelConfig(
        TimmConfig("test_efficientnet"),
        LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
    )
    model = SemanticSAM(config)
    last = model.mask_decoder.mask_head.controller.layers[-1]
    with torch.no_grad():  # else all logits are near 0, and no mask is stable
        last.weight *= 30
    path = tmp_path / "some.safetensors"
    record = CheckpointMetadata("some", config, (5, 4, 3, 2, 1, 0), ("click",), "BSD-3-Clause")
    save_checkpoint(path, model, record)
    return path


@pytest.fixture
def folders(tmp_path):
    """Ten pictures, of which training would hold out two."""
    truth = cells_with_nuclei((100, 500))[0]
    stems = (f"picture_{number}" for number in range(1000))
    held_out, trained_on = [], []
    for stem in stems:
        (trained_on if zlib.crc32(stem.encode()) % 20 else held_out).append(stem)
    for name, array in (("images", truth * 20), ("masks", truth)):
        (tmp_path / name).mkdir()
        for stem in (*held_out[:2], *trained_on[:8]):
            imwrite(tmp_path / name / f"{stem}.tif", array.astype(np.uint16))
    return tmp_path / "images", tmp_path / "masks", held_out[:2]


def test_the_choice_is_written_into_the_record(script, checkpoint, folders, monkeypatch, capsys):
    images, masks, held_out = folders
    for name, few in (("PREDICTED_IOU", (0.1, 0.9)), ("STABILITY", (0.2,))):
        monkeypatch.setattr(script, name, few)
    before, _ = load_checkpoint(checkpoint)
    arguments = [str(checkpoint), "--images", str(images), "--masks", str(masks), "--write"]
    monkeypatch.setattr(sys, "argv", ["choose_automatic_level.py", *arguments, "--spacing", "40"])
    script.main()
    told = capsys.readouterr().out
    assert all(f"{stem}: " in told for stem in held_out)
    assert told.count("s of CPU") == 2
    after, _ = load_checkpoint(checkpoint)
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    predictor = Predictor(after)
    suited = suited_settings(predictor)
    main = main_level(predictor)
    assert main.level in predictor.levels
    assert main.step in script.LEVEL_STEP
    assert suited.thresholds.predicted_iou in (0.1, 0.9)
    assert (suited.thresholds.stability, suited.spacing) == (0.2, 40)


def test_of_choices_about_as_good_the_strictest_is_taken(script):
    def choice(level, predicted_iou, f1):
        return script.Choice(
            script.MainLevel(level), script.Thresholds(predicted_iou=predicted_iou), (f1, 0.7)
        )

    ranked = [choice(2, 0.45, 0.85), choice(3, 0.6, 0.849), choice(4, 0.6, 0.848)]
    far = choice(5, 0.7, 0.84)
    assert script.strictest_of_the_best([*ranked, far]) is ranked[1]
    assert script.strictest_of_the_best([ranked[0], far]) is ranked[0]


def test_large_pictures_are_cut_down_to_their_middle(script):
    array = np.arange(400 * 30).reshape(400, 30)
    np.testing.assert_array_equal(script.middle(array), array[40:360])
