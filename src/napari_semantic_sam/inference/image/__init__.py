"""What a microscope makes, as planes: dimensions, channels, pyramids, read lazily."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_semantic_sam.inference.image.axes import Axes, checked_axes, guess_axes
    from napari_semantic_sam.inference.image.level import ArrayLike
    from napari_semantic_sam.inference.image.plane import Box, Plane
    from napari_semantic_sam.inference.image.source import ImageSource
    from napari_semantic_sam.inference.label_parts import PlaneIndex

__all__ = [
    "ArrayLike",
    "Axes",
    "Box",
    "ImageSource",
    "Plane",
    "PlaneIndex",
    "checked_axes",
    "guess_axes",
]

_DOORS = {
    "ArrayLike": "level",
    "Axes": "axes",
    "Box": "plane",
    "ImageSource": "source",
    "Plane": "plane",
    "PlaneIndex": "source",
    "checked_axes": "axes",
    "guess_axes": "axes",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
