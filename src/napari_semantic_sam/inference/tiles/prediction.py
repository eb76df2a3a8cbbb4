"""Prompts on a plane: each on the tile it needs, and cut masks again on a larger one."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.inference.results import EMPTY, Candidate, PromptResult
from napari_semantic_sam.inference.tiles.layout import Tile
from napari_semantic_sam.inference.tiles.plane_embedding import Placed, PlaneEmbedding
from napari_semantic_sam.model.types import ImageEmbedding


class Answer(Protocol):
    """Asks the network about prompts on one picture, each for the candidates of some tokens."""

    def __call__(
        self,
        embedding: PictureEmbedding,
        prompts: Sequence[Placed],
        tokens: Sequence[Sequence[int]],
    ) -> list[PromptResult]:
        """Return a result for each prompt, in pixels of the picture."""


@dataclass(frozen=True)
class _Grid:
    """The pixels in which a tile is answered: blocks of `block` × `block` of the plane's."""

    embedding: PlaneEmbedding
    tile: Tile
    block: int

    @classmethod
    def of(cls, embedding: PlaneEmbedding, tile: Tile) -> _Grid:
        scale = embedding.levels[tile.level_index].scale
        # Half a pixel of the input is as fine as masks are. To draw them more finely costs
        # seconds where a tile is many thousand pixels large.
        block = 1 if embedding.is_one_tile else max(1, int(0.5 / scale))
        return cls(embedding, tile, block)

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.tile.shape
        return -(-height // self.block), -(-width // self.block)

    def moved(self, prompt: Placed) -> Placed:
        """Return a prompt on the plane as one on the tile."""
        kind, where = prompt
        origin = self.tile.box[:2] * (len(where) // 2)
        shift = 0.5 if kind == "click" else 0.0  # whole numbers are centres, or edges
        pairs = zip(where, origin, strict=True)
        return kind, tuple((value - start + shift) / self.block - shift for value, start in pairs)

    def on_plane(self, candidate: Candidate) -> Candidate:
        """Return a candidate on the tile as one on the plane."""
        if candidate.box == EMPTY:
            return replace(candidate, shape=self.embedding.shape)
        top, left, bottom, right = self.tile.box
        y0, x0, y1, x1 = (edge * self.block for edge in candidate.box)
        crop = candidate.crop
        if self.block > 1:
            crop = crop.repeat(self.block, axis=0).repeat(self.block, axis=1)
        box = (top + y0, left + x0, min(top + y1, bottom), min(left + x1, right))
        crop = crop[: box[2] - box[0], : box[3] - box[1]]
        return replace(candidate, box=box, crop=crop, shape=self.embedding.shape)

    def cuts(self, candidate: Candidate) -> bool:
        """Whether the tile ends where a candidate on the plane may go on."""
        level = self.embedding.levels[self.tile.level_index]
        return level.is_cut(candidate.box, self.tile.box)


@dataclass
class _Question:
    """A prompt, the tokens to ask for, and what was found so far by token."""

    prompt: Placed
    tokens: Sequence[int]
    candidates: dict[int, Candidate] = field(default_factory=dict)

    def receive(self, result: PromptResult, grid: _Grid) -> None:
        """Take masks, but nothing in place of something; what the tile cuts off is to be asked."""
        cut = []
        for found in result.candidates:
            if found.token in self.candidates and found.box == EMPTY:
                continue
            candidate = self.candidates[found.token] = grid.on_plane(found)
            if grid.cuts(candidate):
                cut.append(found.token)
        self.tokens = cut


def predict_on_tiles(
    answer: Answer, embedding: PlaneEmbedding, prompts: Sequence[Placed]
) -> list[PromptResult]:
    """Answer prompts on a plane.

    Every prompt is asked on a tile of the finest level. The masks that reach the rim of that
    tile are replaced by those of the same tokens on a tile of the next level, and so on up to
    the coarsest: a coarse granularity is looked at on a coarse scale. Where a tile has to be
    embedded, those of the coarser levels around it are, too.

    Parameters
    ----------
    answer : callable
        Asks the network about prompts on a tile, in pixels of the tile.
    embedding : PlaneEmbedding
    prompts : sequence of kind and coordinates
        In pixels of the plane and inside of it.

    Returns
    -------
    list of PromptResult
        In the same order, in pixels of the plane.
    """
    questions = [_Question(prompt, embedding.tokens) for prompt in prompts]
    pending = dict.fromkeys(range(len(prompts)), 0)
    while pending:
        following: dict[int, int] = {}
        for tile, indices in _tiles(embedding, prompts, pending).items():
            grid = _Grid.of(embedding, tile)
            asked = [questions[index] for index in indices]
            image = _image(embedding, tile, asked)
            if image is None:
                continue
            picture = PictureEmbedding(image, grid.shape)
            moved = [grid.moved(each.prompt) for each in asked]
            results = answer(picture, moved, [each.tokens for each in asked])
            for index, question, result in zip(indices, asked, results, strict=True):
                question.receive(result, grid)
                if question.tokens and tile.level_index + 1 < len(embedding.levels):
                    following[index] = tile.level_index + 1
        pending = following
    return [PromptResult(*each.prompt, tuple(each.candidates.values())) for each in questions]


def _image(
    embedding: PlaneEmbedding, tile: Tile, asked: Sequence[_Question]
) -> ImageEmbedding | None:
    """Embed a tile; None, with a warning, if it cannot be read and all have answers already."""
    try:
        return embedding.embed_around(tile, asked[0].prompt).image
    except UserError as error:
        if not all(each.candidates for each in asked):
            raise
        warnings.warn(f"Masks that go on there are cut off: {error}", stacklevel=2)
        return None


def _tiles(
    embedding: PlaneEmbedding, prompts: Sequence[Placed], pending: Mapping[int, int]
) -> dict[Tile, list[int]]:
    """Return the tiles that prompts are to be asked on at their levels, few rather than many."""
    tiles: defaultdict[Tile, list[int]] = defaultdict(list)
    for index, level_index in pending.items():
        tile = embedding.tile_for(prompts[index], level_index, planned=tiles)
        tiles[tile].append(index)
    return tiles
