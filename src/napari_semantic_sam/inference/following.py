"""From the mask of one slice to that of the next.

Knows neither pictures nor the network: what lies under a prompt is asked of a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from napari_semantic_sam.inference.pieces import centre_pixel
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask, around, tight

Find = Callable[[int, Sequence[Prompt]], Sequence[Candidate]]
"""Answers prompts in the slice of an index with all candidates of all of them."""

Displacement = Callable[[int, int], tuple[int, int]]
"""How many pixels, down and to the right, things move from one slice to another."""

Contrast = Callable[[int, CroppedMask], float]
"""How much a mask of a slice is brighter than its surroundings; see `stands_out`."""

Reason = Literal["", "nothing found", "no agreement", "faded", "unsure", "left the picture"]
"""Why an object ends in a slice; "" where it goes on."""


@dataclass(frozen=True)
class Rules:
    """When a candidate counts as the same object as in the slice before.

    Attributes
    ----------
    least_agreement : float
        Below this IoU with the mask of the slice before it has vanished; above 0, to 1.
    least_contrast : float
        Standing out less than this share of the most so far, or the other way round (dark
        instead of bright), it has faded, 0..1.
    least_confidence : float
        What does not stand out at the start cannot fade: it ends with a predicted IoU of less
        than this share of the highest so far, 0..1.
    inertia : float
        Weight of the mask of the slice before against all candidates together; from 0 to
        below 1.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    least_agreement: float = 0.5
    least_contrast: float = 0.5
    least_confidence: float = 0.85
    inertia: float = 0.5

    def __post_init__(self) -> None:
        shares = self.least_contrast, self.least_confidence
        in_range = 0 < self.least_agreement <= 1 and all(0 <= each <= 1 for each in shares)
        if not (in_range and 0 <= self.inertia < 1):
            raise ValueError(f"rules out of range: {self}")


@dataclass(frozen=True, eq=False)
class Propagated:
    """What became of the object in one slice.

    Attributes
    ----------
    index : int
        Of the slice.
    mask : Candidate or None
        With its predicted IoU; None where the object has vanished, or has not come yet.
    score : float
        Agreement with the mask of the slice it came from, 0..1: the IoU with that mask, moved
        as the picture moves. That of the best candidate where it was not good enough.
    reason : str
        Why there is no mask; "" if there is one.
    """

    index: int
    mask: Candidate | None
    score: float
    reason: Reason = ""


@dataclass(frozen=True)
class Follower:
    """Goes from slice to slice."""

    find: Find
    displacement: Displacement
    contrast: Contrast
    rules: Rules

    def __call__(self, mask: CroppedMask, start: int, stretch: range) -> Iterator[Propagated]:
        """Yield what becomes of a mask of slice `start`, until it vanishes."""
        if not (mask.area and stretch):
            return
        previous, before = mask, start
        most, surest = self.contrast(start, mask), 0.0
        for index in stretch:
            expected = moved(previous, self.displacement(before, index))
            found = self._look(index, expected)
            if found.mask is None:
                yield found
                return
            contrast = self.contrast(index, found.mask) if most else 0.0
            if reason := self._end(contrast, most, found.mask.predicted_iou, surest):
                yield Propagated(index, None, found.score, reason)
                return
            yield found
            previous, before = found.mask, index
            most = max(most, contrast, key=abs)
            surest = max(surest, found.mask.predicted_iou)

    def _look(self, index: int, expected: CroppedMask) -> Propagated:
        """Return what there is in a slice in the place of a mask."""
        if not expected.area:
            return Propagated(index, None, 0.0, "left the picture")
        prompts = (Prompt("click", centre_pixel(expected)), Prompt("box", expected.box))
        answers = [each for each in self.find(index, prompts) if each.area]
        if not answers:
            return Propagated(index, None, 0.0, "nothing found")
        agreements = [expected.iou(each) for each in answers]
        voters = [
            (each, agreement)
            for each, agreement in zip(answers, agreements, strict=True)
            if agreement >= self.rules.least_agreement and each.predicted_iou > 0
        ]
        if not voters:
            return Propagated(index, None, max(agreements), "no agreement")
        mask = elected(expected, voters, self.rules.inertia)
        score = expected.iou(mask)
        if not score:  # candidates that agree with the mask, but not with each other
            return Propagated(index, None, 0.0, "no agreement")
        return Propagated(index, mask, score)

    def _end(self, contrast: float, most: float, predicted_iou: float, surest: float) -> Reason:
        """Say why the object is no longer there; "" if it is."""
        if most:
            return "faded" if contrast * most < self.rules.least_contrast * most**2 else ""
        return "unsure" if predicted_iou < self.rules.least_confidence * surest else ""


def elected(
    expected: CroppedMask, voters: Sequence[tuple[Candidate, float]], inertia: float
) -> Candidate:
    """Let candidates, weighted by agreement × predicted IoU, and the last mask vote on pixels.

    Level and token are those of the candidate with the largest weight, the scores are means.
    """
    masks = [each for each, _ in voters]
    weights = np.array([each.predicted_iou * agreement for each, agreement in voters])
    weights /= weights.sum()
    box = around([expected.box, *(each.box for each in masks)])
    votes = inertia * expected.window(box)
    for each, weight in zip(masks, weights, strict=True):
        votes = votes + weight * each.window(box)
    box, crop = tight(votes >= (1 + inertia) / 2, box[0], box[1])
    return replace(
        masks[int(weights.argmax())],
        box=box,
        crop=crop,
        predicted_iou=float(weights @ [each.predicted_iou for each in masks]),
        stability=float(weights @ [each.stability for each in masks]),
    )


def moved(mask: CroppedMask, by: tuple[int, int]) -> CroppedMask:
    """Return a mask moved by ``(dy, dx)`` pixels, without what leaves the picture."""
    if by == (0, 0) or not mask.area:
        return mask
    y0, x0, y1, x1 = mask.box
    height, width = mask.shape
    target = (y0 + by[0], x0 + by[1], y1 + by[0], x1 + by[1])
    whole = CroppedMask(target, mask.crop, mask.shape)
    inside = (
        min(max(target[0], 0), height),
        min(max(target[1], 0), width),
        max(min(target[2], height), 0),
        max(min(target[3], width), 0),
    )
    return CroppedMask(*tight(whole.window(inside), inside[0], inside[1]), mask.shape)
