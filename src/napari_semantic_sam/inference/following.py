"""From the mask of one slice to that of the next.

Knows neither pictures nor the network: what lies under a prompt is asked of a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_semantic_sam.inference.appearance import Evidence
from napari_semantic_sam.inference.pieces import centre_pixel
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask, tight
from napari_semantic_sam.inference.standing_out import surroundings
from napari_semantic_sam.inference.voting import Voter, elected, recognised

Find = Callable[[int, Sequence[Prompt]], Sequence[Candidate]]
"""Answers prompts in the slice of an index with all candidates of all of them."""

Displacement = Callable[[int, int], tuple[int, int]]
"""How many pixels, down and to the right, things move from one slice to another."""

Contrast = Callable[[int, CroppedMask], float]
"""How much a mask of a slice is brighter than its surroundings; see `stands_out`."""

Appearance = Callable[[int, CroppedMask], Evidence]
"""Learns from the mask of a slice how the object looks; see `appearance`."""

Reason = Literal["", "nothing found", "no agreement", "faded", "unsure", "left the picture"]
"""Why an object ends in a slice; "" where it goes on."""


@dataclass(frozen=True)
class Rules:
    """When a candidate counts as the same object as in the slice before.

    Attributes
    ----------
    least_agreement : float
        Candidates below this IoU with the mask of the slice before have no say; above 0, to 1.
        If what comes of the others agrees less than half as much, the object has vanished.
    least_contrast : float
        Standing out less than this share of the most so far, or the other way round (dark
        instead of bright), it has faded, 0..1. What does not stand out at the start cannot.
    least_support : float
        The support in a slice is the highest agreement × predicted IoU of its candidates. With
        less than this share of the most so far, the network is not sure of it any more, 0..1.
    inertia : float
        Where nothing is known about the object's looks: weight of the mask of the slice
        before against all candidates together; from 0 to below 1.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    least_agreement: float = 0.5
    least_contrast: float = 0.4
    least_support: float = 0.75
    inertia: float = 0.5

    def __post_init__(self) -> None:
        shares = self.least_contrast, self.least_support
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
        as the picture moves. That of the best candidate where nothing was left.
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
    appearance: Appearance | None
    rules: Rules

    def __call__(self, mask: CroppedMask, start: int, stretch: range) -> Iterator[Propagated]:
        """Yield what becomes of a mask of slice `start`, until it vanishes."""
        if not (mask.area and stretch):
            return
        previous, before = mask, start
        evidence = None if self.appearance is None else self.appearance(start, mask)
        most, highest = self.contrast(start, mask), 0.0
        for index in stretch:
            expected = moved(previous, self.displacement(before, index))
            found, support = self._look(index, expected, evidence)
            if found.mask is None:
                yield found
                return
            contrast = self.contrast(index, found.mask) if most else 0.0
            if reason := self._end(contrast, most, support, highest):
                yield Propagated(index, None, found.score, reason)
                return
            yield found
            previous, before = found.mask, index
            most, highest = max(most, contrast, key=abs), max(highest, support)

    def _look(
        self, index: int, expected: CroppedMask, evidence: Evidence | None
    ) -> tuple[Propagated, float]:
        """Return what there is in a slice in the place of a mask, and its support there."""
        if not expected.area:
            return Propagated(index, None, 0.0, "left the picture"), 0.0
        prompts = (Prompt("click", centre_pixel(expected)), Prompt("box", expected.box))
        answers = [each for each in self.find(index, prompts) if each.area]
        if not answers:
            return Propagated(index, None, 0.0, "nothing found"), 0.0
        asked = [Voter(each, expected.iou(each)) for each in answers]
        best = max(asked, key=lambda each: each.weight)
        least = self.rules.least_agreement
        voters = [each for each in asked if each.agreement >= least and each.weight]
        mask: Candidate | None = None
        if evidence is not None:
            mask = recognised(expected, voters, best, evidence(index, surroundings(expected)))
        elif voters:
            mask = elected(expected, voters, self.rules.inertia)
        score = best.agreement if mask is None else expected.iou(mask)
        # Caps of a ball shrink quickly, by more than candidates may differ from the mask before.
        if mask is None or score < least / 2:
            return Propagated(index, None, score, "no agreement"), 0.0
        return Propagated(index, mask, score), best.weight

    def _end(self, contrast: float, most: float, support: float, highest: float) -> Reason:
        """Say why the object is no longer there; "" if it is."""
        if contrast * most < self.rules.least_contrast * most**2:
            return "faded"
        return "unsure" if support < self.rules.least_support * highest else ""


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
