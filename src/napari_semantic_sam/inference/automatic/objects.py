"""Which masks are the objects: the ones that explain the picture best, all at one level.

The level that the network learned for an object is not reliable: of two alike nuclei, one may
come out at level 4 and the other at level 5. Where a checkpoint names the level that suits it,
the best masks of every place are therefore put into that level, whichever level they were found
at. What contains one of them is coarser, and what lies in one of them is finer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from napari_semantic_sam.inference.automatic.tree import (
    Facts,
    Mask,
    Nested,
    distinct_masks,
    repair_chains,
)

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


def searched_levels(
    levels: Sequence[int], existing: Iterable[int], main: MainLevel | None
) -> tuple[int, ...]:
    """Return the levels at which masks have to be looked for.

    These are the ones asked for, and with the level of the objects also its neighbours, as
    otherwise what the objects are would depend on what else was asked for.

    Parameters
    ----------
    levels : sequence of int
        That are asked for.
    existing : iterable of int
        All that the checkpoint has.
    main : MainLevel, optional
    """
    if main is None or main.level not in levels:
        return tuple(levels)
    near = (level for level in existing if abs(level - main.level) <= _REACH)
    return tuple(sorted({*levels, *near}))


def settle_levels(
    masks: Sequence[Mask], levels: Sequence[int], main: MainLevel | None = None
) -> list[Mask]:
    """Return distinct masks with the levels at which they are to be labelled.

    Parameters
    ----------
    masks : sequence of Candidate or PlaneMask
        Of one picture, from all of `searched_levels`. Those of other levels than were asked
        for count as objects only.
    levels : sequence of int
        All that were asked for, coarse to fine. A single one that is not the level of the
        objects leaves masks as they are.
    main : MainLevel, optional
        Left out, or not among the levels, only chains of nested masks are repaired, see
        `repair_chains`.
    """
    if main is None or main.level not in levels:
        return _in_chains(masks, levels, main)
    distinct = distinct_masks(masks)
    rivals = [each.nearest(main.level) for each in distinct]
    facts = Facts(rivals)
    objects = _objects(rivals, facts, main)
    asked = ((index, each.among(levels)) for index, each in enumerate(distinct))
    others = {
        index: each.nearest(main.level) for index, each in asked if each and index not in objects
    }
    coarse = [level for level in levels if level < main.level]
    fine = [level for level in levels if level > main.level]
    above, below = _around_objects(others, facts, objects, main.level)
    return [
        *(replace(rivals[index], level=main.level) for index in sorted(objects)),
        *_moved(above, coarse, coarse[-1:]),
        *_moved(below, fine, fine[:1]),
    ]


def _in_chains(masks: Sequence[Mask], levels: Sequence[int], main: MainLevel | None) -> list[Mask]:
    """Settle levels without a level of the objects among them."""
    if len(levels) == 1:
        return list(masks)
    distinct = distinct_masks(masks)
    merged = [each.nearest(main.level) if main else each.mask for each in distinct]
    return repair_chains(merged, levels)


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
    others: Mapping[int, Mask], facts: Facts, objects: set[int], main: int
) -> tuple[list[Mask], list[Mask]]:
    """Return the masks that are coarser and those that are finer than the objects.

    Of two masks that contain each other, as small ones do if they differ by a rim of a pixel,
    the larger one is the coarser one. Masks of the main level that neither contain an object
    nor lie in one have lost their place to better ones and are left out.
    """
    above, below = [], []
    for index, mask in others.items():
        rivals = [other for other in facts.touching(index) if other in objects]
        shared = {other: facts.common(index, other) for other in rivals}
        if any(facts.lies_in(index, other, part) for other, part in shared.items()):
            below.append(mask)
        elif facts.holds_any(shared):
            above.append(mask)
        elif mask.level != main:
            (above if mask.level < main else below).append(mask)
    return above, below


def _moved(masks: Sequence[Mask], levels: Sequence[int], nearest: Sequence[int]) -> list[Mask]:
    """Repair the levels of masks within some levels; there is no room for them without any."""
    if not levels:
        return []
    inside = [mask if mask.level in levels else replace(mask, level=nearest[0]) for mask in masks]
    return repair_chains(inside, levels)
