"""How large a picture is shown to the network, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.preparation import SCALES, check_scale
from napari_semantic_sam.inference.tiles.layout import tile_levels
from napari_semantic_sam.model.config import ModelConfig

TYPICAL_OBJECT = 64.0
"""Pixels across that an object should have in the network's input: large enough for a clean
outline on a grid of strides 2 to 4, small enough to be seen with its surroundings."""


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
    object_size: float | None = None,
    pixel_size: float | None = None,
    reference: float | None = None,
) -> ScaleChoice:
    """Choose by what is known: the scale, the size of objects, the pixel size, or nothing.

    Parameters
    ----------
    shape : (H, W)
        Of the picture.
    config : ModelConfig
        Of the network.
    scale : float, optional
        1/64 to 16; taken as it is.
    object_size : float, optional
        Pixels of the picture across a typical object, which becomes 64 pixels across.
    pixel_size : float, optional
        Micrometres per pixel of the picture. Counts together with `reference` only.
    reference : float, optional
        Micrometres per pixel of the network's input, see `reference_of`.

    Raises
    ------
    UserError
        If a number is not possible.
    """
    if scale is not None:
        check_scale(scale)
        return ScaleChoice(float(scale), f"You chose it: {_seen(scale)}.")
    if object_size is not None:
        _check_positive(object_size, "size of objects", "pixels")
        wanted = _limited(TYPICAL_OBJECT / object_size)
        across = f"objects are about {object_size:.3g} pixels across"
        return ScaleChoice(wanted, f"You said that {across}: {_seen(wanted)}.")
    if pixel_size is not None and reference is not None:
        _check_positive(pixel_size, "pixel size", "micrometres")
        _check_positive(reference, "pixel size of the model's input", "micrometres")
        wanted = _limited(pixel_size / reference)
        sizes = f"A pixel is {pixel_size:.3g} µm, and objects were right for the model at"
        return ScaleChoice(wanted, f"{sizes} {reference:.3g} µm per pixel: {_seen(wanted)}.")
    return _by_rule(shape, config)


def reference_of(scale: float, pixel_size: float) -> float:
    """Return the micrometres per pixel of the input that suited a picture.

    Handed to `choose_scale` for other pictures, it makes their objects look as large to the
    network as they did in this one, whatever their pixel size.

    Parameters
    ----------
    scale : float
        That suited the picture.
    pixel_size : float
        Of the picture, in micrometres.

    Raises
    ------
    UserError
        If a number is not possible.
    """
    check_scale(scale)
    _check_positive(pixel_size, "pixel size", "micrometres")
    return pixel_size / scale


def _by_rule(shape: tuple[int, int], config: ModelConfig) -> ScaleChoice:
    levels = tile_levels(shape, config)
    scale = levels[0].scale
    if levels[0].is_whole:
        return ScaleChoice(scale, f"The picture is seen as a whole: {_seen(scale)}.")
    return ScaleChoice(
        scale,
        f"The picture is larger than the model's input and seen in tiles of {levels[0].side} "
        f"pixels: {_seen(scale)}; masks that do not fit are found on a coarser scale.",
    )


def _seen(scale: float) -> str:
    if scale == 1:
        return "the model sees it pixel for pixel"
    times, word = (scale, "larger") if scale > 1 else (1 / scale, "smaller")
    return f"the model sees it {times:.3g} times {word}"


def _limited(scale: float) -> float:
    smallest, largest = SCALES
    return min(max(scale, smallest), largest)


def _check_positive(number: float, what: str, unit: str) -> None:
    if not 0 < number < math.inf:  # NaN fails, too
        raise UserError(f"The {what} must be a number of {unit} above 0, not {number}.")
