"""One plane of one pyramid level, read a box at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.axes import Axes

Box: TypeAlias = tuple[int, int, int, int]
"""y0, x0, y1, x1: edges of pixels."""


class ArrayLike(Protocol):
    """What numpy, memory maps, dask and zarr have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""

    @property
    def dtype(self) -> Any:
        """Type of the values."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a part, which numpy can turn into an array."""


@dataclass(frozen=True, eq=False)
class LevelPlane:
    """Where a plane lies in an array of more dimensions.

    Attributes
    ----------
    array : array-like
    axes : str
        A letter for each of its dimensions.
    fixed : mapping of letter to int
        The index of each dimension that is neither Y, X nor `channel_axis`.
    channel_axis : str
        C, S, or "" if the plane has one channel.
    channels : tuple of int
        The indices that are wanted of it.
    name : str
        Of the picture, as errors begin with it.
    """

    array: ArrayLike
    axes: Axes
    fixed: Mapping[str, int]
    channel_axis: str
    channels: tuple[int, ...]
    name: str

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels of this level."""
        height, width = (int(self.array.shape[self.axes.index(letter)]) for letter in "YX")
        return height, width

    @property
    def box(self) -> Box:
        """The whole plane."""
        return (0, 0, *self.shape)

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the ``(h, w, channels)`` values of a box that lies in the plane.

        Only the chunks under the box are read.

        Raises
        ------
        UserError
            If they cannot be read or computed.
        """
        y0, x0, y1, x1 = box
        height, width = self.shape
        if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
            raise ValueError(f"the box {box} does not lie in a plane of {height} × {width}")
        with clear_about_reading(self.name, f"rows {y0} to {y1}, columns {x0} to {x1}"):
            if not self.channel_axis:
                # Not `repeat`, which stops all other threads.
                return np.stack([self._read(box, self.fixed)] * len(self.channels), axis=-1)
            if self.channels == tuple(range(len(self.channels))):
                wanted = {self.channel_axis: slice(len(self.channels))}
                return self._read(box, {**self.fixed, **wanted})
            # One by one, because those between them may be many.
            planes = [
                self._read(box, {**self.fixed, self.channel_axis: channel})
                for channel in self.channels
            ]
            return np.stack(planes, axis=-1)

    def _read(self, box: Box, others: Mapping[str, Any]) -> npt.NDArray[Any]:
        y0, x0, y1, x1 = box
        where = {"Y": slice(y0, y1), "X": slice(x0, x1), **others}
        part = np.asarray(self.array[tuple(where[letter] for letter in self.axes)])
        kept = [letter for letter in self.axes if isinstance(where[letter], slice)]
        return part.transpose(sorted(range(len(kept)), key=lambda n: "YXCS".index(kept[n])))


@contextmanager
def clear_about_reading(name: str, where: str) -> Iterator[None]:
    """Turn whatever lazy arrays raise into one sentence."""
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{name} does not fit into memory ({where}).") from error
    except Exception as error:  # codecs, stores and dask graphs raise nearly every kind
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{name} could not be read at {where}: it is damaged, cut off, or a part of it is "
            f"missing ({reason[:200]})."
        ) from error
