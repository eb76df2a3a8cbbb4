"""Semantic-SAM for napari: one click gives every structure under it, as nested masks.

The public doors are imported on first use, so that importing the package (which napari
does at start-up) costs nothing.

Examples
--------
>>> from napari_semantic_sam import Predictor, load_model
>>> predictor = Predictor(load_model("tiny"))
>>> embedding = predictor.embed(image)
>>> results = predictor.predict(embedding, points=[(120, 88)])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.inference import Candidate, Predictor, PromptResult
    from napari_semantic_sam.model import load_model

__all__ = ["Candidate", "Predictor", "PromptResult", "__version__", "load_model"]

_DOORS = {
    "Candidate": "napari_semantic_sam.inference",
    "Predictor": "napari_semantic_sam.inference",
    "PromptResult": "napari_semantic_sam.inference",
    "load_model": "napari_semantic_sam.model",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata  # late: it takes longer than the rest of this file

        try:
            return metadata.version("napari-semantic-sam")
        except metadata.PackageNotFoundError:  # run from a source tree, not installed
            return "0+unknown"
    if name in _DOORS:
        return getattr(import_module(_DOORS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
