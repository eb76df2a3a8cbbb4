"""Everything in a picture at once: points on a grid in, masks of every level and their tree out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.inference.automatic.exact import exact_masks
    from napari_semantic_sam.inference.automatic.labels import label_levels
    from napari_semantic_sam.inference.automatic.pipeline import automatic_masks
    from napari_semantic_sam.inference.automatic.settings import AutomaticSettings, Thresholds
    from napari_semantic_sam.inference.automatic.tree import MaskTree

__all__ = [
    "AutomaticSettings",
    "MaskTree",
    "Thresholds",
    "automatic_masks",
    "exact_masks",
    "label_levels",
]

_DOORS = {
    "AutomaticSettings": "settings",
    "MaskTree": "tree",
    "Thresholds": "settings",
    "automatic_masks": "pipeline",
    "exact_masks": "exact",
    "label_levels": "labels",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:  # late, because decoding needs torch
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
