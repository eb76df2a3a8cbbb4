"""Which mask lies in which: distinct masks, repaired levels, and the tree of finished labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from napari_semantic_sam.inference.automatic.boxes import BoxIndex
from napari_semantic_sam.inference.label_runs import PARENT_COVER
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.levels import SAME_IOU
from napari_semantic_sam.inference.results import Box

Node = tuple[int, int]
"""Level and index of a label."""


class Nested(Protocol):
    """A mask among others, of which some lie in it; a frozen dataclass such as `Candidate`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def box(self) -> Box:
        """Pixels ``[y0:y1, x0:x1]`` that hold it."""

    @property
    def area(self) -> int:
        """Number of pixels."""

    @property
    def level(self) -> int:
        """1 (coarsest) .. K."""

    @property
    def predicted_iou(self) -> float:
        """The network's own estimate."""

    def common(self, other: Self, /) -> int:
        """Return how many pixels it shares with another mask."""


Mask = TypeVar("Mask", bound=Nested)


@dataclass(frozen=True)
class MaskTree:
    """The labels of all levels, each below the label that contains it.

    Attributes
    ----------
    rows : mapping of Node to LabelRow
    children : mapping of Node to tuple of Node
        Of every label; those directly below it, by level and index.
    """

    rows: Mapping[Node, LabelRow]
    children: Mapping[Node, tuple[Node, ...]]

    @classmethod
    def of(cls, labels: LevelLabels) -> MaskTree:
        """Read the tree off the rows of labels."""
        return cls.of_rows(row for level in labels.levels for row in labels.rows(level))

    @classmethod
    def of_rows(cls, listed: Iterable[LabelRow]) -> MaskTree:
        """Read the tree off rows that hold all parents, by level and index."""
        rows = {(row.level, row.index): row for row in listed}
        below: dict[Node, list[Node]] = {node: [] for node in rows}
        for node, row in rows.items():
            if row.parent:
                below[row.parent_level, row.parent].append(node)
        return cls(rows, {node: tuple(found) for node, found in below.items()})

    @property
    def roots(self) -> list[Node]:
        """The labels that lie in no other, by level and index."""
        return [node for node, row in self.rows.items() if not row.parent]

    def parent(self, node: Node) -> Node | None:
        """Return the label that contains another; None for a root."""
        row = self.rows[node]
        return (row.parent_level, row.parent) if row.parent else None

    def below(self, node: Node) -> Iterator[Node]:
        """Yield everything in a label, each before what it contains."""
        waiting = list(self.children[node])
        while waiting:
            found = waiting.pop(0)
            yield found
            waiting += self.children[found]

    def counts(self, node: Node) -> dict[int, int]:
        """Return how many labels of each finer level lie in a label, directly or not."""
        found: dict[int, int] = {}
        for level, _ in self.below(node):
            found[level] = found.get(level, 0) + 1
        return dict(sorted(found.items()))

    def area_ratio(self, node: Node) -> float:
        """Return the area of a label over that of its parent; NaN for a root."""
        above = self.parent(node)
        return self.rows[node].area / self.rows[above].area if above else float("nan")


@dataclass(frozen=True)
class Distinct(Generic[Mask]):
    """A mask, and where it was found.

    Attributes
    ----------
    mask : Candidate or PlaneMask
        The one with the highest predicted IoU of those that are the same.
    levels : set of int
        The levels of all of them.
    """

    mask: Mask
    levels: frozenset[int]

    def nearest(self, main_level: int) -> Mask:
        """Return the mask at the level nearest to another one, the coarser one of two."""
        level = min(self.levels, key=lambda each: (abs(each - main_level), each))
        return self.mask if level == self.mask.level else replace(self.mask, level=level)

    def among(self, levels: Iterable[int]) -> Self | None:
        """Return it without the levels that are not among some; None if there is no other."""
        left = self.levels.intersection(levels)
        return replace(self, levels=left) if left else None


def distinct_masks(masks: Sequence[Mask]) -> list[Distinct[Mask]]:
    """Merge masks that are the same, whatever their level.

    Of masks with an IoU above 0.95 the one with the highest predicted IoU survives.

    Parameters
    ----------
    masks : sequence of Candidate or PlaneMask
        Of one picture.

    Returns
    -------
    list of Distinct
        Best predicted IoU first.
    """
    ranked = sorted(masks, key=lambda mask: -mask.predicted_iou)
    facts = Facts(ranked)
    found_at: dict[int, set[int]] = {}
    for index, mask in enumerate(ranked):
        near = (other for other in facts.touching(index) if other in found_at)
        same = next((other for other in near if facts.iou(index, other) > SAME_IOU), index)
        found_at.setdefault(same, set()).add(mask.level)
    return [Distinct(ranked[index], frozenset(levels)) for index, levels in found_at.items()]


def repair_chains(masks: Sequence[Mask], levels: Sequence[int]) -> list[Mask]:
    """Give every mask a finer level than the mask that contains it.

    Each chain of masks, from one that lies in no other down to one that holds no other,
    gets the learned levels of its masks, sorted, as the masks of one click do. Chains
    share their upper part: the longest one decides, and the others take levels below it.

    Parameters
    ----------
    masks : sequence of Candidate or PlaneMask
        Distinct ones.
    levels : sequence of int
        That may be handed out, coarse to fine.

    Returns
    -------
    list of the same
        In the order given.
    """
    parents = _parents(masks)
    chains = _Chains(parents, [levels.index(mask.level) for mask in masks], len(levels))
    return [
        mask if mask.level == levels[rank] else replace(mask, level=levels[rank])
        for mask, rank in zip(masks, chains.ranks(), strict=True)
    ]


class _Chains:
    """Hands out ranks (0 is the coarsest) along the longest chains first."""

    def __init__(self, parents: Sequence[int | None], learned: list[int], count: int) -> None:
        self._learned, self._last = learned, count - 1
        self._children: list[list[int]] = [[] for _ in parents]
        self._roots = [index for index, parent in enumerate(parents) if parent is None]
        for index, parent in enumerate(parents):
            if parent is not None:
                self._children[parent].append(index)
        self._heights = self._measure()

    def ranks(self) -> list[int]:
        """Return the rank of every mask."""
        found = list(self._learned)
        waiting = [(root, 0) for root in self._roots]
        while waiting:
            top, least = waiting.pop()
            chain = self._longest(top)
            for index, rank in zip(chain, self._sorted(chain, least), strict=True):
                found[index] = rank
                others = (child for child in self._children[index] if child not in chain)
                waiting += [(child, rank + 1) for child in others]
        return found

    def _sorted(self, chain: Sequence[int], least: int) -> list[int]:
        """Sorted learned ranks, each above the one before, none beyond the last."""
        ranks = sorted(self._learned[index] for index in chain)
        for place, rank in enumerate(ranks):
            ranks[place] = max(rank, least)
            least = ranks[place] + 1
        below = len(ranks) - 1
        return [min(rank, max(0, self._last - below + place)) for place, rank in enumerate(ranks)]

    def _longest(self, top: int) -> list[int]:
        chain = [top]
        while children := self._children[chain[-1]]:
            chain.append(max(children, key=lambda child: (self._heights[child], -child)))
        return chain

    def _measure(self) -> list[int]:
        heights = [0] * len(self._children)
        order = list(self._roots)
        for index in order:  # grows while it is walked through: parents before children
            order += self._children[index]
        for index in reversed(order):
            heights[index] = max((heights[child] + 1 for child in self._children[index]), default=0)
        return heights


def _parents(masks: Sequence[Nested]) -> list[int | None]:
    """Return the smallest larger mask that covers enough of each."""
    facts = Facts(masks)
    by_area = sorted(range(len(masks)), key=lambda index: (-facts.areas[index], index))
    place = {index: number for number, index in enumerate(by_area)}
    parents: list[int | None] = [None] * len(masks)
    for index in by_area:
        larger = (other for other in facts.touching(index) if place[other] < place[index])
        for other in sorted(larger, key=lambda each: -place[each]):
            if facts.common(index, other) >= PARENT_COVER * facts.areas[index]:
                parents[index] = other
                break
    return parents


class Facts:
    """Areas and boxes of masks, to find the few pairs whose pixels must be looked at.

    Parameters
    ----------
    masks : sequence of Candidate or PlaneMask

    Attributes
    ----------
    areas : list of int
    """

    def __init__(self, masks: Sequence[Nested]) -> None:
        self._masks = masks
        self._index = BoxIndex(mask.box for mask in masks)
        self.areas = [mask.area for mask in masks]

    def touching(self, index: int) -> list[int]:
        """Return those whose box meets the mask's, itself among them, in their order."""
        return self._index.meeting(self._masks[index].box)

    def common(self, first: int, second: int) -> int:
        """Return how many pixels two masks share."""
        return self._masks[first].common(self._masks[second])

    def holds_any(self, shared: Mapping[int, int]) -> bool:
        """Whether a mask covers enough of another to contain it.

        Parameters
        ----------
        shared : mapping of int to int
            How many pixels it shares with each of some others.
        """
        return any(part >= PARENT_COVER * self.areas[other] for other, part in shared.items())

    def lies_in(self, index: int, other: int, common: int) -> bool:
        """Whether a mask lies in a larger one with which it shares so many pixels."""
        is_covered = common >= PARENT_COVER * self.areas[index]
        return is_covered and self.areas[index] <= self.areas[other]

    def iou(self, first: int, second: int) -> float:
        """Return the IoU of two masks; 0 if their areas rule out that it is high."""
        small, large = sorted((self.areas[first], self.areas[second]))
        if small <= SAME_IOU * large:
            return 0.0
        common = self.common(first, second)
        return common / (small + large - common)
