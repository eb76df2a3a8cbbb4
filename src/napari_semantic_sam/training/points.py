"""Where the losses look at the masks: a few thousand points instead of every pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from napari_semantic_sam.model.predictions import MaskSource
from napari_semantic_sam.training.boxes import corners
from napari_semantic_sam.training.matching import Pairs
from napari_semantic_sam.training.targets import Targets

Rand = Callable[[tuple[int, ...]], Tensor]
"""Uniform numbers in 0..1 of a given shape; a parameter, so that they can be replayed."""


def random_source(device: torch.device | str, generator: torch.Generator | None = None) -> Rand:
    """Return torch's own uniform numbers on a device."""
    return lambda shape: torch.rand(shape, device=device, generator=generator)


@dataclass(frozen=True)
class PointSet:
    """Points with weights that make sums over them estimate areas.

    Attributes
    ----------
    points : (N, P, 2) float tensor
        ``(x, y)`` in fractions of the padded input; N is 1 if all prompts share them.
    weights : (N, P) float tensor
        Share of the input each point stands for, times P: the mean of ``weights * f`` has
        the integral of ``f`` over the input as its expectation.
    """

    points: Tensor
    weights: Tensor


@dataclass(frozen=True)
class UniformPoints:
    """One set of independent uniform points for all prompts, as the published matching."""

    count: int = 12544

    def draw(self, targets: Targets, rand: Rand) -> PointSet:
        """Draw the points; `targets` do not matter."""
        points = rand((1, self.count, 2))
        return PointSet(points, torch.ones_like(points[..., 0]))


@dataclass(frozen=True)
class PromptPoints:
    """Points around the targets of each prompt, and fewer everywhere else.

    A share of the points lies in each of several windows, the box of a prompt's smallest
    target or the box around all of its targets, enlarged by a factor; the rest lies anywhere.
    Without the first a nucleus would get hardly a point beside the tissue it lies in. Inside
    a window the points follow a low-discrepancy sequence (Roberts 2018, R2) shifted at random,
    whose sums scatter far less than those of independent points.

    Parameters
    ----------
    count : int
        Points per prompt.
    windows : triples of (around which targets, enlargement, share of the points)
    """

    count: int = 1024
    windows: tuple[tuple[Literal["smallest", "all"], float, float], ...] = (
        ("smallest", 1.6, 0.4),
        ("all", 1.5, 0.25),
        ("all", 4.0, 0.15),
    )

    def draw(self, targets: Targets, rand: Rand) -> PointSet:
        """Draw points for every prompt."""
        windows = self._windows(targets)  # (N, S, 4)
        layout = _layout(self, windows.device)
        shift = rand((*windows.shape[:2], 2))
        unit = (layout.sequence + shift[:, layout.window]) % 1.0
        low, extent = windows[..., :2], windows[..., 2:] - windows[..., :2]
        points = low[:, layout.window] + unit * extent[:, layout.window]
        inside = _contains(windows, points)  # (N, S, P)
        density = torch.einsum("nsp,ns->np", inside, layout.shares / extent.prod(dim=-1))
        return PointSet(points, 1.0 / density)

    def _windows(self, targets: Targets) -> Tensor:
        """Return ``(x0, y0, x1, y1)`` per prompt and window, the whole input last."""
        boxes = corners(targets.boxes)[targets.index]
        frames = {"smallest": _smallest(boxes, targets.valid), "all": _union(boxes, targets.valid)}
        grown = [_enlarge(frames[around], scale) for around, scale, _ in self.windows]
        whole = boxes.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(len(boxes), -1)
        return torch.stack([*grown, whole], dim=1).clamp(0.0, 1.0)


@dataclass(frozen=True)
class UncertainPoints:
    """Per pair, the points where the mask is least certain, and some anywhere.

    As published (Kirillov et al., PointRend, arXiv 1912.08193, section 3.1).
    """

    count: int = 12544
    oversample: int = 3
    importance: float = 0.75

    def draw(self, masks: MaskSource, pairs: Pairs, rand: Rand) -> Tensor:
        """Return (R, P, 2) points for R pairs."""
        num_pairs, num_uncertain = len(pairs.prompt), int(self.importance * self.count)
        candidates = rand((num_pairs, self.oversample * self.count, 2))
        # Not under no_grad: a source may keep what it computes when first asked.
        logits = masks.sample(candidates, pairs.prompt, pairs.token).detach()
        chosen = logits.abs().topk(num_uncertain, dim=1, largest=False, sorted=False).indices
        uncertain = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
        anywhere = rand((num_pairs, self.count - num_uncertain, 2))
        return torch.cat([uncertain, anywhere], dim=1)


def target_values(masks: Tensor, index: Tensor, points: Tensor) -> Tensor:
    """Sample target masks bilinearly, as `sample_maps` does, without copying whole masks.

    Parameters
    ----------
    masks : (M, H, W) bool tensor
    index : (R,) int64 tensor
        Which mask each row of points looks at.
    points : (R, P, 2) float tensor
        ``(x, y)`` in fractions of the masks' size.

    Returns
    -------
    (R, P) float tensor
    """
    height, width = masks.shape[-2:]
    x, right = _split(points[..., 0] * width - 0.5)
    y, below = _split(points[..., 1] * height - 0.5)
    row = index[:, None] * (height * width)
    total = torch.zeros_like(right)
    for dy, wy in ((0, 1 - below), (1, below)):
        for dx, wx in ((0, 1 - right), (1, right)):
            column, line = x + dx, y + dy
            inside = (column >= 0) & (column < width) & (line >= 0) & (line < height)
            where = row + line.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            total = total + masks.take(where) * inside * (wx * wy)
    return total


def _union(boxes: Tensor, valid: Tensor) -> Tensor:
    """Box around the valid ones of (N, T, 4) corner boxes, (N, 4)."""
    low = boxes[..., :2].masked_fill(~valid[..., None], 1.0).amin(dim=1)
    high = boxes[..., 2:].masked_fill(~valid[..., None], 0.0).amax(dim=1)
    return torch.cat([low, high], dim=1)


def _smallest(boxes: Tensor, valid: Tensor) -> Tensor:
    """Smallest of the valid ones of (N, T, 4) corner boxes, (N, 4)."""
    area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1).masked_fill(~valid, torch.inf)
    return boxes[torch.arange(len(boxes), device=boxes.device), area.argmin(dim=1)]


def _enlarge(boxes: Tensor, factor: float) -> Tensor:
    """Grow (N, 4) corner boxes around their centres."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return torch.cat([centre - factor * half, centre + factor * half], dim=1)


def _split(position: Tensor) -> tuple[Tensor, Tensor]:
    """Return the whole part as int64, and the rest."""
    whole = position.floor()
    return whole.long(), position - whole


def _contains(windows: Tensor, points: Tensor) -> Tensor:
    """Which points lie in which windows, (N, S, P) as 0 and 1."""
    above = points[:, None] >= windows[:, :, None, :2]
    below = points[:, None] <= windows[:, :, None, 2:]
    return (above & below).all(dim=-1).to(points.dtype)


@dataclass(frozen=True)
class _Layout:
    """What all draws of a `PromptPoints` have in common.

    Attributes
    ----------
    window : (P,) int64 tensor
        Which of the S windows each point lies in.
    sequence : (P, 2) float tensor
        Evenly spread points of the unit square.
    shares : (S,) float tensor
        Of the points per window.
    """

    window: Tensor
    sequence: Tensor
    shares: Tensor


@lru_cache
def _layout(policy: PromptPoints, device: torch.device) -> _Layout:
    near = [round(share * policy.count) for *_, share in policy.windows]
    counts = torch.tensor([*near, policy.count - sum(near)])
    plastic = 1.32471795724474602596  # the real root of x³ = x + 1
    step = torch.tensor([1 / plastic, 1 / plastic**2], dtype=torch.float64)
    sequence = (torch.arange(policy.count)[:, None] * step % 1.0).float()
    window = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return _Layout(window.to(device), sequence.to(device), (counts / policy.count).to(device))
