"""By what a journal recognises its picture, wherever that lies."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.level import LevelPlane, clear_about_reading
from napari_semantic_sam.inference.image.source import ImageSource

if TYPE_CHECKING:
    from napari_semantic_sam.annotation.journal_header import Header

_WHOLE = 2**24
_BLOCK = 128
_BLOCKS = (5, 9, 17)
_ROWS_AT_ONCE = 1024


def picture_hash(source: ImageSource) -> str:
    """Return a fingerprint of the pixels of a picture, the same in memory and in lazy arrays.

    It covers type (whatever its byte order), size, number of planes, and the values of the
    chosen channels in the first, the middle and the last plane, at full resolution: all of them
    in planes of up to 16 million pixels, and in larger ones 5 × 5 blocks of 128 × 128, or up to
    17 × 17 where those hold but one value. No larger plane is read whole.

    Parameters
    ----------
    source : ImageSource

    Returns
    -------
    str
        A sha256.
    """
    little = source.levels[0].dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little.str} {source.shape} {source.plane_counts}".encode())
    for index in _sampled(source):
        plane = source.plane(index).levels[0]
        digest.update(_plane_digest(plane, little))
    return digest.hexdigest()


class Recogniser:
    """Tells whether journals, also those of earlier versions, belong to a picture.

    Parameters
    ----------
    source : ImageSource
        Read once, when the first journal is asked about.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    def knows(self, header: Header) -> bool:
        """Return whether the pixels are those that a header names."""
        if header.journal <= 2:
            return header.image_hash in self._earlier_hashes
        return header.image_hash == self._hash

    @cached_property
    def _hash(self) -> str:
        return picture_hash(self._source)

    @cached_property
    def _earlier_hashes(self) -> tuple[str, ...]:
        """What the versions 1 and 2 of the format held.

        They had one rule for planes in memory and another for all else, so that a picture
        that was opened in another way since is known by the one or the other.
        """
        source, finest = self._source, self._source.levels[0]
        is_at_hand = type(finest) is np.ndarray or source.shape[0] * source.shape[1] <= _WHOLE
        if is_at_hand and set(source.axes) <= set("YXS"):
            return _earlier_in_memory(source), _earlier_lazy(source)
        return (_earlier_lazy(source),)


def _plane_digest(plane: LevelPlane, dtype: np.dtype[Any]) -> bytes:
    digest = hashlib.sha256(str(len(plane.channels)).encode())
    try:
        for part in _parts(plane):
            digest.update(np.ascontiguousarray(part, dtype=dtype).data)
    except UserError:  # another plane than the one on display may be damaged
        return b"unreadable"
    return digest.digest()


def _parts(plane: LevelPlane) -> Iterator[npt.NDArray[Any]]:
    """Read a plane or, if it is large, blocks of it until two values differ."""
    height, width = plane.shape
    if height * width <= _WHOLE:
        yield plane.read(plane.box)
        return
    known = plane.read((0, 0, 1, 1))
    for count in _BLOCKS:
        is_flat = True
        for top, left in itertools.product(_starts(height, count), _starts(width, count)):
            block = plane.read((top, left, min(top + _BLOCK, height), min(left + _BLOCK, width)))
            is_flat = is_flat and not (block != known).any()
            yield block
        if not is_flat:
            return


def _starts(side: int, count: int) -> list[int]:
    """Return where blocks begin along a side, from its first pixel to its last."""
    last = max(0, side - _BLOCK)
    return sorted({last * place // (count - 1) for place in range(count)})


def _sampled(source: ImageSource) -> list[tuple[int, ...]]:
    planes = list(source.planes())
    return [planes[place] for place in sorted({0, len(planes) // 2, len(planes) - 1})]


def _earlier_in_memory(source: ImageSource) -> str:
    height, width = source.shape
    with clear_about_reading(source.name, f"rows 0 to {height}, columns 0 to {width}"):
        array = np.asarray(source.levels[0])
    little = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little.str} {array.shape}".encode())
    for start in range(0, len(array), _ROWS_AT_ONCE):  # so that copies stay small
        rows = array[start : start + _ROWS_AT_ONCE]
        digest.update(np.ascontiguousarray(rows, dtype=little).data)
    return digest.hexdigest()


def _earlier_lazy(source: ImageSource) -> str:
    shape = source.levels[0].shape
    digest = hashlib.sha256(f"{source.axes} {shape} {source.channels}".encode())
    unstretched = replace(source, contrast_limits=None)
    for index in _sampled(source):
        try:
            digest.update(unstretched.plane(index).content_hash().encode())
        except UserError:
            digest.update(b"unreadable")
    return digest.hexdigest()
