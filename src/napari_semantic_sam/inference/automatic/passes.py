"""How a plane is cut into tiles: at its own resolution, and ever coarser for large objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from napari_semantic_sam.inference.results import Box
from napari_semantic_sam.inference.tiles.layout import TileLevel

_COARSER = 4.0
"""Tiles of a pass are at most so many times larger than those of the one before, so that what
is longer than their overlap fits into the next tiles."""
_OVERLAP = 4
"""Tiles overlap by a side over this."""
_MOST_PIXELS = 2048
"""Side of the largest tile that is read at the plane's own resolution."""
_THINNEST = 64
"""The network should see planes at least so many pixels high."""


@dataclass(frozen=True)
class SurveyTile:
    """A tile of a pass; boxes in pixels of the pass.

    Attributes
    ----------
    box : Box
        What the network sees.
    core : Box
        What is nearer to this tile's centre than to that of any neighbour; where it is asked.
    inner : tuple of bool
        Whether the picture goes on beyond the top, left, bottom and right border.
    """

    box: Box
    core: Box
    inner: tuple[bool, bool, bool, bool]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]


@dataclass(frozen=True)
class Pass:
    """Overlapping tiles that cover a plane, at one resolution.

    Attributes
    ----------
    factor : float
        Pixels of the plane per pixel of the pass.
    scale : float
        Pixels of the network's input per pixel of the pass.
    shape : (height, width)
        Of the plane, in pixels of the pass.
    side : int
        Of a tile without its context, in pixels of the pass.
    context : int
        How far the network sees beyond that at every side, in pixels of the pass.
    least : float
        In pixels of the plane: objects whose longer side is shorter are seen whole by the
        pass before.
    """

    factor: float
    scale: float
    shape: tuple[int, int]
    side: int
    context: int = 0
    least: float = 0.0

    @property
    def overlap(self) -> int:
        """By how many pixels of the pass neighbours overlap at least."""
        return self.side // _OVERLAP + 2 * self.context

    def tiles(self) -> list[SurveyTile]:
        """Return the tiles, row by row."""
        height, width = self.shape
        boxes = TileLevel(self.scale, self.side, self.shape).tiles()
        rows = _cores(((y0, y1) for y0, _, y1, _ in boxes), height)
        columns = _cores(((x0, x1) for _, x0, _, x1 in boxes), width)
        return [
            self._tile(
                box, (rows[box[0]][0], columns[box[1]][0], rows[box[0]][1], columns[box[1]][1])
            )
            for box in boxes
        ]

    def _tile(self, box: Box, core: Box) -> SurveyTile:
        """Give a tile its context, as far as there is a plane."""
        height, width = self.shape
        y0, x0 = (max(0, edge - self.context) for edge in box[:2])
        y1, x1 = min(box[2] + self.context, height), min(box[3] + self.context, width)
        return SurveyTile((y0, x0, y1, x1), core, (y0 > 0, x0 > 0, y1 < height, x1 < width))


def plan_passes(finest: TileLevel, context: int = 0) -> list[Pass]:
    """Cut a plane into tiles.

    The first pass has the resolution that is asked for. Each of the next ones has tiles up
    to four times larger, seen coarser, until one tile holds the whole plane or the network
    would see the plane less than 64 pixels high.

    Parameters
    ----------
    finest : TileLevel
        Size and scale of the tiles of the first pass.
    context : int
        How far the network sees beyond each tile, in pixels of its input.

    Returns
    -------
    list of Pass
        Finest first.
    """
    shape, edge = finest.shape, finest.side * finest.scale
    growth = max(shape) / finest.side
    steps = math.ceil(math.log(growth, _COARSER)) if growth > 1 else 0
    passes = [_pass(shape, finest.side, edge, context, _MOST_PIXELS)]
    for number in range(1, steps + 1):
        side = finest.side * growth ** (number / steps)
        if min(shape) * edge / side < _THINNEST:
            break
        least = passes[-1].overlap * passes[-1].factor
        passes.append(_pass(shape, side, edge, context, edge, least))
    return passes


def _pass(
    shape: tuple[int, int],
    side: float,
    edge: float,
    context: int,
    most_pixels: float,
    least: float = 0.0,
) -> Pass:
    """Make the pass whose tiles are `side` pixels of the plane, `edge` of the input."""
    factor = max(1.0, side / most_pixels)
    height, width = (math.ceil(length / factor - 1e-6) for length in shape)
    scale = edge / side * factor
    return Pass(
        factor=factor,
        scale=scale,
        shape=(height, width),
        side=math.ceil(side / factor),
        context=round(context / scale),
        least=least,
    )


def _cores(ends: Iterable[tuple[int, int]], length: int) -> dict[int, tuple[int, int]]:
    """Return where the cores of tiles begin and end along one axis, by the tiles' start."""
    tiles = sorted(set(ends))
    middles = [(end + start) // 2 for (_, end), (start, _) in pairwise(tiles)]
    edges = pairwise([0, *middles, length])
    return {start: core for (start, _), core in zip(tiles, edges, strict=True)}
