"""From a picture to label images of its levels, with what suits the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from napari_semantic_sam.inference.automatic.guided import Guide
from napari_semantic_sam.inference.automatic.pipeline import Progress
from napari_semantic_sam.inference.automatic.plane import segment_plane
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.suited import main_level, suited_settings
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.predictor import Predictor

__all__ = ["main_level", "segment_picture", "suited_settings"]

_EVERYTHING = Guide()


def segment_picture(
    predictor: Predictor,
    image: npt.ArrayLike | Plane,
    settings: AutomaticSettings,
    *,
    channels: Sequence[int] | None = None,
    scale: float | None = None,
    guide: Guide = _EVERYTHING,
    progress: Progress | None = None,
) -> LevelLabels:
    """Segment everything in a picture, one label image for each level.

    Parameters
    ----------
    predictor : Predictor
    image : array or Plane
        As for `Predictor.embed`, or a plane of any size. What is larger than the network's
        input is segmented tile by tile.
    channels : one to three ints, optional
        Of an array; see `Predictor.embed`.
    scale : float, optional
        See `Predictor.embed_plane`.
    settings : AutomaticSettings
    guide : Guide
        Sizes and the region that are wanted; everything when left out.
    progress : callable, optional
        See `Watch`.

    Returns
    -------
    LevelLabels
        With an image for every level of the settings; all empty for a constant picture.

    Raises
    ------
    UserError
        As `Predictor.embed`.
    """
    plane = image if isinstance(image, Plane) else Plane.of(image, channels)
    embedding = predictor.embed_plane(plane, scale=scale)
    return segment_plane(predictor, embedding, settings, guide=guide, progress=progress)
