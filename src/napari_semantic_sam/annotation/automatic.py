"""Segmenting a whole picture: what the user asks for, and the work beside the viewer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_semantic_sam.annotation.bulk import Patch, patches_of
from napari_semantic_sam.annotation.engine import OpenPicture, Report
from napari_semantic_sam.inference.automatic.guided import Guide, Region, SizeRange, like_these
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import Predictor

Draft = Callable[[Sequence[Candidate]], None]

_SURE_OF_THE_PACE = 0.05
"""Share that has to be done before the time left is estimated."""


@dataclass(frozen=True)
class AutomaticRequest:
    """What to look for in a whole picture.

    Attributes
    ----------
    levels : tuple of int
        All levels if empty.
    quality : float
        -1 (as many masks as possible) to 1 (only the surest); 0 takes the limits that suit the
        checkpoint. See `with_quality`.
    sizes : SizeRange
        Of the masks, at every level.
    inside : Region, optional
        Where to look.
    like : tuple of LabelRow
        Labels whose levels and sizes are looked for, instead of `levels` and `sizes`; nothing
        for those.
    """

    levels: tuple[int, ...] = ()
    quality: float = 0.0
    sizes: SizeRange = field(default_factory=SizeRange)
    inside: Region | None = None
    like: tuple[LabelRow, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """What there is in a picture.

    Attributes
    ----------
    patches : sequence of Patch
        All labels, for `LabelEditing.begin_adding`.
    counts : mapping of int to int
        How many objects there are in each level that has some.
    skipped : tuple of str
        One sentence for each plane that could not be segmented.
    """

    patches: Sequence[Patch]
    counts: Mapping[int, int]
    skipped: tuple[str, ...] = ()


def find_everything(
    opened: OpenPicture,
    request: AutomaticRequest,
    report: Report,
    stopped: Callable[[], bool],
    draft: Draft,
) -> Found:
    """Segment a plane of a picture; runs on a worker thread.

    Parameters
    ----------
    opened : OpenPicture
    request : AutomaticRequest
    report : callable
        Told the share that is done, and the time left in words.
    stopped : callable
        Asked now and then. What was found until it is true is the result.
    draft : callable
        Told of masks as soon as they are likely to be kept.

    Raises
    ------
    UserError
        If a level does not exist, or memory runs out.
    """
    pace = Pace()
    labels = label_plane(
        opened, request, lambda share: report(pace.text(share), share), stopped, draft
    )
    counts = {level: len(labels.rows(level)) for level in labels.levels if labels.rows(level)}
    return Found(patches_of(labels, opened.plane), counts)


def label_plane(
    opened: OpenPicture,
    request: AutomaticRequest,
    progress: Callable[[float], None],
    stopped: Callable[[], bool],
    draft: Draft,
) -> LevelLabels:
    """Return the labels of all objects in a plane; runs on a worker thread.

    Parameters and errors are those of `find_everything`, except that `progress` is told the share
    that is done and nothing else.
    """
    # Late, because torch takes seconds to import.
    from napari_semantic_sam.inference.automatic.plane import segment_plane

    settings, guide = _settings(opened.model.predictor, request)
    return segment_plane(
        opened.model.predictor,
        opened.embedding,
        settings,
        guide=guide,
        progress=lambda done, total: progress(done / max(total, 1)),
        cancelled=stopped,
        draft=draft,
    )


def with_quality(settings: AutomaticSettings, quality: float) -> AutomaticSettings:
    """Make the limits for predicted IoU and stability stricter or looser.

    Both move in proportion: at 1 they are half-way between what suits the checkpoint and 1, at
    -1 half of what suits it, at 0 unchanged.
    """
    limits = settings.thresholds
    shifted = replace(
        limits,
        predicted_iou=_shifted(limits.predicted_iou, quality),
        stability=_shifted(limits.stability, quality),
    )
    return replace(settings, thresholds=shifted)


class Pace:
    """Says how long something that is under way will still take.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()

    def text(self, share: float, what: str = "Segmenting") -> str:
        """Return a sentence for a share that is done, 0 to 1."""
        if share < _SURE_OF_THE_PACE:
            return f"{what} …"
        left = (self._clock() - self._began) * (1 - share) / share
        return f"{what} … {100 * share:.0f} %, about {_duration(left)} left"


def _settings(predictor: Predictor, request: AutomaticRequest) -> tuple[AutomaticSettings, Guide]:
    from napari_semantic_sam.inference.automatic.suited import suited_settings

    settings = with_quality(suited_settings(predictor, request.levels), request.quality)
    if request.like:
        settings, guide = like_these(request.like, settings)
    else:
        guide = Guide(dict.fromkeys(settings.levels, request.sizes))
    return settings, replace(guide, inside=request.inside)


def _shifted(limit: float, quality: float) -> float:
    return limit + quality * ((1 - limit) if quality > 0 else limit) / 2


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min"
