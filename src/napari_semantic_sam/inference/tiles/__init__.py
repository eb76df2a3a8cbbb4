"""Planes of any size: embedded tile by tile, where and as finely as a prompt needs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
    from napari_semantic_sam.inference.tiles.disk import DiskCache
    from napari_semantic_sam.inference.tiles.layout import Tile, TileLevel
    from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding
    from napari_semantic_sam.inference.tiles.scale import (
        ObjectSize,
        ScaleChoice,
        choose_scale,
        suited_size,
    )

__all__ = [
    "DiskCache",
    "EmbeddingCache",
    "ObjectSize",
    "PlaneEmbedding",
    "ScaleChoice",
    "Tile",
    "TileLevel",
    "choose_scale",
    "suited_size",
]

_DOORS = {
    "DiskCache": "disk",
    "EmbeddingCache": "cache",
    "ObjectSize": "scale",
    "PlaneEmbedding": "plane_embedding",
    "ScaleChoice": "scale",
    "Tile": "layout",
    "TileLevel": "layout",
    "choose_scale": "scale",
    "suited_size": "scale",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:  # late, because some of them need torch
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
