"""Pictures under File › Open Sample; all of them are there without a network."""

from __future__ import annotations

from typing import Any

LayerData = tuple[Any, dict[str, Any], str]

_SYNTHETIC_SEED = 7
_SYNTHETIC_SIZE = 512


def ihc() -> list[LayerData]:
    """Colon tissue, stained nuclei (immunohistochemistry)."""
    return _from_skimage("immunohistochemistry", "ihc")


def cell() -> list[LayerData]:
    """A cell, transmitted light."""
    return _from_skimage("cell", "cell")


def microaneurysms() -> list[LayerData]:
    """Microaneurysms of the retina."""
    return _from_skimage("microaneurysms", "microaneurysms")


def coins() -> list[LayerData]:
    """Greek coins."""
    return _from_skimage("coins", "coins")


def camera() -> list[LayerData]:
    """A photographer with a camera."""
    return _from_skimage("camera", "camera")


def synthetic() -> list[LayerData]:
    """Tissue, cells and nuclei, drawn by chance but always the same."""
    import numpy as np

    from napari_semantic_sam.training.synthetic import generate

    rng = np.random.default_rng(_SYNTHETIC_SEED)
    drawn = generate(rng, _SYNTHETIC_SIZE, scene="histology")
    return [_image(drawn.image, "tissue (synthetic)")]


def _from_skimage(function: str, name: str) -> list[LayerData]:
    from skimage import data  # late: napari reads this module when it starts

    return [_image(getattr(data, function)(), name)]


def _image(pixels: Any, name: str) -> LayerData:
    return pixels, {"name": name, "rgb": pixels.ndim == 3}, "image"
