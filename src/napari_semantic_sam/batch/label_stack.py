"""Label images of all levels, plane by plane, and then one number for an object in all planes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_semantic_sam.batch.linking import Movements, Numbers, link_planes
from napari_semantic_sam.inference.automatic.link import Link, LinkRules
from napari_semantic_sam.io.label_stacks import LabelPlanes

Links = Mapping[int, list[tuple[int, Link]]]
"""Of each level, the number of the plane and the row of each label."""


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
        """Give every object one number in all planes of its series, see `link_planes`.

        Returns
        -------
        links : mapping
        numbers : mapping
            The object of each label.
        """
        links: dict[int, list[tuple[int, Link]]] = {}
        for level, planes in self.levels.items():
            self._planes[level], links[level] = link_planes(planes, movements, rules)
        numbers = {
            (number, level, row.label): row.object
            for level, found in links.items()
            for number, row in found
        }
        return links, numbers
