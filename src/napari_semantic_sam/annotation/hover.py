"""What lies under the mouse, and how to ask for it no oftener than it can be answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from napari_semantic_sam.annotation.engine import OpenPicture
from napari_semantic_sam.annotation.overlay import Colour, Overlay, Scene, compose
from napari_semantic_sam.inference.levels import distinct_candidates
from napari_semantic_sam.inference.results import Candidate

Request = TypeVar("Request")


class LatestRequest(Generic[Request]):
    """Lets one request be worked at and one wait; a newer one takes the place of the latter.

    Whoever asks faster than answers come thus never makes a queue.
    """

    def __init__(self) -> None:
        self._busy = False
        self._waiting: Request | None = None

    def put(self, request: Request) -> Request | None:
        """Ask; returns the request if it has to be started now, None if it waits."""
        if self._busy:
            self._waiting = request
            return None
        self._busy = True
        return request

    def done(self) -> Request | None:
        """Say that the request at work is answered; returns the one to start now, if any."""
        following, self._waiting = self._waiting, None
        self._busy = following is not None
        return following

    def clear(self) -> None:
        """Forget the request that waits."""
        self._waiting = None


@dataclass(frozen=True)
class Spot:
    """A place on a picture whose mask is asked for.

    Attributes
    ----------
    y, x : int
        A pixel.
    level : int or None
        The granularity that is wanted; None for the mask the model trusts most.
    """

    y: int
    x: int
    level: int | None


def outline_under(opened: OpenPicture, spot: Spot, colours: Sequence[Colour]) -> Overlay | None:
    """Draw the outline of the mask at a place, of the level that is nearest to the wanted one.

    Parameters
    ----------
    opened : OpenPicture
    spot : Spot
        Inside the picture.
    colours : sequence of three ints
        See `compose`.

    Returns
    -------
    Overlay, or None if nothing was found there

    Raises
    ------
    UserError
        If the checkpoint does not take clicks, or memory runs out.
    """
    points = [(spot.y, spot.x)]
    (result,) = opened.model.predictor.predict(opened.embedding, points, draft=True)
    candidates = distinct_candidates(result.candidates)
    if not candidates:
        return None
    return compose(Scene((_nearest(candidates, spot.level),)), colours)


def _nearest(candidates: Sequence[Candidate], level: int | None) -> Candidate:
    if level is None:
        return max(candidates, key=lambda each: each.predicted_iou)
    return min(candidates, key=lambda each: (abs(each.level - level), -each.predicted_iou))
