"""Where the labels of a level are in each plane, counted once and kept up to date."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from napari_semantic_sam.inference.label_runs import LabelArray, Window, hull, measure

PlaneIndex = tuple[int, ...]
"""Which plane of a stack: an index for each axis that is walked; ``()`` if there is only one."""

Part = tuple[int, Window]
"""Some pixels of a label in a plane: how many, and what surrounds them."""


class LabelParts:
    """Area and surroundings of every label of one level in every plane that holds it."""

    def __init__(self) -> None:
        self._planes: dict[PlaneIndex, dict[int, Part]] = {}

    def measure(self, plane: PlaneIndex, window: Window, pixels: LabelArray) -> None:
        """Count the labels in a window of a plane that was not counted yet."""
        for index, part in measure(pixels, (window[0].start, window[1].start)).items():
            self.count(plane, index, None, part)

    def count(self, plane: PlaneIndex, index: int, lost: Part | None, gained: Part | None) -> int:
        """Note that a label lost and gained pixels of a plane; returns by how many it grew."""
        here = self._planes.setdefault(plane, {})
        before = here.pop(index, None)
        growth = (gained[0] if gained else 0) - (lost[0] if lost else 0)
        area = (before[0] if before else 0) + growth
        if area > 0:
            windows = [part[1] for part in (before, gained) if part]
            here[index] = (area, hull(windows))
        return growth

    @property
    def occupied(self) -> list[PlaneIndex]:
        """The planes that hold labels, in order."""
        return sorted(plane for plane, here in self._planes.items() if here)

    def areas(self, plane: PlaneIndex) -> dict[int, int]:
        """Return the area of every label in a plane."""
        return {index: area for index, (area, _) in self._planes.get(plane, {}).items()}

    def totals(self) -> dict[int, int]:
        """Return the area of every label over all planes."""
        totals: dict[int, int] = {}
        for here in self._planes.values():
            for index, (area, _) in here.items():
                totals[index] = totals.get(index, 0) + area
        return totals

    def window(self, plane: PlaneIndex, index: int) -> Window | None:
        """Return what surrounds a label in a plane; None if it is not there."""
        part = self._planes.get(plane, {}).get(index)
        return part[1] if part else None

    def planes_of(self, index: int) -> list[PlaneIndex]:
        """Return the planes that hold a label, in order."""
        return sorted(plane for plane, here in self._planes.items() if index in here)

    def hulls(self, indices: Collection[int]) -> Iterator[tuple[PlaneIndex, Window]]:
        """Return each plane that holds some labels, and what surrounds them there."""
        for plane, here in self._planes.items():
            windows = [here[index][1] for index in indices if index in here]
            if windows:
                yield plane, hull(windows)
