"""Labels of large planes in blocks, of which only those with labels take memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.label_runs import LabelArray, Window
from napari_semantic_sam.inference.results import Box

BLOCK = 256
"""Side of a block in pixels."""

Block = tuple[int, int]
"""Which row and which column of blocks."""

_Key = tuple[tuple[int, ...], Block]

Index = int | slice | EllipsisType
_Span = tuple[int, int, int]
"""Start, stop and step of positions."""


class ChunkedLabels:
    """An integer array of two or more axes; the last two are cut into blocks.

    It is read and written in crops. What is read is always a copy, because there is no array
    of the whole to look into. Blocks without labels do not exist.

    Parameters
    ----------
    shape : tuple of int
        ``(*stack, H, W)``.
    dtype : integer type

    Attributes
    ----------
    shape : tuple of int
    dtype : np.dtype
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._blocks: dict[_Key, LabelArray] = {}
        self._lent: set[_Key] = set()  # those that a copy uses, too

    @classmethod
    def of(cls, array: LabelArray) -> ChunkedLabels:
        """Return a copy of an array."""
        chunked = cls(array.shape, array.dtype)
        for plane in np.ndindex(array.shape[:-2]):
            for window in windows(array.shape[-2:]):
                chunked[within(plane, window)] = array[within(plane, window)]
        return chunked

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(block.nbytes for block in self._blocks.values())

    def __getitem__(self, key: Index | tuple[Index, ...]) -> LabelArray:
        """Return a copy of a crop: integers, and slices forwards, for any of the axes."""
        walked, (rows, columns), kept = self._parsed(key)
        lengths = [len(range(*span)) for span in (*walked, rows, columns)]
        crop: LabelArray = np.zeros(lengths, dtype=self.dtype)
        for place, plane in _places(walked):
            for block in self.blocks(plane, (slice(*rows[:2]), slice(*columns[:2]))):
                to, inside = _shared((rows, columns), block, place)
                pixels = self._blocks.get((plane, block))  # another thread may have emptied it
                crop[to] = 0 if pixels is None else pixels[inside]
        chosen: list[Index] = [slice(None) if each else 0 for each in kept]
        return crop[tuple(chosen)]

    def __setitem__(self, key: Index | tuple[Index, ...], values: npt.ArrayLike) -> None:
        """Write a crop; of slices, only those with a step of 1 can be written."""
        walked, (rows, columns), kept = self._parsed(key)
        if any(span[2] != 1 for span in (rows, columns)):
            raise ValueError("blocks are written without leaving out pixels")
        lengths = [len(range(*span)) for span in (*walked, rows, columns)]
        shown = [n for n, each in zip(lengths, kept, strict=True) if each]
        wanted: npt.NDArray[Any] = np.broadcast_to(np.asarray(values), shown).reshape(lengths)
        for place, plane in _places(walked):
            for block in product(_numbers(rows), _numbers(columns)):
                to, inside = _shared((rows, columns), block, place)
                self._write(plane, block, inside, wanted[to])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Return all of it as an array, which takes memory for every pixel."""
        return self[...].astype(dtype or self.dtype, copy=False)

    def plane(self, plane: tuple[int, ...]) -> ChunkedLabels:
        """Return a copy of one plane of a stack, in an instant: blocks are copied when changed."""
        copy = ChunkedLabels(self.shape[-2:], self.dtype)
        for block in self.blocks(plane):
            copy._blocks[(), block] = self._blocks[plane, block]
            copy._lent.add(((), block))
            self._lent.add((plane, block))
        return copy

    def astype(self, dtype: npt.DTypeLike) -> ChunkedLabels:
        """Return a copy of another type."""
        copy = ChunkedLabels(self.shape, dtype)
        for key, block in list(self._blocks.items()):
            copy._blocks[key] = block.astype(copy.dtype)
        return copy

    def blocks(self, plane: tuple[int, ...], region: Window | None = None) -> list[Block]:
        """Return the blocks of a plane that hold labels, in order; those in a region only."""
        if region is not None:
            ys, xs = (_numbers((along.start, along.stop, 1)) for along in region)
            if len(ys) * len(xs) <= len(self._blocks):
                return [block for block in product(ys, xs) if (plane, block) in self._blocks]
            return [block for block in self.blocks(plane) if block[0] in ys and block[1] in xs]
        return sorted(block for here, block in list(self._blocks) if here == plane)

    def window(self, block: Block) -> Window:
        """Return where a block is in its plane."""
        rows, columns = (
            slice(number * BLOCK, min((number + 1) * BLOCK, length))
            for number, length in zip(block, self.shape[-2:], strict=True)
        )
        return rows, columns

    def _parsed(
        self, key: Index | tuple[Index, ...]
    ) -> tuple[list[_Span], tuple[_Span, _Span], list[bool]]:
        """Return spans along the axes of planes and in them, and which axes are kept."""
        parts = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis not in parts:
            parts.append(Ellipsis)
        gap = parts.index(Ellipsis)
        parts[gap : gap + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        if len(parts) != self.ndim:
            raise IndexError(f"{self.ndim} axes cannot be read with {key}")
        *walked, rows, columns = (
            _span(part, length) for part, length in zip(parts, self.shape, strict=True)
        )
        return walked, (rows, columns), [isinstance(part, slice) for part in parts]

    def _write(
        self, plane: tuple[int, ...], block: Block, inside: Window, values: LabelArray
    ) -> None:
        key = (plane, block)
        present = self._blocks.get(key)
        if present is None:
            if not values.any():
                return
            rows, columns = self.window(block)
            lengths = (rows.stop - rows.start, columns.stop - columns.start)
            present = self._blocks[key] = np.zeros(lengths, dtype=self.dtype)
        elif key in self._lent:
            present = self._blocks[key] = present.copy()
        self._lent.discard(key)
        present[inside] = values
        if not values.any() and not present.any():
            del self._blocks[key]


Stored = LabelArray | ChunkedLabels
"""What labels of a level are in."""


def within(plane: tuple[int, ...], window: Window) -> tuple[int | slice, ...]:
    """Return the index of a window of a plane."""
    return (*plane, *window)


def windows(shape: Sequence[int], box: Box | None = None) -> Iterator[Window]:
    """Yield where the blocks of a plane are, row by row; only those that a box meets."""
    height, width = shape
    y0, x0, y1, x1 = box or (0, 0, height, width)
    for row, column in product(_numbers((y0, y1, 1)), _numbers((x0, x1, 1))):
        top, left = row * BLOCK, column * BLOCK
        yield slice(top, min(top + BLOCK, height)), slice(left, min(left + BLOCK, width))


def occupied(
    labels: Stored, plane: tuple[int, ...], region: Window | None = None
) -> Iterator[Window]:
    """Yield windows of a plane that hold all of its labels, those in a region only.

    Of an array that is in one piece there is one window. The others do not overlap, and a
    label may be in several.
    """
    whole = (slice(0, labels.shape[-2]), slice(0, labels.shape[-1]))
    if not isinstance(labels, ChunkedLabels):
        yield region or whole
        return
    for block in labels.blocks(plane, region):
        rows, columns = (
            slice(max(own.start, limit.start), min(own.stop, limit.stop))
            for own, limit in zip(labels.window(block), region or whole, strict=True)
        )
        if rows.start < rows.stop and columns.start < columns.stop:
            yield rows, columns


def hold_the_same(one: Stored, other: Stored) -> bool:
    """Whether two have the same labels; blocks without any are not looked at."""
    if one.shape != other.shape:
        return False
    for plane in np.ndindex(one.shape[:-2]):
        places = {_edges(window) for each in (one, other) for window in occupied(each, plane)}
        for y0, y1, x0, x1 in places:
            place = within(plane, (slice(y0, y1), slice(x0, x1)))
            if not np.array_equal(one[place], other[place]):
                return False
    return True


def copy_of_plane(labels: Stored, plane: tuple[int, ...]) -> Stored:
    """Return a copy of one plane of a stack."""
    return labels.plane(plane) if isinstance(labels, ChunkedLabels) else labels[plane].copy()


def _edges(window: Window) -> tuple[int, int, int, int]:
    rows, columns = window
    return rows.start, rows.stop, columns.start, columns.stop


def _span(part: Index, length: int) -> _Span:
    if isinstance(part, slice):
        start, stop, step = part.indices(length)
        if step < 1:
            raise IndexError("blocks are read forwards only")
        return start, max(start, stop), step
    number = int(part)  # type: ignore[arg-type]  # an Ellipsis was filled in before
    if not -length <= number < length:
        raise IndexError(f"{number} is outside of {length} pixels")
    return number % length, number % length + 1, 1


def _places(spans: Sequence[_Span]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield where each plane of a crop is, in the crop and in the stack."""
    lengths = [range(*span) for span in spans]
    yield from zip(product(*(range(len(each)) for each in lengths)), product(*lengths), strict=True)


def _numbers(span: _Span) -> range:
    """Return the rows or columns of blocks that a span runs through."""
    start, stop, _ = span
    return range(start // BLOCK, -(-stop // BLOCK) if stop > start else start // BLOCK)


def _shared(
    spans: tuple[_Span, _Span], block: Block, place: tuple[int, ...]
) -> tuple[tuple[Index, ...], Window]:
    """Return what a crop shares with a block: in a plane of the crop, and in the block."""
    (to_y, from_y), (to_x, from_x) = map(_along, spans, block)
    return (*place, to_y, to_x), (from_y, from_x)


def _along(span: _Span, number: int) -> tuple[slice, slice]:
    start, stop, step = span
    begin = number * BLOCK
    first = max(0, -(-(begin - start) // step))
    last = max(first, -(-(min(begin + BLOCK, stop) - start) // step))
    inside = start + first * step - begin
    return slice(first, last), slice(inside, inside + (last - first) * step, step)
