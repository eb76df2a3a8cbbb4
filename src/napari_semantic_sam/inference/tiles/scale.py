"""How large a picture is shown to the network, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.preparation import SCALES, check_scale
from napari_semantic_sam.inference.tiles.layout import tile_levels
from napari_semantic_sam.model.config import ModelConfig

Unit = Literal["px", "µm"]

TYPICAL_OBJECT = 64.0
"""Pixels across that an object should have in the network's input: large enough for a clean
outline on a grid of strides 2 to 4, small enough to be seen with its surroundings."""


@dataclass(frozen=True)
class ObjectSize:
    """How large typical objects are across.

    Attributes
    ----------
    number : float
    unit : "px" or "µm"
        Pixels of the picture, or micrometres: the same objects in pictures of any pixel size.
    """

    number: float
    unit: Unit = "px"

    def in_pixels(self, pixel_size: float | None) -> float:
        """Return the size in pixels of a picture.

        Parameters
        ----------
        pixel_size : float, optional
            Of the picture, in micrometres.

        Raises
        ------
        UserError
            If it is not a number above 0, or in micrometres while the pixel size is not known.
        """
        if self.unit == "px":
            _check_positive(self.number, "size of objects", "pixels")
            return self.number
        _check_positive(self.number, "size of objects", "micrometres")
        if pixel_size is None:
            raise UserError(
                f"The object size {self.number:.3g} µm is in micrometres, but the size of a pixel "
                "is not known; give it, or the object size in pixels."
            )
        _check_positive(pixel_size, "pixel size", "micrometres")
        return self.number / pixel_size


@dataclass(frozen=True)
class ScaleChoice:
    """A scale, and the sentence that explains it.

    Attributes
    ----------
    scale : float
        Pixels the network sees per pixel of the picture.
    because : str
        One sentence for the user.
    """

    scale: float
    because: str


def choose_scale(
    shape: tuple[int, int],
    config: ModelConfig,
    *,
    scale: float | None = None,
    object_size: ObjectSize | None = None,
    pixel_size: float | None = None,
) -> ScaleChoice:
    """Choose by what is known: the scale, the size of objects, or nothing.

    Parameters
    ----------
    shape : (H, W)
        Of the picture.
    config : ModelConfig
        Of the network.
    scale : float, optional
        1/64 to 16; taken as it is.
    object_size : ObjectSize, optional
        Of a typical object, which becomes 64 pixels across.
    pixel_size : float, optional
        Micrometres per pixel of the picture.

    Raises
    ------
    UserError
        If a number is not possible, or the pixel size is needed and not known.
    """
    return wished_scale(scale, object_size, pixel_size) or _by_rule(shape, config)


def wished_scale(
    scale: float | None, object_size: ObjectSize | None, pixel_size: float | None
) -> ScaleChoice | None:
    """Return what a user's wish means; None without one. See `choose_scale`."""
    if scale is not None:
        check_scale(scale)
        return ScaleChoice(float(scale), f"You chose it: {seen_at(scale)}.")
    return None if object_size is None else _for_objects(object_size, pixel_size)


def suited_size(scale: float, pixel_size: float | None = None) -> ObjectSize:
    """Return the size of objects that a scale suits, in micrometres if a pixel size is known.

    Handed to `choose_scale` for other pictures, it makes their objects look as large to the
    network as they did in this one, whatever their pixel size.

    Parameters
    ----------
    scale : float
        That suited the picture.
    pixel_size : float, optional
        Of the picture, in micrometres.

    Raises
    ------
    UserError
        If a number is not possible.
    """
    check_scale(scale)
    if pixel_size is None:
        return ObjectSize(TYPICAL_OBJECT / scale)
    _check_positive(pixel_size, "pixel size", "micrometres")
    return ObjectSize(TYPICAL_OBJECT / scale * pixel_size, "µm")


def seen_at(scale: float) -> str:
    """Say how large the network sees a picture, as a part of a sentence."""
    if scale == 1:
        return "the model sees it pixel for pixel"
    times, word = (scale, "larger") if scale > 1 else (1 / scale, "smaller")
    return f"the model sees it {times:.3g} times {word}"


def _for_objects(size: ObjectSize, pixel_size: float | None) -> ScaleChoice:
    pixels = size.in_pixels(pixel_size)
    wanted = _limited(TYPICAL_OBJECT / pixels)
    across = f"objects are about {pixels:.3g} pixels"
    if size.unit == "µm":
        across = f"objects are about {size.number:.3g} µm ({pixels:.3g} pixels)"
    return ScaleChoice(wanted, f"You said that {across} across: {seen_at(wanted)}.")


def _by_rule(shape: tuple[int, int], config: ModelConfig) -> ScaleChoice:
    levels = tile_levels(shape, config)
    scale = levels[0].scale
    if levels[0].is_whole:
        return ScaleChoice(scale, f"The picture is seen as a whole: {seen_at(scale)}.")
    return ScaleChoice(
        scale,
        f"The picture is larger than the model's input and seen in tiles of {levels[0].side} "
        f"pixels: {seen_at(scale)}; masks that do not fit are found on a coarser scale.",
    )


def _limited(scale: float) -> float:
    smallest, largest = SCALES
    return min(max(scale, smallest), largest)


def _check_positive(number: float, what: str, unit: str) -> None:
    if not 0 < number < math.inf:  # NaN fails, too
        raise UserError(f"The {what} must be a number of {unit} above 0, not {number}.")
