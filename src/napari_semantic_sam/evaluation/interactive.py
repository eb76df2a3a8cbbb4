"""How many clicks an object costs: click, look at the largest error, click there."""

from __future__ import annotations

import numpy as np

from napari_semantic_sam.evaluation.measurements import Floats, Measurements
from napari_semantic_sam.evaluation.objects import TrueObject
from napari_semantic_sam.evaluation.scene import Scene
from napari_semantic_sam.inference.pieces import centre_pixel, largest_piece
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask, around, tight

MOST_CLICKS = 5
_GOALS = {"80": 0.8, "90": 0.9}


def interactive(scene: Scene) -> Measurements:
    """Click on each object until it is right, at most five times.

    The first click is at the object's centre; each next one is at the centre of the largest
    connected region that is wrong in the mask shown first: positive where pixels are missing,
    negative where there are too many. The clicks are put together as in the panel
    (`inference.combination`).

    ``noc_80`` and ``noc_90`` are the number of clicks until that mask has an IoU of 0.8 and
    0.9; 5 where it does not get there, the share that does being ``reached_80`` and
    ``reached_90``. ``iou_after_1`` … ``iou_after_5`` are its IoU after so many clicks.
    """
    iou = np.array([_click_until_right(scene, found) for found in scene.prompted])
    columns: dict[str, Floats] = {}
    for name, goal in _GOALS.items():
        reached = iou >= goal
        is_reached = reached.any(axis=1)
        clicks = np.where(is_reached, reached.argmax(axis=1) + 1, MOST_CLICKS)
        columns[f"noc_{name}"] = clicks.astype(float)
        columns[f"reached_{name}"] = is_reached.astype(float)
    columns |= {f"iou_after_{number}": iou[:, number - 1] for number in range(1, MOST_CLICKS + 1)}
    nothing = np.empty((len(iou), 0))
    return Measurements(columns, nothing, nothing)


def _click_until_right(scene: Scene, found: TrueObject) -> list[float]:
    """Return the IoU after each of the clicks; one that brings nothing new is not given."""
    prompts = [Prompt("click", centre_pixel(found))]
    measured: list[float] = []
    while len(measured) < MOST_CLICKS:
        combined = scene.combine(prompts)
        shown = combined.candidates[combined.best] if combined.candidates else None
        measured.append(found.iou(shown) if shown else 0.0)
        correction = _correction(found, shown)
        if correction is None or correction in prompts:
            break
        prompts.append(correction)
    return measured + [measured[-1]] * (MOST_CLICKS - len(measured))


def _correction(found: TrueObject, shown: Candidate | None) -> Prompt | None:
    """Click at the centre of the largest error; None where there is none."""
    if shown is None:
        return Prompt("click", centre_pixel(found))
    box = around([found.box, shown.box])
    wanted, given = found.window(box), shown.window(box)
    missed, wrong = largest_piece(wanted & ~given), largest_piece(given & ~wanted)
    is_missed = bool(np.count_nonzero(missed) >= np.count_nonzero(wrong))
    error = CroppedMask(*tight(missed if is_missed else wrong, *box[:2]), found.shape)
    return Prompt("click", centre_pixel(error), is_missed) if error.area else None
