"""The protocols and metrics of the paper and of the field, on folders of image/label pairs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.evaluation.report import Report
    from napari_semantic_sam.evaluation.run import evaluate

__all__ = ["Report", "evaluate"]

_DOORS = {"Report": "report", "evaluate": "run"}


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
