"""Whether the objects of a picture are so small that it should be looked at from closer.

Masks come at a stride of the network's input, and small objects have few of their points on the
grid. Where most objects are small, the same picture at twice the scale shows more of them, with
better outlines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_semantic_sam.inference.automatic.objects import MainLevel, settle_levels
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.tree import Mask

_FEWEST = 4
"""Fewer objects say nothing about what is typical."""
_DIAMETER = 2 / np.pi**0.5
"""Of a disc whose area is 1."""


def are_small(
    masks: Sequence[Mask], settings: AutomaticSettings, main: MainLevel | None, scale: float
) -> bool:
    """Tell whether the median object is below the size from which a picture is shown larger.

    Parameters
    ----------
    masks : sequence of Candidate or PlaneMask
        What was found in the picture.
    settings : AutomaticSettings
    main : MainLevel or None
        The level of the objects; without one, or if it was not asked for, nothing is small.
    scale : float
        Pixels of the network's input per pixel of the picture.
    """
    if main is None or main.level not in settings.levels:
        return False
    settled = settle_levels(masks, settings.levels, main)
    areas = [mask.area for mask in settled if mask.level == main.level]
    if len(areas) < _FEWEST:
        return False
    return bool(_DIAMETER * np.median(areas) ** 0.5 * scale < settings.closer_below)
