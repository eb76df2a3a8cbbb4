from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_semantic_sam.model.checkpoint import load_checkpoint, save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "average_checkpoints.py"
CONFIG = ModelConfig(
    TimmConfig("test_efficientnet"),
    LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
)


@pytest.fixture
def leg(tmp_path):
    def write(seed, start="the same"):
        torch.manual_seed(seed)
        path = tmp_path / f"{seed}.safetensors"
        provenance = {"seed": seed, "start_weights": start}
        record = CheckpointMetadata(
            "some", CONFIG, tuple(range(6)), ("click",), "CC0-1.0", provenance=provenance
        )
        save_checkpoint(path, SemanticSAM(CONFIG), record, half=False)
        return path

    return write


def run(*arguments):
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_weight_is_the_mean_and_the_record_names_both(leg, tmp_path):
    first, second = leg(1), leg(2)
    done = run(first, second, "--output", tmp_path / "mean.safetensors")
    assert done.returncode == 0, done.stderr
    (one, _), (other, _) = load_checkpoint(first), load_checkpoint(second)
    mean, record = load_checkpoint(tmp_path / "mean.safetensors")
    rest = other.state_dict()
    for name, weight in one.state_dict().items():
        expected = (weight.double() + rest[name].double()) / 2
        torch.testing.assert_close(mean.state_dict()[name].double(), expected, rtol=1e-3, atol=1e-6)
    assert record.provenance["seed"] == 1
    assert [each["seed"] for each in record.provenance["averaged_with"]] == [2]


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        (("one", "another"), "another network, start"),
        ((None, None), "was not trained from a checkpoint"),
    ],
)
def test_legs_that_began_elsewhere_are_refused(leg, tmp_path, starts, said):
    legs = [leg(seed, start=start) for seed, start in enumerate(starts)]
    done = run(*legs, "--output", tmp_path / "mean.safetensors")
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mean.safetensors").exists()
