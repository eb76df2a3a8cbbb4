"""The scenes and how often each is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_semantic_sam.training.synthetic.scenes.blood import blood
from napari_semantic_sam.training.synthetic.scenes.chambers import chambers
from napari_semantic_sam.training.synthetic.scenes.culture import culture
from napari_semantic_sam.training.synthetic.scenes.em import em
from napari_semantic_sam.training.synthetic.scenes.epithelium import epithelium
from napari_semantic_sam.training.synthetic.scenes.histology import histology
from napari_semantic_sam.training.synthetic.scenes.mosaic import mosaic
from napari_semantic_sam.training.synthetic.scenes.nuclei import nuclei
from napari_semantic_sam.training.synthetic.scenes.rods import rods
from napari_semantic_sam.training.synthetic.scenes.spindly import spindly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from napari_semantic_sam.training.synthetic.types import Draft

    Scene = Callable[[np.random.Generator, int], Draft]

SCENES: Mapping[str, Scene] = {
    "nuclei": nuclei,
    "chambers": chambers,
    "culture": culture,
    "epithelium": epithelium,
    "spindly": spindly,
    "rods": rods,
    "blood": blood,
    "histology": histology,
    "em": em,
    "mosaic": mosaic,
}
"""Scene functions by name."""

WEIGHTS: Mapping[str, float] = {
    "nuclei": 0.09,
    "chambers": 0.04,
    "culture": 0.10,
    "epithelium": 0.08,
    "spindly": 0.10,
    "rods": 0.08,
    "blood": 0.25,
    "histology": 0.08,
    "em": 0.09,
    "mosaic": 0.09,
}
"""Share of each scene in the mixture; sums to 1."""
