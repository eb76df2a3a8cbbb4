"""Pictures of nested structures, drawn by chance, with a mask for every structure in them."""

from __future__ import annotations

from napari_semantic_sam.training.synthetic.generate import generate
from napari_semantic_sam.training.synthetic.scenes import SCENES
from napari_semantic_sam.training.synthetic.types import SyntheticImage

__all__ = ["SCENES", "SyntheticImage", "generate"]
