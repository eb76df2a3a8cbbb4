"""Multi-scale deformable attention (Zhu et al. 2021, Deformable DETR, §4.1), in plain PyTorch.

Every head of every query sums a few bilinear samples of a few maps. The maps lie in one table
of rows, a row being one head's channels at one pixel; a bilinear sample is a weighted sum of four
rows, so the whole attention is one weighted sum of rows per head and query. That is what
`torch.nn.functional.embedding_bag` computes, without ever holding the samples themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.chunks import at_once, split
from napari_semantic_sam.model.linear import Linear


class DeformableAttention(nn.Module):
    """Attention of each query to a few learned points around its reference.

    Parameters
    ----------
    width : int
        Channels of queries and values.
    heads : int
    levels : int
        Number of maps.
    points : int
        Samples per head and map.
    """

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.sampling_offsets = Linear(width, heads * levels * points * 2)
        self.attention_weights = Linear(width, heads * levels * points)
        self.value_proj = Linear(width, width)
        self.output_proj = Linear(width, width)
        self._reset()

    def project(self, memory: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Turn memory into the table that `forward` reads: every map in a border of zeros.

        Parameters
        ----------
        memory : (B, ΣHW, C) float tensor
            The pixels of all maps, row by row.
        sizes : sequence of (height, width)

        Returns
        -------
        (B, Σ(H+2)(W+2), C) float tensor
        """
        most, parts = at_once(memory), []
        maps = memory.split([height * width for height, width in sizes], dim=1)
        for tokens, (height, width) in zip(maps, sizes, strict=True):
            for part in split(height, None if most is None else most // width):
                values = self.value_proj(tokens[:, part.start * width : part.stop * width])
                borders = (1, 1, int(part.start == 0), int(part.stop == height))
                framed = F.pad(values.unflatten(1, (-1, width)), (0, 0, *borders))
                parts.append(framed.flatten(1, 2))
        return torch.cat(parts, dim=1)

    def forward(
        self,
        queries: Tensor,
        references: Tensor,
        reach: Tensor | None,
        values: Tensor,
        layout: TableLayout,
        image_index: Tensor,
    ) -> Tensor:
        """Attend.

        Parameters
        ----------
        queries : (N, Q, C) float tensor
        references : (N or 1, Q, 2) float tensor
            ``(x, y)`` in fractions of the maps.
        reach : (N, Q, 2) float tensor or None
            Length of a unit offset, in the same fractions; None for a pixel of each map.
        values : (B, rows, C) float tensor
            From `project`.
        layout : TableLayout
        image_index : (N,) int tensor
            Which of the B images each row of queries attends to.

        Returns
        -------
        (N, Q, C) float tensor
        """
        shape = (self.heads, self.levels, self.points)
        # Places stay in the references' precision when the network computes in a lower one.
        offsets = self.sampling_offsets(queries).unflatten(-1, (*shape, 2)).to(references.dtype)
        weights = self.attention_weights(queries).unflatten(-1, (self.heads, -1)).softmax(-1)
        positions = []
        for axis, length in enumerate((layout.width, layout.height)):
            unit = 1 / length if reach is None else _per_query(reach[..., axis])
            place = _per_query(references[..., axis]) + offsets[..., axis] * unit
            positions.append(place * length - 0.5)
        rows, shares = layout.bilinear(*positions)
        rows = rows + (image_index.int() * layout.rows)[:, None, None, None, None, None]
        shares = shares * weights.unflatten(-1, (1, *shape[1:]))
        summed = F.embedding_bag(
            rows.flatten(0, 2).flatten(1),
            values.reshape(-1, values.shape[-1] // self.heads),
            per_sample_weights=shares.flatten(0, 2).flatten(1).to(values.dtype),
            mode="sum",
        )
        return self.output_proj(summed.view(queries.shape))

    def _reset(self) -> None:
        """Start as in Deformable DETR: each head looks in its own direction, evenly."""
        nn.init.zeros_(self.sampling_offsets.weight)
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
        directions = directions / directions.abs().amax(dim=-1, keepdim=True)
        steps = torch.arange(1, self.points + 1)[:, None]
        grid = (directions[:, None, None] * steps).expand(-1, self.levels, -1, -1)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(grid.flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for linear in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)


@dataclass(frozen=True)
class TableLayout:
    """Where the pixels of several maps lie in a table of rows, one row per pixel and head.

    Each map is framed by a border of zeros that stands for everything outside of it, so that no
    sample needs to ask where it is. The tensors are (heads, levels, points) although most of
    their entries repeat: arithmetic that broadcasts a short last axis is several times slower.

    Attributes
    ----------
    width, height : float tensors
        Of each map, without the border.
    below : int32 tensor
        Rows from a pixel to the one below it.
    first : int32 tensor
        Row of the pixel (0, 0).
    right : int
        Rows from a pixel to its right neighbour: the number of heads.
    rows : int
        Rows of one image.
    """

    width: Tensor
    height: Tensor
    below: Tensor
    first: Tensor
    right: int
    rows: int

    @classmethod
    def of(
        cls, sizes: Sequence[tuple[int, int]], heads: int, points: int, like: Tensor
    ) -> TableLayout:
        """Lay out maps of these ``(height, width)``; `like` gives device and float type."""

        def spread(values: Sequence[int], dtype: torch.dtype) -> Tensor:
            column = torch.tensor(values, dtype=dtype, device=like.device)[:, None]
            return column.expand(heads, -1, points).contiguous()

        starts = [0]
        for height, width in sizes:
            starts.append(starts[-1] + (height + 2) * (width + 2))
        firsts = [start + width + 3 for start, (_, width) in zip(starts, sizes, strict=False)]
        head = torch.arange(heads, dtype=torch.int32, device=like.device)[:, None, None]
        return cls(
            width=spread([width for _, width in sizes], like.dtype),
            height=spread([height for height, _ in sizes], like.dtype),
            below=spread([(width + 2) * heads for _, width in sizes], torch.int32),
            first=spread([first * heads for first in firsts], torch.int32) + head,
            right=heads,
            rows=starts[-1] * heads,
        )

    def bilinear(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Find the four pixels around each place, and their shares in its value.

        Parameters
        ----------
        x, y : (N, Q, heads, levels, points) float tensors
            In pixels of each map; 0 is the centre of the first pixel.

        Returns
        -------
        rows : (N, Q, heads, 4, levels, points) int32 tensor
        shares : (N, Q, heads, 4, levels, points) float tensor
        """
        column, right = _split(x, self.width)
        line, down = _split(y, self.height)
        above = line * self.below + column * self.right + self.first
        below = above + self.below
        rows = torch.stack([above, above + self.right, below, below + self.right], dim=3)
        up, both = 1 - down, right * down
        shares = torch.stack([up - right + both, right - both, down - both, both], dim=3)
        return rows, shares


def _split(position: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Integer and fractional part of a position along one axis.

    Beyond the border everything is 0, and stays so when the position is moved onto it.
    """
    corner = torch.minimum(position.floor().clamp(min=-1), length - 1)
    fraction = (position - corner).clamp(0, 1)
    # Again as integers: a NaN must reach the result, not the index.
    return corner.int().clamp(min=-1), fraction


def _per_query(values: Tensor) -> Tensor:
    """(N, Q) → (N, Q, 1, 1, 1), to meet (N, Q, heads, levels, points)."""
    return values[:, :, None, None, None]
