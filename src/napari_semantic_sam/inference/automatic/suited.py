"""What suits a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from napari_semantic_sam.inference.automatic.objects import MainLevel
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings, checked_levels
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
    return replace(
        usual,
        thresholds=thresholds,
        spacing=known.get("spacing", usual.spacing),
        closer_below=known.get("closer_below", usual.closer_below),
    )


def main_level(predictor: Predictor) -> MainLevel | None:
    """Return the level of the objects, if the record of a checkpoint names one."""
    known = predictor.model.automatic
    if "level" not in known:
        return None
    usual = MainLevel(int(known["level"]))
    return replace(usual, step=known.get("level_step", usual.step))
