"""Masks of a large plane, kept as bits: in memory while they are few, then in a file."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]

_IN_MEMORY = 2**28
_UNPACKED = 2**26
"""Bytes of masks that are ready to be looked at again, as neighbours are compared many times."""


class MaskStore:
    """Keeps arrays of truth values; to be used in a ``with``, which forgets them at its end."""

    def __init__(self) -> None:
        # Closed by the with statement of whoever makes the store.
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._ready: OrderedDict[int, Bools] = OrderedDict()
        self._nbytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def keep(self, crop: Bools) -> StoredCrop:
        """Keep an array."""
        offset = self._file.seek(0, 2)
        self._file.write(np.packbits(crop).tobytes())
        return StoredCrop(self, offset, (crop.shape[0], crop.shape[1]))

    def load(self, offset: int, shape: tuple[int, int]) -> Bools:
        """Return what was kept there; it must not be changed."""
        if offset in self._ready:
            self._ready.move_to_end(offset)
            return self._ready[offset]
        size = shape[0] * shape[1]
        self._file.seek(offset)
        bits = np.frombuffer(self._file.read(-(-size // 8)), dtype=np.uint8)
        crop = np.unpackbits(bits, count=size).view(bool).reshape(shape)
        self._ready[offset] = crop
        self._nbytes += crop.nbytes
        while self._nbytes > _UNPACKED:
            self._nbytes -= self._ready.popitem(last=False)[1].nbytes
        return crop


@dataclass(frozen=True)
class StoredCrop:
    """An array in a store.

    Attributes
    ----------
    store : MaskStore
    offset : int
    shape : (h, w)
    """

    store: MaskStore
    offset: int
    shape: tuple[int, int]

    def load(self) -> Bools:
        """Return it; it must not be changed."""
        return self.store.load(self.offset, self.shape)
