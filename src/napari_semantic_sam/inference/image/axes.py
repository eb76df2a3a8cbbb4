"""Which dimension of an array is what: named, guessed, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.normalisation import SMALLEST_SIDE, plane_axes

Axes: TypeAlias = str
"""A letter for each dimension: time T, depth Z, channel C, Y, X, and S for colour samples."""

LETTERS = "TZCYXS"
WALKED = "TZ"
_UNKNOWN = "?"
_NAMES = {
    "T": ("t", "time", "frame", "frames"),
    "Z": ("z", "depth", "slice", "slices"),
    "C": ("c", "ch", "channel", "channels", "wavelength"),
    "Y": ("y", "row", "rows", "height"),
    "X": ("x", "column", "columns", "width"),
    "S": ("s", "sample", "samples", "rgb", "rgba"),
}
_LETTER_OF = {name: letter for letter, names in _NAMES.items() for name in names}


def guess_axes(
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    names: Sequence[str] | None = None,
    *,
    has_channels: bool = False,
) -> Axes:
    """Say what the dimensions of an array are, as far as that can be known.

    Names are believed. Without them the last two dimensions are Y and X, or those before
    a last one of 3 or 4 colours, or of fewer than 8 channels. Of what comes before, the
    last dimension shorter than 8 is taken for channels and the others for Z and T.

    Parameters
    ----------
    shape : sequence of int
    dtype : data type
        Truth values are never taken for colours.
    names : sequence of str, optional
        A name for each dimension, such as ``"z"``, ``"Channel"`` or ``"Y"``; what does not
        say anything (``""``, ``"-1"``, ``"Q"``) is guessed. A string of letters will do.
    has_channels : bool
        Whether channels were chosen, so that one of the unknown dimensions must be theirs:
        of three the shorter one of first and last, else the shortest.

    Raises
    ------
    UserError
        If there are fewer than two or too many dimensions, or a name comes twice.
    """
    shape = tuple(shape)
    if not 2 <= len(shape) <= len(LETTERS):
        raise UserError(
            f"The picture has {len(shape)} dimensions, shape {shape}; it needs two to six of "
            "time, depth, channels, y, x and colours."
        )
    known = [_LETTER_OF.get(str(name).strip().lower(), _UNKNOWN) for name in names or ()]
    axes = known if len(known) == len(shape) else [_UNKNOWN] * len(shape)
    _check_once("".join(axes), str(names))
    if has_channels and len(shape) == 3 and set(axes) == {_UNKNOWN}:
        return plane_axes(shape, ())
    if "Y" not in axes or "X" not in axes:
        axes = _with_plane(axes, shape, np.dtype(dtype))
    return "".join(_with_rest(axes, shape, has_channels=has_channels))


def doubt_about(axes: Axes, shape: Sequence[int], names: Sequence[str]) -> str:
    """Say that a dimension was taken for channels though nothing says so; "" if something does.

    Parameters
    ----------
    axes : str
        From `guess_axes`.
    shape : sequence of int
    names : sequence of str
        What was given to `guess_axes`.
    """
    number = axes.find("C")
    named = len(names) == len(axes) and str(names[number]).strip().lower() in _LETTER_OF
    if number < 0 or number > axes.index("Y") or named:
        return ""
    told = f"nothing says what its {shape[number]} planes are, and they are taken for channels"
    free = next((letter for letter in "ZT" if letter not in axes), "")
    advice = f"if they are slices, give the axes {axes.replace('C', free)}" if free else ""
    return "; ".join(filter(None, (told, advice))) + "."


def checked_axes(axes: str, shape: Sequence[int]) -> Axes:
    """Return axes that somebody gave, in capitals.

    Raises
    ------
    UserError
        If there is not one letter of T, Z, C, Y, X, S for each dimension, or Y or X is
        missing.
    """
    letters = axes.strip().upper()
    unknown = sorted(set(letters) - set(LETTERS))
    if unknown:
        raise UserError(
            f'The axes "{axes}" have the letter {unknown[0]}; the letters are T (time), Z (depth), '
            "C (channel), Y, X and S (colours)."
        )
    _check_once(letters, axes)
    if not {"Y", "X"} <= set(letters):
        raise UserError(f'The axes "{axes}" need both Y and X.')
    if len(letters) != len(shape):
        raise UserError(
            f'The axes "{axes}" name {len(letters)} dimensions, but the picture has {len(shape)}, '
            f"shape {tuple(shape)}; give one letter for each."
        )
    return letters


def _check_once(letters: str, given: str) -> None:
    twice = [letter for letter in LETTERS if letters.count(letter) > 1]
    if twice:
        raise UserError(f'The axes "{given}" have {twice[0]} twice; each may come once.')


def _with_plane(axes: list[str], shape: Sequence[int], dtype: np.dtype[np.generic]) -> list[str]:
    """Name Y and X, and what may come behind them."""
    free = [number for number, letter in enumerate(axes) if letter in (_UNKNOWN, "Y", "X")]
    axes = [_UNKNOWN if letter in "YX" else letter for letter in axes]
    if len(free) < 2:
        raise UserError(f"The picture of shape {tuple(shape)} has no two dimensions for y and x.")
    last = free[-1]
    if len(free) > 2 and last == len(shape) - 1 and _is_short_last(shape, free):
        is_colour = shape[last] in (3, 4) and dtype.kind != "b"
        letter = "S" if is_colour else "C"
        if letter not in axes:
            axes[last] = letter
            free.pop()
    axes[free[-2]], axes[free[-1]] = "Y", "X"
    return axes


def _is_short_last(shape: Sequence[int], free: Sequence[int]) -> bool:
    before = min(shape[free[-2]], shape[free[-3]])
    return shape[free[-1]] < SMALLEST_SIDE <= before


def _with_rest(axes: list[str], shape: Sequence[int], *, has_channels: bool) -> list[str]:
    """Name what comes before the plane."""
    axes = list(axes)
    free = [number for number, letter in enumerate(axes) if letter == _UNKNOWN]
    if not set("CS") & set(axes):
        short = [number for number in free if shape[number] < SMALLEST_SIDE]
        if has_channels and free and not short:
            short = [min(free, key=lambda number: (shape[number], -number))]
        if short:
            axes[short[-1]] = "C"
            free.remove(short[-1])
    for number in reversed(free):
        left = [letter for letter in "ZTC" if letter not in axes]
        if not left:
            raise UserError(
                f"The picture has {len(shape)} dimensions, shape {tuple(shape)}, of which too many "
                "are unknown; say what they are, with letters of T, Z, C, Y, X and S."
            )
        axes[number] = left[0]
    return axes
