"""What boxes share, and which of many meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from napari_semantic_sam.inference.results import Box

_CELL = 128
_MOST_CELLS = 4096


def shared(first: Box, second: Box) -> Box | None:
    """Return the pixels that two boxes share; None if there are none."""
    y0, x0 = max(first[0], second[0]), max(first[1], second[1])
    y1, x1 = min(first[2], second[2]), min(first[3], second[3])
    return (y0, x0, y1, x1) if y1 > y0 and x1 > x0 else None


def longest_side(box: Box) -> int:
    """Return the longer one of height and width."""
    return max(box[2] - box[0], box[3] - box[1])


class BoxIndex:
    """Boxes by where they are, so that those that meet another one are found quickly.

    Parameters
    ----------
    boxes : iterable of Box
    """

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self._boxes: list[Box] = []
        self._in_cell: dict[tuple[int, int], list[int]] = {}
        self._wide: list[int] = []
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """Add a box, whose number is that of those before."""
        number = len(self._boxes)
        self._boxes.append(box)
        if _cell_count(box) > _MOST_CELLS:
            self._wide.append(number)
            return
        for cell in _cells(box):
            self._in_cell.setdefault(cell, []).append(number)

    def meeting(self, box: Box) -> list[int]:
        """Return the numbers of the boxes that share a pixel with one, ascending."""
        if _cell_count(box) > _MOST_CELLS:
            near: Iterable[int] = range(len(self._boxes))
        else:
            near = {number for cell in _cells(box) for number in self._in_cell.get(cell, ())}
            near |= set(self._wide)
        return sorted(number for number in near if shared(self._boxes[number], box))


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    y0, x0, y1, x1 = box
    rows, columns = range(y0 // _CELL, -(-y1 // _CELL)), range(x0 // _CELL, -(-x1 // _CELL))
    return itertools.product(rows, columns)


def _cell_count(box: Box) -> int:
    return ((box[2] - box[0]) // _CELL + 1) * ((box[3] - box[1]) // _CELL + 1)
