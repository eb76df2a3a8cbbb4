"""Label images of all levels, plane by plane, and then one number for an object in all planes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_semantic_sam.batch.linking import Links, Movements, Numbers, link_levels
from napari_semantic_sam.inference.automatic.link import LinkRules
from napari_semantic_sam.io.label_stacks import LabelPlanes


class LabelStack:
    """Keeps label images compressed; planes that are missing have no labels.

    Parameters
    ----------
    shape : (H, W)
        Of each plane.
    count : int
        Number of planes.
    """

    def __init__(self, shape: tuple[int, int], count: int) -> None:
        self._shape = shape
        self._count = count
        self._planes: dict[int, LabelPlanes] = {}

    @property
    def levels(self) -> dict[int, LabelPlanes]:
        """All planes of each level that any plane has, coarse to fine."""
        for planes in self._planes.values():
            planes.fill(self._count)
        return dict(sorted(self._planes.items()))

    def add(self, number: int, labels: Mapping[int, Any]) -> None:
        """Add the ``(H, W)`` label images of the plane with this number; planes come in order."""
        for level, array in labels.items():
            planes = self._planes.setdefault(level, LabelPlanes(self._shape))
            planes.fill(number)
            planes.add(array)

    def link(self, movements: Movements, rules: LinkRules) -> tuple[Links, Numbers]:
        """Give every object one number in all planes of its series, see `link_levels`."""
        return link_levels(self.levels, movements, rules)
