"""One object of one slice, followed through the other slices of a stack or time series."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from napari_semantic_sam.inference.following import (
    Appearance,
    Contrast,
    Displacement,
    Find,
    Follower,
    Propagated,
    Rules,
)
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import PictureEmbedding, PlaneEmbedding, Predictor

__all__ = ["Propagated", "Rules", "asking", "propagate"]

_USUAL = Rules()


def asking(
    predictor: Predictor, embedding: Callable[[int], PictureEmbedding | PlaneEmbedding]
) -> Find:
    """Return a function that asks the network, as `propagate` wants it.

    Parameters
    ----------
    predictor : Predictor
    embedding : callable
        Takes the index of a slice and returns its embedding; who wants to go over the same
        slices again, keeps them.
    """

    def find(index: int, prompts: Sequence[Prompt]) -> list[Candidate]:
        points = [each.coordinates for each in prompts if each.kind == "click"]
        boxes = [each.coordinates for each in prompts if each.kind == "box"]
        results = predictor.predict(embedding(index), points, boxes)
        return [candidate for result in results for candidate in result.candidates]

    return find


def propagate(
    find: Find,
    start_index: int,
    start_mask: CroppedMask,
    count: int,
    *,
    corrections: Mapping[int, CroppedMask] | None = None,
    displacement: Displacement | None = None,
    contrast: Contrast | None = None,
    appearance: Appearance | None = None,
    rules: Rules = _USUAL,
) -> Iterator[Propagated]:
    """Follow an object through a stack or time series, slice by slice, in both directions.

    The centre and the box of the mask of one slice are the prompts for the next. Of the
    candidates there, whatever level the network gives them, those count that agree with that
    mask in area and place (IoU): so the level of the start is held. They vote on every pixel,
    weighted by agreement × predicted IoU, together with how the pixel looks, compared with the
    start, and how far it is from the outline of the mask before. The object ends, by `rules`,
    where nothing agrees, where it hardly stands out any more, or where the network becomes less
    sure. (It finds something in every box.) Slices beyond the next one are not known.

    Masks that a user has corrected are starts of their own: each slice is reached from the
    nearest of them, from the earlier of two that are equally near. An empty one says that
    the object is not there, and nothing is propagated from it.

    Parameters
    ----------
    find : callable
        Takes the index of a slice and prompts, and returns their candidates.
    start_index : int
        Of the slice in which the object is known.
    start_mask : CroppedMask
        There.
    count : int
        How many slices there are.
    corrections : mapping of int to CroppedMask, optional
        What is known in other slices (one for the start's slice takes its place).
    displacement : callable, optional
        Takes the index of a slice and of a neighbour and returns by how many pixels
        ``(dy, dx)`` things move from one to the other, see `Drifts`. Without, nothing does.
    contrast : callable, optional
        Takes the index of a slice and a mask, see `stands_out`. Without, or where the start
        does not stand out (gives 0), nothing fades.
    appearance : callable, optional
        Takes the index of a slice and the mask that is known there, see `appearance`. Without,
        candidates and the mask before vote alone.
    rules : Rules

    Yields
    ------
    Propagated
        Of every slice that was looked at: from the start forwards, from the start backwards,
        then the same for every correction. Slices with a known mask are not among them, nor
        are those behind the one where the object ended. Each is computed when it is asked
        for, so whoever stops asking has cancelled.

    Raises
    ------
    ValueError
        If the index of a known mask is not that of a slice.
    """
    known = {start_index: start_mask} | dict(corrections or {})
    if strange := [index for index in known if not 0 <= index < count]:
        raise ValueError(f"there is no slice {strange[0]} of {count}")
    follow = Follower(
        find, displacement or _standing_still, contrast or _unknown, appearance, rules
    )
    ordered = sorted(known)
    return (
        found
        for index in [start_index, *(each for each in ordered if each != start_index)]
        for stretch in _stretches(index, ordered, count)
        for found in follow(known[index], index, stretch)
    )


def _stretches(index: int, known: Sequence[int], count: int) -> tuple[range, range]:
    """Return the slices that belong to a known one: those behind it, those before it."""
    place = known.index(index)
    first, last = 0, count - 1
    if place > 0:
        first = (known[place - 1] + index) // 2 + 1
    if place + 1 < len(known):
        last = (index + known[place + 1]) // 2
    return range(index + 1, last + 1), range(index - 1, first - 1, -1)


def _standing_still(previous: int, following: int) -> tuple[int, int]:
    return 0, 0


def _unknown(index: int, mask: CroppedMask) -> float:
    return 0.0
