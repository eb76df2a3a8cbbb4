"""Where the tiles of a plane lie, at every scale it is looked at."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.preparation import (
    check_scale,
    input_scale,
    longest_edge,
    tile_edge,
    unlimited_scale,
)
from napari_semantic_sam.inference.results import EMPTY, Box
from napari_semantic_sam.model.config import LocalConfig, ModelConfig

LARGEST = 8192
"""Longest side of a tile in pixels of the plane; masks of larger ones would fill the memory."""
_FEW = 4
"""Up to this factor, no scale is needed between the finest and the coarsest."""
_STEPS = 4
_HALO = 16
_LARGEST_BOX = 3 / 4
"""Of a tile; a tile of the lattice holds any such box."""


_CONTEXT = 128


@dataclass(frozen=True)
class Tile:
    """A part of a plane that is embedded as if it were a picture.

    Attributes
    ----------
    box : (y0, x0, y1, x1) ints
        In pixels of the plane.
    level_index : int
        Which `TileLevel` it belongs to.
    """

    box: Box
    level_index: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels of the plane."""
        y0, x0, y1, x1 = self.box
        return y1 - y0, x1 - x0


@dataclass(frozen=True)
class TileLevel:
    """One scale at which a plane is looked at, with a lattice of overlapping tiles.

    Attributes
    ----------
    scale : float
        Pixels of the network's input per pixel of the plane.
    side : int
        Of a tile, in pixels of the plane. Tiles at the lower and right border may be smaller.
    shape : (H, W)
        Of the plane.
    """

    scale: float
    side: int
    shape: tuple[int, int]

    @property
    def step(self) -> int:
        """Distance from a tile of the lattice to the next one, in pixels of the plane."""
        # A quarter of an input is a multiple of the network's strides. At scale 1 all tiles
        # thus share one grid of features, which is that of the whole plane.
        return max(1, self.side // _STEPS)

    @property
    def halo(self) -> int:
        """Width of the rim of a tile that is not trusted, in pixels of the plane."""
        return self.side // _HALO

    @property
    def is_whole(self) -> bool:
        """Whether one tile is the whole plane."""
        return self.side >= max(self.shape)

    def holds(self, box: tuple[float, ...]) -> bool:
        """Whether a tile holds a ``(y0, x0, y1, x1)`` box with what lies around it."""
        return self.is_whole or _longest(box) <= self.side / 2

    def around(self, box: tuple[float, ...]) -> list[Box]:
        """Return the tiles of the lattice that hold a box with margin, best centred first.

        Parameters
        ----------
        box : (y0, x0, y1, x1)
            In pixels of the plane; a point has no extent.

        Returns
        -------
        list of (y0, x0, y1, x1)
            At least one. The margin is a quarter of what the box leaves of a tile.

        Raises
        ------
        UserError
            If the box is larger than three quarters of a tile.
        """
        largest = int(self.side * _LARGEST_BOX)
        if not self.is_whole and _longest(box) > largest:
            raise UserError(
                f"The box is {box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} pixels; on a picture of "
                f"this size up to {largest} × {largest} are possible: draw a smaller one."
            )
        rows = self._starts(box[0], box[2], self.shape[0])
        columns = self._starts(box[1], box[3], self.shape[1])
        pairs = sorted(itertools.product(rows, columns), key=lambda pair: pair[0][0] + pair[1][0])
        return [self._tile(y0, x0) for (_, y0), (_, x0) in pairs]

    def tiles(self) -> list[Box]:
        """Return tiles that cover the plane, each overlapping the next by a quarter."""
        rows, columns = (self._cover(length) for length in self.shape)
        return [self._tile(y0, x0) for y0, x0 in itertools.product(rows, columns)]

    def is_cut(self, mask: Box, tile: Box) -> bool:
        """Whether a mask reaches the rim of a tile, where the plane goes on beyond it."""
        if mask == EMPTY:
            return False
        (y0, x0, y1, x1), (top, left, bottom, right) = mask, tile
        height, width = self.shape
        return (
            (top > 0 and y0 < top + self.halo)
            or (left > 0 and x0 < left + self.halo)
            or (bottom < height and y1 > bottom - self.halo)
            or (right < width and x1 > right - self.halo)
        )

    def _starts(self, low: float, high: float, length: int) -> list[tuple[float, int]]:
        """Return where along one axis a tile may begin, each after its distance to the centre."""
        margin = (self.side - (high - low)) / 4
        last = self._last(length)
        first = min(max(0, math.ceil((high + margin - self.side) / self.step)), last)
        final = min(max(0, math.floor((low - margin) / self.step)), last)
        ideal = (low + high - self.side) / 2
        nearest = min(max(0, round(ideal / self.step)), last)
        starts = {nearest, *range(first, final + 1)}
        return sorted((abs(index * self.step - ideal), index * self.step) for index in starts)

    def _last(self, length: int) -> int:
        """Return how many steps into an axis the last tile begins."""
        return max(0, math.ceil((length - self.side) / self.step))

    def _cover(self, length: int) -> list[int]:
        last = self._last(length)
        return [index * self.step for index in (*range(0, last, _STEPS - 1), last)]

    def _tile(self, y0: int, x0: int) -> Box:
        height, width = self.shape
        return y0, x0, min(y0 + self.side, height), min(x0 + self.side, width)


def tile_levels(
    shape: tuple[int, int],
    config: ModelConfig,
    scale: float | None = None,
    edge: int | None = None,
) -> tuple[TileLevel, ...]:
    """Return the scales at which a plane is looked at, finest first, at most three.

    A plane within the longest edge that the network takes is one tile. The tiles of a larger
    one are as large as the network's input, at the scale that is wanted. A tile of the
    coarsest level holds the whole plane, or 8192 pixels of it, and one level lies between.

    Parameters
    ----------
    shape : (H, W)
        Of the plane.
    config : ModelConfig
        Of the network.
    scale : float, optional
        Pixels of the input per pixel of the plane; the network's own rule when left out.
    edge : int, optional
        Of a tile in pixels of the input, instead of the one that suits the network.

    Raises
    ------
    UserError
        If the scale is not a number from 1/64 to 16.
    """
    if scale is not None:
        check_scale(scale)
    longest = max(shape)
    limit = longest_edge(config) if edge is None else edge
    if longest * (scale or 1.0) <= limit and longest <= LARGEST:
        return (TileLevel(scale or input_scale(shape, config), longest, shape),)
    edge = edge or tile_edge(config)
    scale = scale or unlimited_scale(shape, config)
    finest, coarsest = min(round(edge / scale), LARGEST), min(longest, LARGEST)
    sides = {finest, coarsest}
    if coarsest > _FEW * finest:
        sides.add(finest * 2 ** int(math.log2(coarsest / finest) / 2))
    coarser = [TileLevel(edge / side, side, shape) for side in sorted(sides) if side > finest]
    return (TileLevel(scale, finest, shape), *coarser)


def tile_context(config: ModelConfig) -> int:
    """Return how far a network should see beyond a tile that it segments, in pixels of its input.

    What a small network makes of a pixel depends on those around it alone, hardly on any that
    is 256 pixels away. Tiles overlap by as much, of which half belongs to each, and this is
    the other half. A published network makes something of everything it sees, so that no
    margin makes tiles the same as whole pictures.
    """
    return _CONTEXT if isinstance(config.decoder, LocalConfig) else 0


def _longest(box: tuple[float, ...]) -> float:
    return max(box[2] - box[0], box[3] - box[1])
