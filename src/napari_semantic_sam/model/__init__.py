"""The network and its weights: knows torch and timm, nothing of files of images, Qt or napari."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.model.loading import load_model
    from napari_semantic_sam.model.semantic_sam import SemanticSAM
    from napari_semantic_sam.model.types import Candidates, ImageEmbedding, Prompts

__all__ = ["Candidates", "ImageEmbedding", "Prompts", "SemanticSAM", "load_model"]

_DOORS = {
    "Candidates": "types",
    "ImageEmbedding": "types",
    "Prompts": "types",
    "SemanticSAM": "semantic_sam",
    "load_model": "loading",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:  # late, because torch takes more than a second to import
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
