"""How much coarser each level of a pyramid is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.axes import Axes
from napari_semantic_sam.inference.image.level import ArrayLike


def checked_factors(levels: Sequence[ArrayLike], axes: Axes, subject: str) -> tuple[float, ...]:
    """Return the pixels of the finest level per pixel of each level.

    Parameters
    ----------
    levels : sequence of array-like
        Finest first.
    axes : str
        Of all of them.
    subject : str
        The picture, as errors begin with it.

    Raises
    ------
    UserError
        If levels differ in type or dimensions, are not ever coarser, or not equally so in
        y and x.
    """
    factors = [1.0]
    for number, level in enumerate(levels[1:], start=1):
        problem = _problem(levels[0], level, axes)
        factor = 0.0 if problem else _factor(levels[0], level, axes)
        if not problem and not factor:
            problem = "is not equally coarser in y and x"
        if not problem and factor <= factors[-1]:
            problem = "is not coarser than the one before"
        if problem:
            raise UserError(
                f"{subject} is a pyramid whose levels disagree: level {number}, of shape "
                f"{tuple(level.shape)}, {problem}; level 0 has the shape {tuple(levels[0].shape)}."
            )
        factors.append(factor)
    return tuple(factors)


def _problem(finest: ArrayLike, level: ArrayLike, axes: Axes) -> str:
    if len(level.shape) != len(finest.shape):
        return "has other dimensions"
    if 0 in level.shape:
        return "is empty"
    if level.dtype != finest.dtype:
        return f"holds {level.dtype} instead of {finest.dtype}"
    for letter, length, whole in zip(axes, level.shape, finest.shape, strict=True):
        if letter in "TCS" and length != whole:
            return f"differs in {letter}"
        if letter == "Z" and length > whole:
            return "has more slices in Z"
    return ""


def _factor(finest: ArrayLike, level: ArrayLike, axes: Axes) -> float:
    """Return the factor, the whole number where one fits; 0 if y and x disagree."""
    sides = [(int(finest.shape[axis]), int(level.shape[axis])) for axis in map(axes.index, "YX")]
    nearest = max(1, round(math.sqrt(math.prod(whole / coarse for whole, coarse in sides))))
    if all(whole // nearest <= coarse <= -(-whole // nearest) for whole, coarse in sides):
        return float(nearest)
    # Rounding may have cost or given each side of the coarse level up to a pixel.
    low = max(whole / (coarse + 1) for whole, coarse in sides)
    high = min(whole / max(coarse - 1, 0.5) for whole, coarse in sides)
    return math.sqrt(math.prod(w / c for w, c in sides)) if low <= high else 0.0
