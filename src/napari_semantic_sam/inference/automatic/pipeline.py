"""Everything in a picture at once, quickly: decide at mask stride, confirm at full size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from napari_semantic_sam.inference.automatic.asking import Points, ask
from napari_semantic_sam.inference.automatic.decisions import decide
from napari_semantic_sam.inference.automatic.grid import regular_grid, spaced_grid
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.survey import Survey
from napari_semantic_sam.inference.masks import Frame
from napari_semantic_sam.inference.predictor import (
    PictureEmbedding,
    Predictor,
    clear_about_memory,
)
from napari_semantic_sam.inference.results import Candidate

Progress = Callable[[int, int], None]

_POINTS_AT_ONCE = 64


def automatic_masks(
    predictor: Predictor,
    embedding: PictureEmbedding,
    settings: AutomaticSettings,
    *,
    origin: tuple[float, float] = (0.0, 0.0),
    allowed: npt.NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Candidate]:
    """Segment a whole picture at all levels asked for.

    Each point is answered on its own. Masks are sketched at mask stride or below; only those
    that are not ruled out there are ever brought to the picture's size, one at a time, where
    the decisions of `exact_masks` are taken. What is kept of the others is a few kilobytes
    each, whatever the size of the picture.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding
        From its `embed`.
    settings : AutomaticSettings
    origin : (y, x)
        Where the picture begins in a larger one, in pixels of the network's input; see
        `spaced_grid`.
    allowed : (h, w) bool array, optional
        A map of the picture, of any resolution; nothing is asked where it is false.
    progress : callable, optional
        Called with the number of points asked, and how many there are as far as known.
    cancelled : callable, optional
        Asked now and then; once true, nothing more is asked, and what was found is kept.

    Returns
    -------
    list of Candidate
        See `decide`.

    Raises
    ------
    UserError
        If memory runs out.
    """
    frame = Frame(embedding.image.geometry, embedding.image.mask_stride, embedding.shape)
    survey = Survey(frame, settings)
    asked = 0
    with torch.inference_mode(), clear_about_memory():
        for grid in _grids(survey, origin):
            points = grid if allowed is None else _where(grid, allowed)
            for start in range(0, len(points), _POINTS_AT_ONCE):
                if cancelled is not None and cancelled():
                    break
                some = points[start : start + _POINTS_AT_ONCE]
                _look(predictor, embedding, some, survey)
                asked += len(some)
                if progress is not None:
                    progress(asked, asked + len(points) - start - len(some))
        survivors = survey.survivors()
    return decide(survivors, settings.thresholds, across_levels=settings.across_levels)


def _look(
    predictor: Predictor, embedding: PictureEmbedding, points: Points, survey: Survey
) -> None:
    settings = survey.settings
    for answers in ask(
        predictor,
        embedding,
        points,
        settings.levels,
        settings.thresholds.predicted_iou,
        at_once=_POINTS_AT_ONCE,
    ):
        survey.add(answers)


def _grids(survey: Survey, origin: tuple[float, float]) -> Iterator[Points]:
    """Yield points to ask at, each set chosen by what the earlier ones have found."""
    settings, size = survey.settings, survey.frame.geometry.image_size
    if settings.points_per_side is not None:
        yield regular_grid(settings.points_per_side)
        return
    yield spaced_grid(size, 2 * settings.spacing, origin)
    yield _where(spaced_grid(size, settings.spacing, origin), survey.open())
    yield _where(spaced_grid(size, settings.spacing / 2, origin), survey.narrow())


def _where(points: Points, wanted: npt.NDArray[np.bool_]) -> Points:
    """Return the points whose cell is wanted."""
    rows, columns = wanted.shape
    y = (points[:, 1] * rows).astype(np.intp)
    x = (points[:, 0] * columns).astype(np.intp)
    return points[wanted[y, x]]
