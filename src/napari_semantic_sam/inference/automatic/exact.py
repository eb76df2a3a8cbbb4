"""The published pipeline's decisions: full-size masks of a regular grid, points asked jointly."""

from __future__ import annotations

import torch

from napari_semantic_sam.inference.automatic.asking import Answers, ask
from napari_semantic_sam.inference.automatic.decisions import decide
from napari_semantic_sam.inference.automatic.grid import regular_grid
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.masks import Frame, full_size
from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.model.config import DeformableConfig

PUBLISHED_POINTS_PER_SIDE = 32
PUBLISHED_POINTS_AT_ONCE = 200


def exact_masks(
    predictor: Predictor,
    embedding: PictureEmbedding,
    settings: AutomaticSettings,
    *,
    joint: bool = True,
    points_at_once: int = PUBLISHED_POINTS_AT_ONCE,
) -> list[Candidate]:
    """Segment a whole picture as the published implementation does.

    Every mask that the network believes in is brought to the size of the picture before
    anything is decided: much slower than `automatic_masks`, and what that is measured
    against. The published implementation works on the picture in the network's size; embed
    it with ``scale=1.0`` to compare.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding
        From its `embed`.
    settings : AutomaticSettings
        The grid has 32 points a side unless they say otherwise.
    joint : bool
        Let the points that are asked at once see each other. Only the published
        architecture can; others ignore it.
    points_at_once : int

    Returns
    -------
    list of Candidate
        See `decide`.
    """
    frame = Frame(embedding.image.geometry, embedding.image.mask_stride, embedding.shape)
    masks: list[Candidate] = []
    with torch.inference_mode():
        for answers in ask(
            predictor,
            embedding,
            regular_grid(settings.points_per_side or PUBLISHED_POINTS_PER_SIDE),
            settings.levels,
            settings.thresholds.predicted_iou,
            at_once=points_at_once,
            joint=joint and isinstance(predictor.model.config.decoder, DeformableConfig),
        ):
            found = full_size_masks(answers, frame)
            masks += [mask for mask in found if mask.stability >= settings.thresholds.stability]
    return decide(masks, settings.thresholds, across_levels=settings.across_levels)


def full_size_masks(answers: Answers, frame: Frame) -> list[Candidate]:
    """Bring every mask to the size of the picture."""
    return [
        full_size(piece, frame, token=token, level=level, predicted_iou=score)
        for piece, token, level, score in zip(
            answers.masks.pieces(),
            answers.tokens.tolist(),
            answers.levels.tolist(),
            answers.predicted_iou.tolist(),
            strict=True,
        )
    ]
