"""Arrays in, masks out: knows the network, nothing of files, Qt or napari."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.inference.levels import distinct_candidates
    from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor
    from napari_semantic_sam.inference.results import Candidate, PromptResult

__all__ = ["Candidate", "PictureEmbedding", "Predictor", "PromptResult", "distinct_candidates"]

_DOORS = {
    "Candidate": "results",
    "PictureEmbedding": "predictor",
    "Predictor": "predictor",
    "PromptResult": "results",
    "distinct_candidates": "levels",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:  # late, because the predictor needs torch
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
