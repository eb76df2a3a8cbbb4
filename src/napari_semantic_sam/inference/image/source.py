"""A picture of any dimensions, and the planes it is made of."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.contrast import checked_limits
from napari_semantic_sam.inference.image.axes import WALKED, Axes, checked_axes
from napari_semantic_sam.inference.image.choice import ChosenChannels, choose_channels
from napari_semantic_sam.inference.image.level import ArrayLike, LevelPlane
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.inference.image.pyramid import checked_factors
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.normalisation import as_numbers, check_size, number_type


@dataclass(frozen=True, eq=False)
class ImageSource:
    """A picture with its axes, and how its channels and values are to be shown.

    Nothing is read before a plane is. The dimensions may come in any order.

    Attributes
    ----------
    levels : tuple of array-like
        numpy, memory maps, dask or zarr; several are a pyramid, finest first, which may be
        coarser in Y and X, and in Z.
    axes : str
        A letter for each dimension, of T, Z, C, Y, X, S; see `guess_axes`.
    channels : tuple of one to three ints, optional
        One becomes grey, two or three become red, green and blue. None takes all up to
        three; samples S are then colours of one picture, and a fourth one is ignored.
    contrast_limits : (low, high), optional
        Values that become 0 and 255, instead of the percentiles of each plane.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    name : str
        What errors call the picture.

    Raises
    ------
    UserError
        If axes, channels or limits do not fit, a dimension is empty, planes are smaller
        than 8 pixels a side, values are no numbers, pyramid levels disagree, or there are
        more than three channels and none was chosen.
    """

    levels: tuple[ArrayLike, ...]
    axes: Axes
    channels: tuple[int, ...] | None = None
    contrast_limits: tuple[float, float] | None = None
    pixel_size: float | None = None
    name: str = "the picture"

    def __post_init__(self) -> None:
        levels = tuple(_as_array(level) for level in self.levels)
        if not levels:
            raise UserError(f"{self._subject} holds no array.")
        axes = checked_axes(self.axes, levels[0].shape)
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "axes", axes)
        _check_values(levels[0], axes, self._subject)
        check_size(self.shape, self._subject)
        self._check_options()
        # Found now, so that what does not fit is told before any work begins.
        _ = self._factors, self._chosen

    @property
    def plane_axes(self) -> Axes:
        """The axes to walk: T and Z, as far as there are any."""
        return "".join(letter for letter in WALKED if letter in self.axes)

    @property
    def plane_counts(self) -> tuple[int, ...]:
        """Number of planes along each of `plane_axes`."""
        return tuple(self._length(letter) for letter in self.plane_axes)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane in pixels."""
        return self._length("Y"), self._length("X")

    def planes(self) -> Iterator[PlaneIndex]:
        """Yield the index of every plane, the last of `plane_axes` fastest."""
        return np.ndindex(self.plane_counts)

    def plane(self, index: PlaneIndex = ()) -> Plane:
        """Return one plane, of which nothing has been read yet.

        Parameters
        ----------
        index : tuple of int
            One for each of `plane_axes`; may be left out if there is only one plane.

        Raises
        ------
        UserError
            If there is no such plane.
        """
        where = dict(zip(self.plane_axes, self._checked_index(index), strict=True))
        label = ", ".join(f"{letter.lower()} = {number}" for letter, number in where.items())
        is_one = math.prod(self.plane_counts) == 1
        name = self._subject if is_one else f"{self._subject} ({label})"
        return Plane(
            levels=tuple(self._level_plane(level, where, name) for level in self.levels),
            factors=self._factors,
            is_colour=self._chosen.is_colour,
            contrast_limits=self.contrast_limits,
            pixel_size=self.pixel_size,
            name=name,
        )

    @property
    def _subject(self) -> str:
        return "The picture" if self.name == "the picture" else self.name

    def _length(self, letter: str) -> int:
        return int(self.levels[0].shape[self.axes.index(letter)])

    @cached_property
    def _factors(self) -> tuple[float, ...]:
        return checked_factors(self.levels, self.axes, self._subject)

    @cached_property
    def _chosen(self) -> ChosenChannels:
        counts = {letter: self._length(letter) for letter in "CS" if letter in self.axes}
        return choose_channels(counts, self.channels, self._subject)

    def _check_options(self) -> None:
        if self.contrast_limits is not None:
            object.__setattr__(self, "contrast_limits", checked_limits(self.contrast_limits))
        size = self.pixel_size
        if size is not None and not 0 < size < math.inf:
            raise UserError(f"The pixel size must be a number of micrometres above 0, not {size}.")

    def _checked_index(self, index: Sequence[int]) -> PlaneIndex:
        counts = self.plane_counts
        numbers = tuple(map(operator.index, index)) or (0,) * (math.prod(counts) == 1) * len(counts)
        inside = len(numbers) == len(counts) and all(map(operator.lt, numbers, counts))
        if not inside or min(numbers, default=0) < 0:
            there = ", ".join(
                f"{letter.lower()} from 0 to {count - 1}"
                for letter, count in zip(self.plane_axes, counts, strict=True)
            )
            raise UserError(
                f"{self._subject} has no plane {tuple(numbers)}; give {there or 'no index'}."
            )
        return numbers

    def _level_plane(self, level: ArrayLike, where: Mapping[str, int], name: str) -> LevelPlane:
        fixed = {**self._chosen.fixed, **where}
        if "Z" in where:  # pyramids may be coarser in depth, too
            depth = level.shape[self.axes.index("Z")]
            fixed["Z"] = where["Z"] * depth // self._length("Z")
        return LevelPlane(level, self.axes, fixed, self._chosen.axis, self._chosen.indices, name)


def _as_array(level: Any) -> ArrayLike:
    """Return what has a shape and a numpy type as it is, and anything else as an array."""
    is_array = hasattr(level, "shape") and isinstance(getattr(level, "dtype", None), np.dtype)
    return level if is_array else as_numbers(level)


def _check_values(level: ArrayLike, axes: Axes, subject: str) -> None:
    if level.dtype.kind == "O":
        raise UserError(
            f"{subject} holds objects instead of numbers; it may be made of planes of different "
            "sizes, which can be opened one by one."
        )
    number_type(level.dtype, subject)
    if 0 in level.shape:
        letter = axes[list(level.shape).index(0)]
        raise UserError(
            f"{subject} is empty: it has the shape {tuple(level.shape)}, with nothing along "
            f"{letter}."
        )
