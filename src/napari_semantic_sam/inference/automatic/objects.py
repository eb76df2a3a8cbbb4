"""Which masks are the objects: the ones that explain the picture best, all at one level.

The level that the network learned for an object is not reliable: of two alike nuclei, one may
come out at level 4 and the other at level 5. Where a checkpoint names the level that suits it,
the best masks of every place are therefore put into that level, whichever level they were found
at. What contains one of them is coarser, and what lies in one of them is finer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_semantic_sam.inference.automatic.tree import (
    Facts,
    Mask,
    Nested,
    distinct_masks,
    repair_chains,
)
from napari_semantic_sam.inference.label_runs import PARENT_COVER

_REACH = 1
"""Masks that were found more levels away are no objects."""
_MOST_TAKEN = 0.5
"""An object shares no more of its pixels than this with better ones."""


@dataclass(frozen=True)
class MainLevel:
    """The level of the objects.

    Attributes
    ----------
    level : int
    step : float
        What a mask found at another level loses of its predicted IoU for each level in
        between, when masks compete for a place. With 1, masks of other levels stay there.
    """

    level: int
    step: float = 0.05

    def score(self, mask: Nested) -> float:
        """Return how well a mask would do as an object."""
        return mask.predicted_iou - self.step * abs(mask.level - self.level)


def settle_levels(
    masks: Sequence[Mask], levels: Sequence[int], main: MainLevel | None = None
) -> list[Mask]:
    """Return distinct masks with the levels at which they are to be labelled.

    Parameters
    ----------
    masks : sequence of Candidate or PlaneMask
        Of one picture.
    levels : sequence of int
        All that were asked for, coarse to fine. A single one leaves masks as they are.
    main : MainLevel, optional
        Left out, or not among the levels, only chains of nested masks are repaired, see
        `repair_chains`.
    """
    if len(levels) == 1:
        return list(masks)
    distinct = distinct_masks(masks, main.level if main else None)
    if main is None or main.level not in levels:
        return repair_chains(distinct, levels)
    facts = Facts(distinct)
    objects = _objects(distinct, facts, main)
    coarse = [level for level in levels if level < main.level]
    fine = [level for level in levels if level > main.level]
    above, below = _around_objects(distinct, facts, objects, main.level)
    return [
        *(replace(distinct[index], level=main.level) for index in sorted(objects)),
        *_moved(above, coarse, coarse[-1:]),
        *_moved(below, fine, fine[:1]),
    ]


def _objects(masks: Sequence[Mask], facts: Facts, main: MainLevel) -> set[int]:
    """Return the best masks of every place, of which none holds or mostly covers another."""
    near = [
        index
        for index, mask in enumerate(masks)
        if abs(mask.level - main.level) <= _REACH and main.score(mask) > 0
    ]
    found: set[int] = set()
    for index in sorted(near, key=lambda each: -main.score(masks[each])):
        rivals = [other for other in facts.touching(index) if other in found]
        shared = {other: facts.common(index, other) for other in rivals}
        is_taken = sum(shared.values()) > _MOST_TAKEN * facts.areas[index]
        if not is_taken and not facts.holds_any(shared):
            found.add(index)
    return found


def _around_objects(
    masks: Sequence[Mask], facts: Facts, objects: set[int], main: int
) -> tuple[list[Mask], list[Mask]]:
    """Return the masks that are coarser and those that are finer than the objects.

    Masks of the main level that neither contain an object nor lie in one have lost their
    place to better ones and are left out.
    """
    above, below = [], []
    for index in (each for each in range(len(masks)) if each not in objects):
        rivals = [other for other in facts.touching(index) if other in objects]
        shared = {other: facts.common(index, other) for other in rivals}
        if any(part >= PARENT_COVER * facts.areas[index] for part in shared.values()):
            below.append(masks[index])
        elif facts.holds_any(shared):
            above.append(masks[index])
        elif masks[index].level != main:
            (above if masks[index].level < main else below).append(masks[index])
    return above, below


def _moved(masks: Sequence[Mask], levels: Sequence[int], nearest: Sequence[int]) -> list[Mask]:
    """Repair the levels of masks within some levels; there is no room for them without any."""
    if not levels:
        return []
    inside = [mask if mask.level in levels else replace(mask, level=nearest[0]) for mask in masks]
    return repair_chains(inside, levels)
