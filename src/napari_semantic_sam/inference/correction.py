"""One more click on a mask that is nearly right: what it adds, and what it takes away.

The distance between a click and the outline of the mask tells how large the error is that the
click points at. Near the outline only what is around the click changes, and the rest of a good
mask stays as it is; deep inside or far outside, a whole structure is meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.evidence import Point, holds, pixel_under
from napari_semantic_sam.inference.pieces import BoolArray, pieces_of
from napari_semantic_sam.inference.results import Box, Candidate, CroppedMask, around, tight

FAR = 0.5
"""A click is far outside at this share of the side of a square as large as the mask …"""
DEEP = 0.18
"""… and deep inside at this one."""
ADDED, TAKEN = 3.0, 2.0
"""So many times the distance between click and outline is what a correction reaches."""


def is_deep(mask: CroppedMask, click: Point) -> bool:
    """Tell whether a click lies so deep in a mask that a whole structure is meant."""
    return _depth(mask, click) >= DEEP * math.sqrt(mask.area)


def extended(
    mask: Candidate, click: Point, pool: Sequence[Candidate], unwanted: Sequence[Point]
) -> Candidate:
    """Add what a positive click outside of a mask points at.

    That is the connected piece under the click of the best candidate there, where it is
    nearer to the click than to a negative one. Near the outline, it reaches no farther than
    a few times the distance between the two.

    Parameters
    ----------
    mask : Candidate
    click : (y, x)
        Outside of the mask.
    pool : sequence of Candidate
        Nothing is added where none of them holds the click.
    unwanted : sequence of (y, x)
        Negative clicks.
    """
    there = [each for each in pool if holds(each, click)]
    if not there:
        return mask
    clean = [each for each in there if not any(holds(each, at) for at in unwanted)]
    source = max(clean or there, key=lambda each: each.predicted_iou)
    missing = source.crop & ~mask.window(source.box) & _nearer(source.box, click, unwanted)
    distance = _distance(mask.crop, mask.box, click)
    if distance < FAR * math.sqrt(mask.area):
        missing &= _disc(source.box, click, ADDED * distance)
    piece = _under(missing, source.box, click)
    return united([mask, _with(source, piece)]) if piece.any() else mask


def trimmed(
    mask: Candidate, click: Point, right: Sequence[Candidate], wanted: Sequence[Point]
) -> Candidate:
    """Take away what a negative click inside of a mask, near its outline, points at.

    That is the connected piece under the click that is nearer to it than to anything wanted
    and no farther than a few times its distance from the outline, outside of the best of the
    `right` candidates if there is one.

    Parameters
    ----------
    mask : Candidate
    click : (y, x)
        In the mask.
    right : sequence of Candidate
        Those that agree with all clicks.
    wanted : sequence of (y, x)
        Positive clicks, and the centres of other positive prompts.
    """
    excess = mask.crop & _nearer(mask.box, click, wanted)
    excess &= _disc(mask.box, click, TAKEN * _depth(mask, click))
    if right:
        best = max(right, key=lambda each: each.predicted_iou)
        excess &= ~best.window(mask.box)
    return _with(mask, mask.crop & ~_under(excess, mask.box, click))


def cut(
    mask: Candidate, click: Point, structures: Iterable[Candidate], wanted: Sequence[Point]
) -> Candidate:
    """Take the smallest structure under a negative click out of a mask.

    If there is none to take, the part that is nearer to the click than to anything wanted goes.
    The parameters are those of `with_hole`.
    """
    rest = with_hole(mask, click, structures, wanted)
    if rest is None:
        nearer = mask.crop & _nearer(mask.box, click, wanted)
        rest = _with(mask, mask.crop & ~nearer)
    return rest


def with_hole(
    mask: Candidate, click: Point, structures: Iterable[Candidate], wanted: Sequence[Point]
) -> Candidate | None:
    """Take the smallest structure under a negative click out of a mask, if there is one.

    Parameters
    ----------
    mask : Candidate
    click : (y, x)
        In the mask.
    structures : iterable of Candidate
        That the network sees under the click; the ones that hold something wanted, or the
        whole mask, do not count.
    wanted : sequence of (y, x)
        As for `trimmed`.
    """
    for structure in sorted(structures, key=lambda each: each.area):
        if holds(structure, click) and not any(holds(structure, at) for at in wanted):
            rest = minus(mask, structure)
            if rest.area:
                return rest
    return None


def minus(mask: Candidate, taken: CroppedMask) -> Candidate:
    """Cut one mask out of another; the same one where they do not meet."""
    y0, x0, y1, x1 = mask.box
    if y1 <= taken.box[0] or taken.box[2] <= y0 or x1 <= taken.box[1] or taken.box[3] <= x0:
        return mask
    return _with(mask, mask.crop & ~taken.window(mask.box))


def united(members: Sequence[Candidate]) -> Candidate:
    """Join masks; the largest gives token and level, the scores are means over the pixels.

    Empty ones add nothing; at least one must not be.
    """
    members = [each for each in members if each.area]
    areas = [each.area for each in members]
    box = around(each.box for each in members)
    return replace(
        max(members, key=lambda each: each.area),
        box=box,
        crop=np.logical_or.reduce([each.window(box) for each in members]),
        predicted_iou=float(np.average([each.predicted_iou for each in members], weights=areas)),
        stability=float(np.average([each.stability for each in members], weights=areas)),
    )


def _with(mask: Candidate, crop: BoolArray) -> Candidate:
    """Return a mask with other pixels in its box."""
    box, crop = tight(crop, *mask.box[:2])
    return replace(mask, box=box, crop=crop)


def _depth(mask: CroppedMask, click: Point) -> float:
    """Distance from a click in a mask to its outline; the border of the picture is none."""
    (y0, x0, y1, x1), (height, width) = mask.box, mask.shape
    room = (max(0, y0 - 1), max(0, x0 - 1), min(height, y1 + 1), min(width, x1 + 1))
    return _distance(~mask.window(room), room, click)


def _distance(pixels: BoolArray, box: Box, click: Point) -> float:
    """Distance from a click to the nearest of some pixels of a box; infinite if there is none."""
    squares = _squares(box, click)[pixels]
    return math.sqrt(squares.min()) if squares.size else math.inf


def _disc(box: Box, click: Point, radius: float) -> BoolArray:
    return _squares(box, click) < (radius + 0.5) ** 2


def _nearer(box: Box, click: Point, others: Iterable[Point]) -> BoolArray:
    """Return the pixels of a box that are nearer to a click than to any of some points."""
    nearer = np.ones((box[2] - box[0], box[3] - box[1]), dtype=bool)
    squares = _squares(box, click)
    for other in others:
        nearer &= squares < _squares(box, other)
    return nearer


def _squares(box: Box, point: Point) -> npt.NDArray[np.float64]:
    """Squared distances of the pixels of a box from a point."""
    y0, x0, y1, x1 = box
    rows, columns = np.ogrid[y0:y1, x0:x1]
    return (rows - point[0]) ** 2 + (columns - point[1]) ** 2


def _under(mask: BoolArray, box: Box, click: Point) -> BoolArray:
    """Return the connected piece of a mask in a box that a click lies on, if there is one."""
    y, x = pixel_under(click)
    pieces, _ = pieces_of(mask)
    number = pieces[y - box[0], x - box[1]]
    return (pieces == number) & mask
