"""From any picture to the network's input: values, then size.

Training prepares its pictures with the same two functions, `normalise` and `resize`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.model.config import DeformableConfig, ModelConfig

__all__ = [
    "RULES",
    "SCALES",
    "PreparedImage",
    "Window",
    "check_scale",
    "input_scale",
    "input_size",
    "longest_edge",
    "normalise",
    "prepare",
    "resize",
    "tile_edge",
    "to_input",
    "unlimited_scale",
]

_PUBLISHED_SHORT_EDGE = 640
_PUBLISHED_LONG_EDGE = 4 * _PUBLISHED_SHORT_EDGE
_LOCAL_LONG_EDGE = 1024
_LOCAL_SMALL = 128
SCALES = (1 / 64, 16)
"""The smallest and the largest scale there is."""
Window: TypeAlias = tuple[float, float, float, float]
"""y0, x0, y1, x1: edges of a part of a picture, which may lie between pixels."""
RULES = 1
"""To be raised when the same picture would be prepared differently."""


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """The network's input.

    Attributes
    ----------
    pixels : (3, H', W') float32 array
        RGB, 0..255.
    shape : (H, W)
        Of the picture.
    hash : str
        Fingerprint of how it was prepared: rules, channels, contrast limits and sizes.
    """

    pixels: npt.NDArray[np.float32]
    shape: tuple[int, int]
    hash: str


def prepare(
    image: npt.ArrayLike,
    config: ModelConfig,
    *,
    channels: Sequence[int] | None = None,
    contrast_limits: tuple[float, float] | None = None,
    scale: float | None = None,
) -> PreparedImage:
    """Turn a picture into the input of a network.

    Parameters
    ----------
    image, channels, contrast_limits
        See `normalise`.
    config : ModelConfig
        Of the network, which decides the size; see `input_scale`.
    scale : float, optional
        Pixels of the input per pixel of the picture, 1/64 to 16, instead of the network's
        own rule.

    Raises
    ------
    UserError
        If the picture cannot be used, or an option does not fit it.
    """
    if scale is not None:
        check_scale(scale)
    values = normalise(image, channels=channels, contrast_limits=contrast_limits)
    shape = (values.shape[0], values.shape[1])
    size = input_size(shape, input_scale(shape, config) if scale is None else scale)
    chosen = None if channels is None else [int(channel) for channel in channels]
    limits = None if contrast_limits is None else [float(limit) for limit in contrast_limits]
    how = json.dumps([RULES, config.decoder.type, chosen, limits, shape, size])
    return PreparedImage(
        pixels=to_input(values, size, config),
        shape=shape,
        hash=hashlib.sha256(how.encode()).hexdigest()[:16],
    )


def input_scale(shape: tuple[int, int], config: ModelConfig) -> float:
    """Return the pixels of the input per pixel of a picture, by the network's own rule.

    Published networks: the short edge becomes 640, the long edge at most 2560. Local ones
    see a picture as it is, or twice as large if its short edge is below 128, but never more
    than 1024 pixels of its long edge.

    Parameters
    ----------
    shape : (height, width)
        Of the picture.
    config : ModelConfig
    """
    scale = _PUBLISHED_SHORT_EDGE / min(shape) if _is_published(config) else _local_scale(shape)
    return min(scale, longest_edge(config) / max(shape))


def longest_edge(config: ModelConfig) -> int:
    """Return the longest edge that a network's input has by its own rule, in pixels."""
    return _PUBLISHED_LONG_EDGE if _is_published(config) else _LOCAL_LONG_EDGE


def tile_edge(config: ModelConfig) -> int:
    """Return the edge of a square input that suits a network: the size it was made for."""
    return _PUBLISHED_SHORT_EDGE if _is_published(config) else _LOCAL_LONG_EDGE


def unlimited_scale(shape: tuple[int, int], config: ModelConfig) -> float:
    """Return `input_scale` for planes that are looked at in parts: they are never shrunk."""
    if _is_published(config):
        return max(1.0, _PUBLISHED_SHORT_EDGE / min(shape))
    return _local_scale(shape)


def input_size(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return the ``(height, width)`` of a picture at `scale`, cut down to whole pixels."""
    # The published code computes 640 * long / short in whole numbers; without the small
    # addition, rounding errors would cost a pixel where that is a whole number.
    height, width = (max(1, int(side * scale + 1e-6)) for side in shape)
    return height, width


def resize(
    values: npt.NDArray[np.float32], size: tuple[int, int], window: Window | None = None
) -> npt.NDArray[np.float32]:
    """Resize an (H, W, C) float32 picture to ``(height, width)``: bilinear, antialiased.

    `window` is the part of it that is wanted, y0, x0, y1, x1; edges may lie between pixels.
    """
    if values.shape[:2] == size and _is_all(window, values):
        return values
    planes = [
        Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR, _pillow_box(window))
        for plane in np.ascontiguousarray(np.moveaxis(values, -1, 0))
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def to_input(
    values: npt.NDArray[np.float32],
    size: tuple[int, int],
    config: ModelConfig,
    window: Window | None = None,
) -> npt.NDArray[np.float32]:
    """Resize an (H, W, 3) float32 picture as a network wants it, to (3, height, width).

    `window` is that of `resize`.
    """
    how = _resize_published if _is_published(config) else resize
    return np.ascontiguousarray(how(values, size, window).transpose(2, 0, 1))


def check_scale(scale: float) -> None:
    """Raise UserError unless a scale is a number from 1/64 to 16."""
    smallest, largest = SCALES
    is_number = isinstance(scale, int | float | np.integer | np.floating)
    if not (is_number and smallest <= scale <= largest):  # NaN fails, too
        raise UserError(
            f"The scale must be a number from 1/{1 / smallest:g} to {largest}, not {scale!r}."
        )


def _local_scale(shape: tuple[int, int]) -> float:
    return 2.0 if min(shape) < _LOCAL_SMALL else 1.0


def _is_published(config: ModelConfig) -> bool:
    return isinstance(config.decoder, DeformableConfig)


def _resize_published(
    values: npt.NDArray[np.float32], size: tuple[int, int], window: Window | None
) -> npt.NDArray[np.float32]:
    # The published code resizes 8-bit pictures, so rounding is part of its preparation.
    picture = Image.fromarray(np.rint(values).astype(np.uint8))
    resized = picture.resize(size[::-1], Image.Resampling.BICUBIC, _pillow_box(window))
    return np.asarray(resized, dtype=np.float32)


def _is_all(window: Window | None, values: npt.NDArray[np.float32]) -> bool:
    return window is None or window == (0, 0, *values.shape[:2])


def _pillow_box(window: Window | None) -> Window | None:
    """Return a window as Pillow wants it, x before y."""
    return window and (window[1], window[0], window[3], window[2])
