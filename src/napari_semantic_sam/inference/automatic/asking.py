"""Asking the network at many points, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor
from napari_semantic_sam.model.predictions import MaskSource
from napari_semantic_sam.model.types import Prompts

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answers:
    """Masks of some points whose predicted IoU is high enough, point by point.

    Attributes
    ----------
    masks : MaskSource
        Of M prompts with one token each; nothing is computed yet.
    points : (M,) int array
        Which of all points each belongs to.
    tokens, levels : (M,) int arrays
    predicted_iou : (M,) float32 array
    """

    masks: MaskSource
    points: npt.NDArray[np.intp]
    tokens: npt.NDArray[np.intp]
    levels: npt.NDArray[np.intp]
    predicted_iou: npt.NDArray[np.float32]


def ask(
    predictor: Predictor,
    embedding: PictureEmbedding,
    points: Points,
    levels: Sequence[int],
    least_iou: float,
    *,
    at_once: int,
    joint: bool = False,
) -> Iterator[Answers]:
    """Click at points and keep the answers that the network itself believes in.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding
        From its `embed`.
    points : (N, 2) array
        ``(x, y)`` in fractions of the picture.
    levels : sequence of int
        The answers of a point come in this order.
    least_iou : float
        Predicted IoU has to be above this.
    at_once : int
        How many points share a pass through the decoder.
    joint : bool
        See `SemanticSAM.decode`.

    Yields
    ------
    Answers
        Of every `at_once` points, maybe none.
    """
    model = predictor.model
    chosen = [model.level_order[level - 1] for level in levels]
    for start in range(0, len(points), at_once):
        some = torch.from_numpy(points[start : start + at_once]).float()
        found = model.decode_last(embedding.image, Prompts.clicks(some), joint=joint)
        scores = found.predicted_iou.float()[:, chosen]
        rows, columns = (scores > least_iou).nonzero(as_tuple=True)
        tokens = torch.tensor(chosen, device=columns.device)[columns]
        yield Answers(
            masks=found.masks.pick(rows, tokens),
            points=start + rows.cpu().numpy(),
            tokens=tokens.cpu().numpy(),
            levels=np.array(levels, dtype=np.intp)[columns.cpu().numpy()],
            predicted_iou=scores[rows, columns].cpu().numpy(),
        )
