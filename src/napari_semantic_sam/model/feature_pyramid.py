"""The image encoder of the small model: a convolutional backbone and a feature pyramid.

Only convolutions and batch statistics, so that what a pixel's features are does not depend on
how large the picture around it is: tiles and whole pictures agree.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.backbone import TimmBackbone
from napari_semantic_sam.model.config import LocalConfig, SwinConfig, TimmConfig

MEMORY_STRIDES = (4, 8, 16, 32, 64)
"""Strides of the memory levels the local mask decoder attends to."""


class PyramidImageEncoder(nn.Module):
    """Backbone → feature pyramid (Lin et al. 2017) → memory at strides 4–64, masks at stride 2.

    Parameters
    ----------
    backbone : TimmConfig
        Must have a stride-2 stage before the four of strides 4–32.
    decoder : LocalConfig
    """

    def __init__(self, backbone: SwinConfig | TimmConfig, decoder: LocalConfig) -> None:
        super().__init__()
        if not isinstance(backbone, TimmConfig):
            raise ValueError("the local decoder needs a timm backbone with a stride-2 stage")
        width = decoder.width
        self.backbone = TimmBackbone(backbone.name, with_stem=True)
        stem_channels, *channels = self.backbone.channels
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        # A dense 3×3 at stride 4 would cost as much as the whole backbone.
        self.smooth = nn.ModuleList(
            [_separable(width), *(_dense(width, width) for _ in channels[1:])]
        )
        self.coarsest = _dense(width, width, stride=2)
        self.mask_lateral = nn.Conv2d(stem_channels, decoder.mask_channels, 1)
        self.mask_top = nn.Conv2d(width, decoder.mask_channels, 1)
        self.mask_smooth = _dense(decoder.mask_channels, decoder.mask_channels)
        self.mask_out = nn.Conv2d(decoder.mask_channels, decoder.mask_channels, 3, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Turn (B, 3, H, W) normalised images into mask features and five memory levels."""
        stem, *maps = self.backbone(images)
        levels = [lateral(level) for lateral, level in zip(self.laterals, maps, strict=True)]
        for index in reversed(range(len(levels) - 1)):
            levels[index] = levels[index] + _upsample(levels[index + 1], levels[index])
        levels = [level + smooth(level) for level, smooth in zip(levels, self.smooth, strict=True)]
        mask = self.mask_lateral(stem) + _upsample(self.mask_top(levels[0]), stem)
        mask = self.mask_out(mask + self.mask_smooth(mask))
        levels.append(self.coarsest(levels[-1]))
        memory = {f"memory_{s}": level for s, level in zip(MEMORY_STRIDES, levels, strict=True)}
        # The decoder gathers all channels of single pixels: they lie side by side for that.
        return {
            name: level.contiguous(memory_format=torch.channels_last)
            for name, level in {"mask_features": mask, **memory}.items()
        }


def _dense(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _separable(width: int) -> nn.Sequential:
    depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
    pointwise = nn.Conv2d(width, width, 1, bias=False)
    return nn.Sequential(depthwise, pointwise, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _upsample(level: Tensor, like: Tensor) -> Tensor:
    size = cast("list[int]", list(like.shape[-2:]))
    return F.interpolate(level, size=size, mode="bilinear", align_corners=False)
