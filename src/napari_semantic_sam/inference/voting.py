"""What the candidates of a slice, and the mask of the slice before, make of an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.inference.pieces import pieces_of
from napari_semantic_sam.inference.results import Box, Candidate, CroppedMask, around, tight
from napari_semantic_sam.inference.standing_out import surroundings

_TRUST = 2.0
"""Times the logarithm of the odds of their predicted IoU is what candidates say of a pixel."""
_SUREST = 0.98
"""No network is surer than that."""
_STEP = 0.15
"""Of the radius: so far outlines usually move from slice to slice."""
_DISTANCE = 2.0
"""What one such step to the inside or outside of the expected outline says."""


@dataclass(frozen=True)
class Voter:
    """A candidate and its agreement (IoU) with the mask that is expected."""

    candidate: Candidate
    agreement: float

    @property
    def weight(self) -> float:
        """Agreement × predicted IoU."""
        return self.agreement * max(0.0, self.candidate.predicted_iou)


def elected(expected: CroppedMask, voters: Sequence[Voter], inertia: float) -> Candidate | None:
    """Let candidates, at least one, and the expected mask vote on pixels.

    `inertia` is the weight of that mask against all candidates together. None if they agree
    on no pixel.
    """
    box = around([expected.box, *(each.candidate.box for each in voters)])
    votes = inertia * expected.window(box) + _opinion(voters, box)
    return _told(voters, tight(votes >= (1 + inertia) / 2, box[0], box[1]), expected)


def recognised(
    expected: CroppedMask,
    voters: Sequence[Voter],
    best: Voter,
    looks: npt.NDArray[np.float64],
) -> Candidate | None:
    """Put together what candidates say, how pixels look and how far masks usually change.

    Logarithms of likelihood ratios are added: of the looks, of the candidates' weighted share,
    which counts the more the higher their predicted IoU is, and of the distance to the expected
    outline. Of the connected pieces above 0 the one with
    most of the expected mask is taken, without holes.

    Parameters
    ----------
    expected : CroppedMask
        Not empty.
    voters : sequence of Voter
        Who agrees; perhaps nobody.
    best : Voter
        Whose scores count where nobody does.
    looks : (h, w) float array
        Of `surroundings` of the expected mask, see `Evidence`.

    Returns
    -------
    Candidate, or None if nothing of the expected mask is left
    """
    box = surroundings(expected)
    inside = expected.window(box)
    step = _STEP * float(np.sqrt(expected.area / np.pi))
    total = looks + _DISTANCE / step * _depth(inside)
    if voters:
        total += _trust(voters) * (2 * _opinion(voters, box) - 1)
    pieces, count = pieces_of(total > 0)
    sizes = np.bincount(pieces[inside], minlength=count + 1)
    sizes[0] = 0
    if not sizes.any():
        return None
    filled = ndimage.binary_fill_holes(pieces == sizes.argmax())
    return _told(voters or [best], tight(filled, box[0], box[1]), expected)


def _opinion(voters: Sequence[Voter], box: Box) -> npt.NDArray[np.float64]:
    """Return the weighted share, 0..1, of candidates that hold each pixel of a box."""
    share = np.zeros((box[2] - box[0], box[3] - box[1]))
    for each in voters:
        share += each.weight * each.candidate.window(box)
    return share / sum(each.weight for each in voters)


def _trust(voters: Sequence[Voter]) -> float:
    """Return what voters that all agree say of a pixel; 0 for a network that only guesses."""
    weights = [each.weight for each in voters]
    mean = np.average([each.candidate.predicted_iou for each in voters], weights=weights)
    sure = float(np.clip(mean, 0.5, _SUREST))
    return _TRUST * float(np.log(sure / (1 - sure)))


def _depth(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the distance of pixels to an outline, in pixels: above 0 inside, below outside."""
    # Beside the box, and so beside the picture, nothing belongs to the mask.
    within = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    return np.where(inside, within - 0.5, 0.5 - ndimage.distance_transform_edt(~inside))


def _told(
    voters: Sequence[Voter], mask: tuple[Box, npt.NDArray[np.bool_]], expected: CroppedMask
) -> Candidate | None:
    """Make a candidate of a mask, with the mean scores and the heaviest one's level and token."""
    box, crop = mask
    if not crop.any():
        return None
    weights = np.array([each.weight for each in voters]) + 1e-9
    weights /= weights.sum()
    return replace(
        max(voters, key=lambda each: each.weight).candidate,
        box=box,
        crop=crop,
        shape=expected.shape,
        predicted_iou=float(weights @ [each.candidate.predicted_iou for each in voters]),
        stability=float(weights @ [each.candidate.stability for each in voters]),
    )
