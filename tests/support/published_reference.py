"""Where the tensors computed with the published implementation are, and models to compare."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import torch
from weights_rule import make_weights

from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.published import from_published
from napari_semantic_sam.model.semantic_sam import SemanticSAM

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "tests" / "data" / "reference"
FULL = ROOT / ".." / "shared" / "reference"


def published_keys(preset: str) -> dict[str, tuple[list[int], str]]:
    """Shape and fingerprint of each tensor of a published checkpoint."""
    path = COMMITTED / f"keys_{preset.replace('-', '')}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def synthetic_weights(preset: str) -> dict[str, torch.Tensor]:
    return make_weights({key: shape for key, (shape, _) in published_keys(preset).items()})


def synthetic_model(preset: str, weights: dict[str, torch.Tensor]) -> SemanticSAM:
    model = SemanticSAM(PRESETS[preset])
    # The model takes over the memory of the weights: the large one would not fit in twice.
    model.load_state_dict(from_published(weights, model.config), assign=True)
    return model.eval()


def image_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()
