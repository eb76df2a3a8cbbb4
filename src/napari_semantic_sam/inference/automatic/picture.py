"""From a picture to label images of its levels, with what suits the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy.typing as npt

from napari_semantic_sam.inference.automatic.labels import label_levels
from napari_semantic_sam.inference.automatic.pipeline import Progress, automatic_masks
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings, checked_levels
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.inference.predictor import Predictor
from napari_semantic_sam.model.config import LocalConfig

_LOCAL_DEFAULTS = {"predicted_iou": 0.5, "stability": 0.6, "spacing": 16.0}


def suited_settings(predictor: Predictor, levels: Iterable[int] = ()) -> AutomaticSettings:
    """Return the settings that suit a checkpoint.

    Its record names them; else published networks get the published thresholds.

    Parameters
    ----------
    predictor : Predictor
    levels : iterable of int
        Those to look for; all when empty.

    Raises
    ------
    UserError
        If a level does not exist.
    """
    model = predictor.model
    is_local = isinstance(model.config.decoder, LocalConfig)
    known: dict[str, float] = (_LOCAL_DEFAULTS if is_local else {}) | model.automatic
    usual = AutomaticSettings(checked_levels(levels, predictor.levels))
    thresholds = replace(
        usual.thresholds,
        predicted_iou=known.get("predicted_iou", usual.thresholds.predicted_iou),
        stability=known.get("stability", usual.thresholds.stability),
    )
    return replace(usual, thresholds=thresholds, spacing=known.get("spacing", usual.spacing))


def main_level(predictor: Predictor) -> int | None:
    """Return the level that suits a checkpoint best, if its record names one."""
    level = predictor.model.automatic.get("level")
    return None if level is None else int(level)


def segment_picture(
    predictor: Predictor,
    image: npt.ArrayLike,
    settings: AutomaticSettings,
    *,
    channels: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> LevelLabels:
    """Segment everything in a picture, one label image for each level.

    Parameters
    ----------
    predictor : Predictor
    image, channels
        See `Predictor.embed`.
    settings : AutomaticSettings
    progress : callable, optional
        See `automatic_masks`.

    Returns
    -------
    LevelLabels
        With an image for every level of the settings; all empty for a constant picture.

    Raises
    ------
    UserError
        As `Predictor.embed`.
    """
    values = normalise(image, channels=channels)
    shape = (values.shape[0], values.shape[1])
    if (values == values[:1, :1]).all():  # the network would find something even there
        return label_levels([], settings.levels, shape)
    embedding = predictor.embed(image, channels=channels)
    masks = automatic_masks(predictor, embedding, settings, progress=progress)
    return label_levels(masks, settings.levels, shape, main_level=main_level(predictor))
