"""Everything in a picture at once: points on a grid in, masks of every level and their tree out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.inference.automatic.exact import exact_masks
    from napari_semantic_sam.inference.automatic.guided import Guide, SizeRange, like_these
    from napari_semantic_sam.inference.automatic.labels import label_levels
    from napari_semantic_sam.inference.automatic.pipeline import automatic_masks
    from napari_semantic_sam.inference.automatic.plane import segment_plane, stream_plane
    from napari_semantic_sam.inference.automatic.settings import AutomaticSettings, Thresholds
    from napari_semantic_sam.inference.automatic.tree import MaskTree

__all__ = [
    "AutomaticSettings",
    "Guide",
    "MaskTree",
    "SizeRange",
    "Thresholds",
    "automatic_masks",
    "exact_masks",
    "label_levels",
    "like_these",
    "segment_plane",
    "stream_plane",
]

_DOORS = {
    "AutomaticSettings": "settings",
    "Guide": "guided",
    "MaskTree": "tree",
    "SizeRange": "guided",
    "Thresholds": "settings",
    "automatic_masks": "pipeline",
    "exact_masks": "exact",
    "label_levels": "labels",
    "like_these": "guided",
    "segment_plane": "plane",
    "stream_plane": "plane",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:  # late, because decoding needs torch
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
