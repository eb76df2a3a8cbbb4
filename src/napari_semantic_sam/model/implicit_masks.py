"""Masks as functions of position: a tiny network per query, evaluated where it is needed.

Training evaluates the networks of `mask_head` in a few hundred points per prompt, inference on
the pixels around the box, and on the whole picture only where a mask reaches the border of
those. Masks are given without specks, see `without_specks`; points are sampled as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_semantic_sam.model.mask_head import HeadWeights, evaluate
from napari_semantic_sam.model.predictions import MaskPiece
from napari_semantic_sam.model.sampling import gather_bilinear
from napari_semantic_sam.model.specks import without_specks

REACH = 1.6
"""A mask is first evaluated within this multiple of its box …"""
MARGIN = 16.0
"""… and this many pixels beyond."""
OUTSIDE = -20.0
"""Logit where a mask is not evaluated."""

SKETCH_CELLS = 16384
"""Logits that tell enough about a mask to judge it."""

Window = tuple[int, int, int, int]
"""Cells ``x0, y0, x1, y1`` of the mask features."""


@dataclass(frozen=True)
class ImplicitMasks:
    """A `MaskSource` that evaluates the queries' networks on demand.

    Attributes
    ----------
    features : (B, C, H/s, W/s) tensor
    weights : HeadWeights
    centre : (N, 2) tensor
        Of the prompts, pixels of the padded input.
    boxes : (N, K, 4) tensor
        ``(cx, cy, w, h)`` in pixels of the padded input.
    image_index : (N,) int64 tensor
    stride : int
        Pixels of the padded input per pixel of `features`.
    """

    features: Tensor
    weights: HeadWeights
    centre: Tensor
    boxes: Tensor
    image_index: Tensor
    stride: int

    @property
    def extent(self) -> Tensor:
        """Width and height of the padded input."""
        height, width = self.features.shape[-2:]
        return self.centre.new_tensor([width * self.stride, height * self.stride])

    def sample_all(self, points: Tensor) -> Tensor:
        """See `MaskSource.sample_all`."""
        features = gather_bilinear(self.features, points, self.image_index)
        return evaluate(self.weights, features, points * self.extent, self.centre, self.boxes)

    def sample(self, points: Tensor, prompts: Tensor, tokens: Tensor) -> Tensor:
        """See `MaskSource.sample`."""
        features = gather_bilinear(self.features, points, self.image_index[prompts])
        return self.of_features(features, points, prompts, tokens)

    def of_features(
        self, features: Tensor, points: Tensor, prompts: Tensor, tokens: Tensor
    ) -> Tensor:
        """As `sample`, where the (M, P, C) mask features at the points are known already."""
        return self._evaluate(features, points * self.extent, prompts, tokens)

    def dense(self) -> Tensor:
        """See `MaskSource.dense`; `OUTSIDE` where a mask cannot be."""
        height, width = self.features.shape[-2:]
        count, tokens = self.boxes.shape[:2]
        logits = self.features.new_full((count * tokens, height, width), OUTSIDE)
        for mask, piece in zip(logits, self.pieces(), strict=True):
            rows, columns = piece.logits.shape
            mask[piece.y0 : piece.y0 + rows, piece.x0 : piece.x0 + columns] = piece.logits
        return logits.unflatten(0, (count, tokens))

    def pick(self, prompts: Tensor, tokens: Tensor) -> ImplicitMasks:
        """See `MaskSource.pick`."""
        return ImplicitMasks(
            features=self.features,
            weights=self.weights.pick(prompts, tokens),
            centre=self.centre[prompts],
            boxes=self.boxes[prompts, tokens][:, None],
            image_index=self.image_index[prompts],
            stride=self.stride,
        )

    def pieces(self) -> Iterator[MaskPiece]:
        """See `MaskSource.pieces`."""
        for place, window in self._windows():
            yield self._uncut(place, window, _every_cell)

    def sketches(self) -> Iterator[MaskPiece]:
        """See `MaskSource.sketches`; a mask has at most `SKETCH_CELLS` logits."""
        for place, window in self._windows():
            piece = self._uncut(place, window, _sketch_step)
            if piece.step > 1 and (near := self._around(piece)) is not None:
                piece = self._piece(place, near, _sketch_step(near))
            yield piece

    def _uncut(
        self, place: tuple[int, int], window: Window, step_of: Callable[[Window], int]
    ) -> MaskPiece:
        """Evaluate a mask in a window, or everywhere if it reaches beyond."""
        height, width = self.features.shape[-2:]
        whole = (0, 0, width, height)
        piece = self._piece(place, window, step_of(window))
        if _is_cut(piece.logits > 0, window, whole):
            piece = self._piece(place, whole, step_of(whole))
        return piece

    def _around(self, piece: MaskPiece) -> Window | None:
        """Return the cells that a coarsely known mask can reach, None if there is no mask."""
        rows, columns = ((piece.logits > 0).any(dim=dim).nonzero()[:, 0] for dim in (1, 0))
        if not len(rows):
            return None
        height, width = self.features.shape[-2:]
        x0, y0 = (
            max(0, start + (int(found[0]) - 1) * piece.step)
            for start, found in ((piece.x0, columns), (piece.y0, rows))
        )
        x1, y1 = (
            min(end, start + (int(found[-1]) + 2) * piece.step)
            for start, found, end in ((piece.x0, columns, width), (piece.y0, rows, height))
        )
        return x0, y0, x1, y1

    def _windows(self) -> Iterator[tuple[tuple[int, int], Window]]:
        """Yield prompt and token of every mask, and the cells around its box, maybe none."""
        height, width = self.features.shape[-2:]
        half = self.boxes[..., 2:] * (REACH / 2) + MARGIN
        edges = torch.cat([self.boxes[..., :2] - half, self.boxes[..., :2] + half], dim=-1)
        limit = edges.new_tensor([width, height, width, height])
        cells = torch.minimum((edges / self.stride).round().clamp(min=0), limit)
        for prompt, row in enumerate(cells.long().tolist()):
            for token, (x0, y0, x1, y1) in enumerate(row):
                yield (prompt, token), (x0, y0, x1, y1)

    def _piece(self, place: tuple[int, int], window: Window, step: int) -> MaskPiece:
        x0, y0, x1, y1 = window
        columns, rows = (slice(low + step // 2, high, step) for low, high in ((x0, x1), (y0, y1)))
        xs, ys = (
            (torch.arange(axis.start, axis.stop, step, device=self.centre.device) + 0.5)
            * self.stride
            for axis in (columns, rows)
        )
        pixels = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).view(1, -1, 2)
        crop = self.features[self.image_index[place[0]], :, rows, columns].flatten(1).T[None]
        prompts, tokens = self.image_index.new_tensor([[index] for index in place])
        logits = self._evaluate(crop, pixels, prompts, tokens).view(len(ys), len(xs))
        return MaskPiece(y0, x0, without_specks(logits), step)

    def _evaluate(
        self, features: Tensor, pixels: Tensor, prompts: Tensor, tokens: Tensor
    ) -> Tensor:
        """Logits of M masks, each at P points of its own, ``(M, P)``."""
        weights, boxes = self.weights.pick(prompts, tokens), self.boxes[prompts, tokens][:, None]
        return evaluate(weights, features, pixels, self.centre[prompts], boxes)[:, 0]


def _sketch_step(window: Window) -> int:
    """Cells between two logits so that there are not too many."""
    x0, y0, x1, y1 = window
    cells = (x1 - x0) * (y1 - y0)
    step = math.ceil((cells / SKETCH_CELLS) ** 0.5)
    # Not more than a side is long, or a narrow window would get no logit at all.
    return max(1, min(step, x1 - x0, y1 - y0))


def _every_cell(window: Window) -> int:
    return 1


def _is_cut(mask: Tensor, window: Window, whole: Window) -> bool:
    """Whether a mask reaches an edge of its window that is no edge of the picture."""
    lines = (mask[:, :1], mask[:1], mask[:, -1:], mask[-1:])
    inner = [line for line, edge, end in zip(lines, window, whole, strict=True) if edge != end]
    return bool(inner) and bool(torch.cat([line.flatten() for line in inner]).any())
