"""Everything in a picture at once, quickly: decide at mask stride, confirm at full size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from napari_semantic_sam.inference.automatic.asking import Points, ask
from napari_semantic_sam.inference.automatic.decisions import decide
from napari_semantic_sam.inference.automatic.full_size import Frame
from napari_semantic_sam.inference.automatic.grid import regular_grid, spaced_grid
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.survey import Survey
from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor
from napari_semantic_sam.inference.results import Candidate

Progress = Callable[[int, int], None]

_POINTS_AT_ONCE = 64


def automatic_masks(
    predictor: Predictor,
    embedding: PictureEmbedding,
    settings: AutomaticSettings,
    *,
    progress: Progress | None = None,
) -> list[Candidate]:
    """Segment a whole picture at all levels asked for.

    Each point is answered on its own. Masks are judged at mask stride; only those whose
    fate is not certain there, or which are kept, are ever brought to the picture's size,
    where the decisions of `exact_masks` are taken. What is kept for the others is a few
    kilobytes each, whatever the size of the picture.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding
        From its `embed`.
    settings : AutomaticSettings
    progress : callable, optional
        Called with the number of points asked, and how many there are as far as known.

    Returns
    -------
    list of Candidate
        Nothing if the picture is constant; see `decide`.
    """
    frame = Frame(embedding.image.geometry, embedding.image.mask_stride, embedding.shape)
    survey = Survey(frame, settings)
    asked = 0
    with torch.inference_mode():
        for points in _grids(survey):
            for start in range(0, len(points), _POINTS_AT_ONCE):
                some = points[start : start + _POINTS_AT_ONCE]
                _look(predictor, embedding, some, survey)
                asked += len(some)
                if progress is not None:
                    progress(asked, asked + len(points) - start - len(some))
        undecided = survey.undecided()
    return decide(undecided, settings.thresholds, across_levels=settings.across_levels)


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


def _grids(survey: Survey) -> Iterator[Points]:
    """Yield points to ask at, each set chosen by what the earlier ones have found."""
    settings, size = survey.settings, survey.frame.geometry.image_size
    if settings.points_per_side is not None:
        yield regular_grid(settings.points_per_side)
        return
    yield spaced_grid(size, 2 * settings.spacing)
    yield _where(spaced_grid(size, settings.spacing), survey.open())
    yield _where(spaced_grid(size, settings.spacing / 2), survey.open() & survey.crowded)


def _where(points: Points, wanted: npt.NDArray[np.bool_]) -> Points:
    """Return the points whose cell is wanted."""
    rows, columns = wanted.shape
    y = (points[:, 1] * rows).astype(np.intp)
    x = (points[:, 0] * columns).astype(np.intp)
    return points[wanted[y, x]]
