"""Swin transformer (Liu et al. 2021, arXiv 2103.14030), as the published weights expect it.

Three things differ from some other ports and matter for the result: maps are zero-padded to
whole windows after the norm and padded tokens take part in attention; neither window nor shift
shrinks when a map is smaller than a window; every stage's output has a norm of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.chunks import at_once, split
from napari_semantic_sam.model.config import SwinConfig
from napari_semantic_sam.model.linear import Linear

PATCH = 4
_MLP_RATIO = 4
_MASKED = -100.0  # published value; not -inf, and float32 results depend on it slightly


class SwinTransformer(nn.Module):
    """Four stages at strides 4, 8, 16 and 32.

    Parameters
    ----------
    config : SwinConfig

    Attributes
    ----------
    channels : tuple of four ints
        Channels of the maps, finest map first.
    """

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.channels: tuple[int, ...] = tuple(config.embed_dim * 2**i for i in range(4))
        self.patch_embed = PatchEmbedding(config.embed_dim)
        self.layers = nn.ModuleList(
            SwinStage(channels, depth, heads, config.window, downsample=index < 3)
            for index, (channels, depth, heads) in enumerate(
                zip(self.channels, config.depths, config.num_heads, strict=True)
            )
        )
        self.output_norms = nn.ModuleList(nn.LayerNorm(channels) for channels in self.channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn (B, 3, H, W), sides multiples of 32, into four (B, C, H/s, W/s) maps."""
        tokens = self.patch_embed(images)
        outputs = []
        for stage, norm in zip(self.layers, self.output_norms, strict=True):
            stage_output, tokens = stage(tokens)
            outputs.append(norm(stage_output).permute(0, 3, 1, 2))
        return outputs


class PatchEmbedding(nn.Module):
    """One token per 4 × 4 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Turn (B, 3, H, W) into (B, H/4, W/4, C)."""
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class SwinStage(nn.Module):
    """Blocks with plain and shifted windows in turn, then patch merging."""

    def __init__(
        self, channels: int, depth: int, heads: int, window: int, *, downsample: bool
    ) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(
            SwinBlock(channels, heads, window, shift=window // 2 if index % 2 else 0)
            for index in range(depth)
        )
        self.downsample = PatchMerging(channels) if downsample else nn.Identity()

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return this stage's (B, H, W, C) output and the next stage's input."""
        mask = shift_mask(tokens, self.window, self.window // 2)
        for block in self.blocks:
            tokens = block(tokens, mask)
        return tokens, self.downsample(tokens)


class PatchMerging(nn.Module):
    """Halve the resolution: four neighbours become one token of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduction = Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Turn (B, H, W, C) into (B, H/2, W/2, 2C)."""
        # Column by column, (row, column) = (0,0), (1,0), (0,1), (1,1), as published.
        corners = [tokens[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        merged = self.norm(torch.cat(corners, dim=-1))
        return self.reduction(merged)


class SwinBlock(nn.Module):
    """Attention within windows, then an MLP, each on normed tokens and added to them."""

    def __init__(self, channels: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels)
        hidden = _MLP_RATIO * channels
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=Linear(channels, hidden, activation="gelu"), fc2=Linear(hidden, channels)
            )
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Update (B, H, W, C) tokens; `mask` is used when this block shifts its windows."""
        height, width = tokens.shape[1:3]
        rows, columns = (-(-length // self.window) for length in (height, width))
        most = at_once(tokens)
        rows_at_once = None if most is None else most // (self.window**2 * columns)
        updated = torch.empty_like(tokens)
        for part in split(rows, rows_at_once):
            strip = Strip.of(part, height, self.window, self.shift)
            some = None if not self.shift else mask[part.start * columns : part.stop * columns]
            strip.put(self._update(strip.take(tokens), some, strip), updated)
        return updated

    def _update(self, tokens: Tensor, mask: Tensor | None, strip: Strip) -> Tensor:
        """Update the tokens of a strip."""
        tokens = tokens + self._attend(self.norm1(tokens), mask, strip)
        return tokens + self.mlp(self.norm2(tokens))

    def _attend(self, tokens: Tensor, mask: Tensor | None, strip: Strip) -> Tensor:
        width = tokens.shape[2]
        tokens = F.pad(strip.pad(tokens), (0, 0, 0, -width % self.window))
        rows, columns = tokens.shape[1:3]
        if self.shift:
            tokens = tokens.roll(-self.shift, dims=2)
        windows = self.attn(split_windows(tokens, self.window), mask)
        tokens = join_windows(windows, self.window, rows, columns)
        if self.shift:
            tokens = tokens.roll(self.shift, dims=2)
        return strip.crop(tokens)[:, :, :width]


@dataclass(frozen=True)
class Strip:
    """Whole rows of windows of a map that is padded at the bottom and then shifted cyclically.

    From its top to its bottom: rows of the map, padding, and rows from the top of the map, which
    the shift has brought here.

    Attributes
    ----------
    start, stop : int
        The first rows.
    padding : int
    wrapped : int
        How many rows from the top of the map.
    """

    start: int
    stop: int
    padding: int
    wrapped: int

    @classmethod
    def of(cls, part: slice, height: int, window: int, shift: int) -> Strip:
        """Return some rows of windows of a map of this height."""
        padded = height + -height % window
        first, last = part.start * window + shift, part.stop * window + shift
        return cls(
            start=min(first, height),
            stop=min(last, height),
            padding=max(0, min(last, padded) - max(first, height)),
            wrapped=max(0, last - padded),
        )

    def take(self, tokens: Tensor) -> Tensor:
        """Return the strip of a (B, H, W, C) map, without padding."""
        rows = tokens[:, self.start : self.stop]
        return torch.cat([rows, tokens[:, : self.wrapped]], dim=1) if self.wrapped else rows

    def put(self, rows: Tensor, tokens: Tensor) -> None:
        """Write what `take` has taken into a (B, H, W, C) map."""
        count = self.stop - self.start
        tokens[:, self.start : self.stop] = rows[:, :count]
        tokens[:, : self.wrapped] = rows[:, count:]

    def pad(self, rows: Tensor) -> Tensor:
        """Insert the padding, as zeros."""
        count = self.stop - self.start
        if not self.wrapped:
            return F.pad(rows, (0, 0, 0, 0, 0, self.padding))
        zeros = rows.new_zeros(len(rows), self.padding, *rows.shape[2:])
        return torch.cat([rows[:, :count], zeros, rows[:, count:]], dim=1)

    def crop(self, rows: Tensor) -> Tensor:
        """Undo `pad`."""
        count = self.stop - self.start
        if not self.padding:
            return rows
        return torch.cat([rows[:, :count], rows[:, count + self.padding :]], dim=1)


class WindowAttention(nn.Module):
    """Self-attention within windows with a learned bias per relative position."""

    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(channels, 3 * channels)
        self.proj = Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        index = relative_position_index(window)
        self.register_buffer("relative_position_index", index, persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Parameters
        ----------
        windows : (B, W, T, C) float tensor
            W windows of T tokens.
        mask : (W, 1, T, T) float tensor or None
            Added to the attention logits.
        """
        query, key, value = (
            self.qkv(windows).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        )
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            bias = bias + mask
        logits = (query * key.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias
        attended = logits.softmax(dim=-1) @ value
        return self.proj(attended.transpose(2, 3).flatten(3))


def split_windows(tokens: Tensor, window: int) -> Tensor:
    """Turn (B, H, W, C), sides multiples of `window`, into (B, windows, window², C)."""
    tiles = tokens.unflatten(2, (-1, window)).unflatten(1, (-1, window))
    return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def join_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo `split_windows`."""
    tiles = windows.unflatten(2, (window, window)).unflatten(1, (height // window, width // window))
    return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shift_mask(tokens: Tensor, window: int, shift: int) -> Tensor:
    """Forbid attention between tokens that only the cyclic shift made neighbours.

    Parameters
    ----------
    tokens : (B, H, W, C) tensor
        Before padding to whole windows.
    window, shift : int

    Returns
    -------
    (windows, 1, window², window²) float tensor
        0 or -100.
    """
    rows, columns = (
        _region_labels(length + -length % window, window, shift, tokens)
        for length in tokens.shape[1:3]
    )
    labels = split_windows((3 * rows[:, None] + columns)[None, ..., None], window)[0, :, :, 0]
    apart = labels[:, None, :, None] != labels[:, None, None, :]
    return torch.zeros_like(apart, dtype=tokens.dtype).masked_fill(apart, _MASKED)


def relative_position_index(window: int) -> Tensor:
    """Row of the bias table for each pair of tokens of a window, (window², window²) int64."""
    numbers = torch.arange(window)
    row, column = (axis.flatten() for axis in torch.meshgrid(numbers, numbers, indexing="ij"))
    rows = row[:, None] - row + window - 1
    columns = column[:, None] - column + window - 1
    return rows * (2 * window - 1) + columns


def _region_labels(length: int, window: int, shift: int, like: Tensor) -> Tensor:
    """0 for whole windows, 1 and 2 for the two parts that share the last, shifted one."""
    place = torch.arange(length, device=like.device)
    return (place >= length - window).int() + (place >= length - shift).int()
