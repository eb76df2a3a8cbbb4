"""Masks as polygons along the edges of their pixels.

Points are ``(x, y)``; pixel (row r, column c) covers ``c … c + 1`` and ``r … r + 1``, as in QuPath.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Ring = list[tuple[int, int]]
_Edges = dict[tuple[int, int, int], tuple[int, int]]
"""Where an edge leads to, by where it begins and which way along its axis it goes."""


def outline(mask: Mask, origin: tuple[int, int] = (0, 0)) -> list[list[Ring]]:
    """Return the polygons of a mask, one for each part connected by pixel edges.

    Parameters
    ----------
    mask : (h, w) bool array
    origin : (y, x)
        Of the mask's first pixel in the picture.

    Returns
    -------
    list of polygons
        Each the outer ring, then its holes. Rings are simple, closed (the last point repeats
        the first), and turn only at corners. Pixels that touch diagonally are parts of
        their own, so every polygon is valid where the interior has to be connected.
    """
    from scipy import ndimage  # late: it is slow to import

    parts, _ = ndimage.label(mask)
    polygons = []
    for number, where in enumerate(ndimage.find_objects(parts), start=1):
        y, x = where[0].start + origin[0], where[1].start + origin[1]
        rings = [
            simple for ring in _rings(parts[where] == number) for simple in _without_touches(ring)
        ]
        rings.sort(key=_signed_area, reverse=True)  # only the outer ring has a positive one
        polygons.append([[(px + x, py + y) for px, py in (*ring, ring[0])] for ring in rings])
    return polygons


def _rings(mask: Mask) -> Iterator[Ring]:
    """Walk around a mask clockwise, as seen on the screen, and around its holes the other way."""
    padded = np.pad(mask, 1).astype(np.int8)
    across = _runs(np.diff(padded, axis=0)[:, 1:-1])
    # Below an upper edge lies the mask: walk to the right. Right of a left edge: walk up.
    horizontal: _Edges = {
        (*((b, y) if sign < 0 else (a, y)), sign): ((a, y) if sign < 0 else (b, y))
        for y, a, b, sign in across
    }
    vertical: _Edges = {
        (*((x, b) if sign > 0 else (x, a)), -sign): ((x, a) if sign > 0 else (x, b))
        for x, a, b, sign in _runs(np.diff(padded, axis=1)[1:-1].T)
    }
    for start in list(horizontal):
        ring: Ring = []
        here = start
        while here in horizontal:
            ring.append(here[:2])
            corner, step = horizontal.pop(here), here[2]
            ring.append(corner)
            # Where pixels touch diagonally there are two ways on: a right turn stays on one.
            step = step if (*corner, step) in vertical else -step
            point = vertical.pop((*corner, step))
            here = (*point, -step)
            if here not in horizontal and here != start:
                here = (*point, step)
        if ring:
            yield ring


def _runs(changes: npt.NDArray[np.int8]) -> list[tuple[int, int, int, int]]:
    """Return ``(line, begin, end, sign)`` of all runs of equal values but 0 along the lines."""
    padded = np.pad(changes, ((0, 0), (1, 1)))
    left, right = padded[:, :-1], padded[:, 1:]
    lines, begins = np.nonzero((left != right) & (right != 0))
    ends = np.nonzero((left != right) & (left != 0))[1]
    signs = right[lines, begins]
    columns = (each.tolist() for each in (lines, begins, ends, signs))
    return list(zip(*columns, strict=True))


def _without_touches(ring: Ring) -> Iterator[Ring]:
    """Cut a ring that passes a point several times into rings that do not."""
    path: Ring = []
    places: dict[tuple[int, int], int] = {}
    for point in ring:
        if point in places:
            begin = places[point]
            yield path[begin:]
            for passed in path[begin + 1 :]:
                del places[passed]
            del path[begin + 1 :]
        else:
            places[point] = len(path)
            path.append(point)
    yield path


def _signed_area(ring: Ring) -> int:
    following = (*ring[1:], ring[0])
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, following, strict=True))
