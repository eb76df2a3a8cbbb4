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
from napari_semantic_sam.inference.results import Box, Candidate

Progress = Callable[[int, int], None]

_POINTS_AT_ONCE = 64


def automatic_masks(
    predictor: Predictor,
    embedding: PictureEmbedding,
    settings: AutomaticSettings,
    *,
    origin: tuple[float, float] = (0.0, 0.0),
    within: Box | None = None,
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
    within : Box, optional
        Nothing is asked outside of it; in pixels of the picture, all of it when left out.
    allowed : (h, w) bool array, optional
        A map of that box, of any resolution; nothing is asked where it is false.
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
            points = _inside(grid, embedding.shape, within or (0, 0, *embedding.shape), allowed)
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
    for spacing, wanted in ((settings.spacing, survey.open), (settings.spacing / 2, survey.narrow)):
        points = spaced_grid(size, spacing, origin)
        yield points[_at(points, wanted())]


def _inside(
    points: Points, shape: tuple[int, int], box: Box, allowed: npt.NDArray[np.bool_] | None
) -> Points:
    """Return the points of a picture that lie in a box, where a map of that box allows it."""
    (height, width), (y0, x0, y1, x1) = shape, box
    places = (points * (width, height) - (x0, y0)) / (x1 - x0, y1 - y0)
    is_inside = ((places >= 0) & (places < 1)).all(axis=1)
    points, places = points[is_inside], places[is_inside]
    return points if allowed is None else points[_at(places, allowed)]


def _at(places: Points, values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the values of the cells in which places lie."""
    columns, rows = (places * values.shape[::-1]).astype(np.intp).T
    return np.asarray(values[rows, columns])
