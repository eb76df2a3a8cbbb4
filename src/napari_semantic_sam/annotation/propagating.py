"""A label of one slice, followed through the others of its stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy.typing as npt

from napari_semantic_sam.annotation.engine import OpenPicture, Report
from napari_semantic_sam.inference.appearance import appearance
from napari_semantic_sam.inference.drift import Drifts
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.propagation import Propagated, asking, propagate
from napari_semantic_sam.inference.results import Box, Candidate, CroppedMask
from napari_semantic_sam.inference.standing_out import stands_out

_MOST_PIXELS = 2**22
"""Of slices that are read whole, to see how things move from one to the next."""
_MOST_LISTED = 12
"""Slices of which the agreement is told one by one; of more, the weakest."""


@dataclass(frozen=True, eq=False)
class Start:
    """What is known of a label before it is followed.

    Attributes
    ----------
    level, index : int
        The label.
    plane : tuple of int
        Where it is followed from.
    known : mapping of int to CroppedMask
        Its masks by slice along the last axis of planes, that of `plane` among them; those
        that an earlier run wrote and nobody changed are not.
    """

    level: int
    index: int
    plane: PlaneIndex
    known: Mapping[int, CroppedMask]

    def at(self, slice_index: int) -> PlaneIndex:
        """Return the plane of a slice."""
        return (*self.plane[:-1], slice_index)


@dataclass(frozen=True, eq=False)
class Followed:
    """Where a label was found, and where it ends.

    Attributes
    ----------
    start : Start
    slices : tuple of Propagated
        In the order in which they were looked at.
    """

    start: Start
    slices: tuple[Propagated, ...]

    @property
    def masks(self) -> dict[PlaneIndex, Candidate]:
        """What was found, by plane."""
        return {self.start.at(each.index): each.mask for each in self.slices if each.mask}

    @property
    def text(self) -> str:
        """Where it was found and how well the slices agree, for the user."""
        scores = {each.index: each.score for each in self.slices if each.mask}
        ends = [f"{each.index} ({each.reason})" for each in self.slices if not each.mask]
        told = [_scores_text(scores) if scores else "It was found in no other slice."]
        if ends:
            told.append(f"It ends before slice {' and '.join(ends)}.")
        return " ".join(told)


def follow(
    opened: OpenPicture, start: Start, report: Report, cancelled: Callable[[], bool]
) -> Followed | None:
    """Follow a label through the slices along the last axis of planes.

    Parameters
    ----------
    opened : OpenPicture
        Any plane of the picture; others are embedded when they are reached.
    start : Start
    report : callable
        Told the slice that is looked at.
    cancelled : callable
        Asked between slices.

    Returns
    -------
    Followed, or None if it was cancelled

    Raises
    ------
    UserError
        If a slice cannot be read, or memory runs out.
    """
    count, first = opened.source.plane_counts[-1], start.plane[-1]
    planes = [opened.at(start.at(index)) for index in range(count)]
    find = asking(opened.model.predictor, lambda index: planes[index].embedding)
    looked = propagate(
        find, first, start.known[first], count, corrections=start.known, **_looking(planes)
    )
    found: list[Propagated] = []
    for each in looked:
        if cancelled():
            return None
        found.append(each)
        report(f"Propagating: slice {each.index} …", min(1.0, len(found) / count))
    return Followed(start, tuple(found))


def _looking(planes: Sequence[OpenPicture]) -> dict[str, Any]:
    """Return what looks at the slices themselves; at whole ones only if they are small."""

    def read(index: int, box: Box) -> npt.NDArray[Any]:
        opened = planes[index]
        # As they are: the contrast of each plane is its own.
        return opened.source.plane(opened.plane).levels[0].read(box)

    looking: dict[str, Any] = {
        "contrast": partial(stands_out, read),
        "appearance": partial(appearance, read),
    }
    height, width = planes[0].source.shape
    if height * width <= _MOST_PIXELS:
        whole = lru_cache(maxsize=2)(lambda index: read(index, (0, 0, height, width)))
        looking["displacement"] = Drifts(whole)
    return looking


def _scores_text(scores: Mapping[int, float]) -> str:
    slices = "1 other slice" if len(scores) == 1 else f"{len(scores)} other slices"
    if len(scores) > _MOST_LISTED:
        listed = sorted(scores, key=lambda index: scores[index])[:_MOST_LISTED]
        what = "weakest agreement with the slice before"
    else:
        listed, what = list(scores), "agreement with the slice before"
    each = " · ".join(f"{index}: {scores[index]:.2f}" for index in sorted(listed))
    return f"Found in {slices}; {what}: {each}."
