"""How a model is asked, and what its answers are compared with.

Every protocol gives one row of numbers for each object it prompts for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_semantic_sam.evaluation.interactive import interactive
from napari_semantic_sam.evaluation.measurements import Floats, Measurements
from napari_semantic_sam.evaluation.objects import (
    ClickIndex,
    TrueObject,
    random_click,
)
from napari_semantic_sam.evaluation.scene import Scene
from napari_semantic_sam.inference.pieces import centre_pixel

if TYPE_CHECKING:
    from napari_semantic_sam.inference import PromptResult

Protocol = Callable[[Scene], Measurements]


def one_click(scene: Scene) -> Measurements:
    """Click once on each object, at its centre and at a random place.

    ``oracle_iou`` is the IoU of the best of the K masks, ``max_iou`` that of the mask with
    the highest predicted IoU (Semantic-SAM section 4.2: "oracle" and "max"); ``random_…``
    are the same of the random click. Shares and calibration are those of the centre click.
    """
    centres = [centre_pixel(found) for found in scene.prompted]
    anywhere = [random_click(found, scene.rng) for found in scene.prompted]
    predicted, iou = _compare(scene.click(centres), scene.prompted)
    random_predicted, random_iou = _compare(scene.click(anywhere), scene.prompted)
    columns = {
        "oracle_iou": iou.max(axis=1),
        "max_iou": _chosen(predicted, iou),
        "random_oracle_iou": random_iou.max(axis=1),
        "random_max_iou": _chosen(random_predicted, random_iou),
    }
    return Measurements(columns | _shares(iou), predicted, iou)


def box(scene: Scene) -> Measurements:
    """Draw the bounding box of each object.

    ``box_iou`` is the IoU of the best of the K masks, ``box_max_iou`` that of the mask with
    the highest predicted IoU.
    """
    predicted, iou = _compare(scene.draw([found.box for found in scene.prompted]), scene.prompted)
    columns = {"box_iou": iou.max(axis=1), "box_max_iou": _chosen(predicted, iou)}
    return Measurements(columns | _shares(iou), predicted, iou)


def granularity(scene: Scene) -> Measurements:
    """Click once at the centre of each object and ask for everything that is there.

    All objects that hold the click are matched to the K masks so that the sum of the IoUs
    is largest; ``granularity_iou`` is the mean over the matched pairs (Semantic-SAM section
    4.2: "1-IoU@All Granularity"). Of K masks at most K objects can be matched.
    ``granularity_oracle_iou`` is the mean over all objects there of the best of the K masks,
    which several may share: where several people drew the same object (``bsds500``), one to
    one matching gives one of them the right mask and the others what is left.
    ``targets_per_click`` says how many objects there were.
    """
    index = ClickIndex(scene.objects)
    clicks = [centre_pixel(found) for found in scene.prompted]
    targets = [index.at(*click) for click in clicks]
    tables = [
        np.array([[mask.iou(found) for mask in result.candidates] for found in there])
        for there, result in zip(targets, scene.click(clicks), strict=True)
    ]
    columns = {
        "granularity_iou": np.array([_matched_iou(table) for table in tables]),
        "granularity_oracle_iou": np.array([table.max(axis=1).mean() for table in tables]),
        "targets_per_click": np.array([float(len(there)) for there in targets]),
    }
    nothing = np.empty((len(clicks), 0))
    return Measurements(columns, nothing, nothing)


PROTOCOLS: dict[str, Protocol] = {
    "one-click": one_click,
    "box": box,
    "granularity": granularity,
    "interactive": interactive,
}


def _compare(
    results: Iterator[PromptResult], objects: Sequence[TrueObject]
) -> tuple[Floats, Floats]:
    """Return predicted and measured IoU of every candidate, both ``(N, K)``."""
    predicted, measured = [], []
    for result, found in zip(results, objects, strict=True):
        predicted.append([candidate.predicted_iou for candidate in result.candidates])
        measured.append([candidate.iou(found) for candidate in result.candidates])
    return np.array(predicted, dtype=float), np.array(measured, dtype=float)


def _chosen(predicted: Floats, iou: Floats) -> Floats:
    """Measured IoU of the candidate with the highest predicted IoU."""
    return np.take_along_axis(iou, predicted.argmax(axis=1)[:, None], axis=1)[:, 0]


def _shares(iou: Floats) -> dict[str, Floats]:
    best = iou.max(axis=1)
    return {
        "share_over_50": (best > 0.5).astype(float),
        "share_over_75": (best > 0.75).astype(float),
    }


def _matched_iou(iou: Floats) -> float:
    """Mean IoU of the best one to one matching of objects (rows) and masks."""
    return float(iou[linear_sum_assignment(iou, maximize=True)].mean())
