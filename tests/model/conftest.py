"""A network small enough to build, save and load in a blink."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_semantic_sam.model.config import PRESETS, DeformableConfig, ModelConfig, SwinConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.published import published_names
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.swin import relative_position_index


@pytest.fixture
def small_metadata() -> CheckpointMetadata:
    """The record of `small_model`."""
    decoder = DeformableConfig(
        width=32, heads=2, points=2, feedforward=32, encoder_layers=1, decoder_layers=2
    )
    return CheckpointMetadata(
        name="small",
        config=ModelConfig(SwinConfig(8, (1, 1, 1, 1), (1, 1, 2, 2), window=4), decoder),
        level_order=(5, 4, 3, 2, 1, 0),
        capabilities=("click", "box"),
        experimental=("box",),
        licence="CC0-1.0",
        description="Random weights.",
        provenance={"seed": 0},
    )


@pytest.fixture
def small_model(small_metadata) -> SemanticSAM:
    """A model with random weights."""
    torch.manual_seed(0)
    return SemanticSAM(small_metadata.config, small_metadata.level_order).eval()


@pytest.fixture
def published_file(small_model, tmp_path, monkeypatch) -> Path:
    """The weights of `small_model` as the authors would have published them, as Swin-T."""
    monkeypatch.setitem(PRESETS, "swin-t", small_model.config)
    index = relative_position_index(small_model.config.backbone.window)
    tensors = {"model.criterion.empty_weight": torch.ones(2)}
    for ours, names in published_names(small_model.config).items():
        tensor = small_model.state_dict()[ours]
        if names[0].endswith("label_enc.weight"):
            tensor = torch.cat([tensor, torch.ones_like(tensor)])
        tensors |= dict.fromkeys(names, tensor)
        if names[0].endswith("position_bias_table"):
            tensors[names[0].replace("bias_table", "index")] = index
    torch.save({"model": tensors}, tmp_path / "published.pth")
    return tmp_path / "published.pth"
