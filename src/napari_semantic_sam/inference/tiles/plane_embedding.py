"""A plane whose tiles are embedded when a prompt needs them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Container
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.inference.preparation import RULES, SCALES, input_size
from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
from napari_semantic_sam.inference.tiles.layout import Tile, tile_context, tile_levels
from napari_semantic_sam.inference.tiles.reading import read_input
from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.model.semantic_sam import SemanticSAM

if TYPE_CHECKING:
    from napari_semantic_sam.inference.image import Plane

_LONGEST_CLOSER = 1536
Placed: TypeAlias = tuple[Kind, tuple[float, ...]]
"""A prompt: its kind and its coordinates."""


class PlaneEmbedding:
    """A plane of any size, ready for prompts; nothing is read or computed before the first.

    Made by `Predictor.embed_plane`. Several threads may use it.

    Parameters
    ----------
    plane : Plane
    model : SemanticSAM
    cache : EmbeddingCache
        Where tiles are kept.
    scale : float, optional
        Pixels the network sees per pixel of the plane on the finest level, 1/64 to 16,
        instead of its own choice.
    edge : int, optional
        Of a tile in pixels of the network's input, instead of the one that suits it.
    context : int, optional
        See the attribute; what suits the network when left out.

    Attributes
    ----------
    levels : tuple of TileLevel
        The scales the plane is looked at, finest first.
    context : int
        How far automatic segmentation sees beyond a tile, in pixels of the network's input.

    Raises
    ------
    UserError
        If the scale is not such a number.
    """

    def __init__(
        self,
        plane: Plane,
        model: SemanticSAM,
        cache: EmbeddingCache,
        *,
        scale: float | None = None,
        edge: int | None = None,
        context: int | None = None,
    ) -> None:
        self.plane = plane
        self.levels = tile_levels(plane.shape, model.config, scale, edge)
        self.context = tile_context(model.config) if context is None else context
        self._model = model
        self._cache = cache
        self._scale_is_chosen = scale is not None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the plane."""
        return self.plane.shape

    @property
    def scale(self) -> float:
        """Pixels of the network's input per pixel of the plane on the finest level."""
        return self.levels[0].scale

    @property
    def tokens(self) -> range:
        """The network's tokens."""
        return range(len(self._model.level_order))

    @property
    def is_one_tile(self) -> bool:
        """Whether the whole plane is embedded at once."""
        return len(self.levels) == 1 and self.levels[0].is_whole

    def closer(self) -> PlaneEmbedding | None:
        """Return the same plane as one tile at twice the scale.

        None if somebody chose the scale, or the network would see more than 1536 pixels of
        the longer side.
        """
        scale, longest = 2 * self.scale, max(self.shape)
        if self._scale_is_chosen or scale * longest > _LONGEST_CLOSER or scale > SCALES[1]:
            return None
        edge = math.ceil(scale * longest)
        return PlaneEmbedding(self.plane, self._model, self._cache, scale=scale, edge=edge)

    @cached_property
    def preparation_hash(self) -> str:
        """Fingerprint of how the plane is prepared: rules, contrast and scales.

        Raises
        ------
        UserError
            If the values that the contrast is chosen on cannot be read.
        """
        how = (RULES, self._model.config.decoder.type, self.plane.limits, self.levels)
        return _fingerprint(how)[:16]

    def tile_for(self, prompt: Placed, level_index: int = 0, planned: Container[Tile] = ()) -> Tile:
        """Return the tile that a prompt is asked on.

        It is one that is at hand and holds the prompt with margin, the best centred one if
        there are several; otherwise the one of the lattice that is centred on it best.

        Parameters
        ----------
        prompt : kind and coordinates
            ``("click", (y, x))`` or ``("box", (y0, x0, y1, x1))``, inside the plane.
        level_index : int
            The finest level to take. A box that is large for it moves on to a coarser one.
        planned : container of Tile
            Count as at hand, as those in memory do.

        Raises
        ------
        UserError
            If a box is too large for any tile.
        """
        box = self._extent(prompt)
        last = len(self.levels) - 1
        fits = (i for i in range(level_index, last) if self.levels[i].holds(box))
        index = next(fits, last)
        tiles = [Tile(each, index) for each in self.levels[index].around(box)]
        at_hand = (tile for tile in tiles if tile in planned or self._is_at_hand(tile))
        return next(at_hand, tiles[0])

    def embed_around(self, tile: Tile, prompt: Placed) -> PictureEmbedding:
        """Return `embed`; if the tile is not at hand, also embed coarser ones around a prompt.

        A click nearby thus finds every tile that it may need, whatever its masks turn out to
        be. As coarse tiles are large, few of them are ever made.

        Raises
        ------
        UserError
            If the part of the plane under the tile cannot be read.
        """
        is_new = not self._is_at_hand(tile)
        made = self.embed(tile)
        if is_new:
            with suppress(UserError):  # a part that cannot be read may never be asked for
                for level_index in range(tile.level_index + 1, len(self.levels)):
                    self.embed(self.tile_for(prompt, level_index))
        return made

    def embed(self, tile: Tile) -> PictureEmbedding:
        """Return the embedding of a tile as if it were a picture, from the cache if it is there.

        Raises
        ------
        UserError
            If that part of the plane cannot be read.
        """
        return self._cache.get(self._memory_key(tile), lambda: self._make(tile), self.plane.owner)

    def _is_at_hand(self, tile: Tile) -> bool:
        return self._memory_key(tile) in self._cache

    def _extent(self, prompt: Placed) -> tuple[float, ...]:
        kind, where = prompt
        if kind == "click":
            return (*where, *where)
        height, width = self.shape
        y0, x0, y1, x1 = where
        return max(0.0, y0), max(0.0, x0), min(y1, height), min(x1, width)

    def _make(self, tile: Tile) -> PictureEmbedding:
        disk, key = self._cache.disk, _fingerprint((*self._facts, tile))
        with torch.inference_mode():
            stored = None if disk is None else disk.load(key, self._model)
            if stored is not None:
                return stored
            size = input_size(tile.shape, self.levels[tile.level_index].scale)
            values = read_input(self.plane, tile.box, size, self._model.config)
            image = self._model.encode(torch.from_numpy(values)[None], self.preparation_hash)
        made = PictureEmbedding(image, tile.shape)
        if disk is not None:
            disk.save(key, made)
        return made

    def _memory_key(self, tile: Tile) -> str:
        owner = self.plane.owner
        return _fingerprint((*self._facts, tile, None if owner is None else id(owner)))

    @cached_property
    def _facts(self) -> tuple[str, ...]:
        return self.plane.cache_key, self.preparation_hash, self._model.checkpoint_hash


def _fingerprint(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
