"""Label images of many planes: kept compressed, written as one TIFF with axes and scale."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.io.images import label_dtype
from napari_semantic_sam.io.opening import Scale

Labels = npt.NDArray[Any]

_STORED = np.dtype(np.uint32)
_QUICKLY = 1
_STRIP = 256
_OME_NAMES = {
    "T": "TimeIncrement",
    "Z": "PhysicalSizeZ",
    "Y": "PhysicalSizeY",
    "X": "PhysicalSizeX",
}


class LabelPlanes:
    """Label images of one shape, in the order of their planes.

    Each is compressed as soon as it is added, so that hundreds fit into memory.

    Parameters
    ----------
    shape : (H, W)
        Of each plane.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._strips = [
            slice(start, min(start + _STRIP, shape[0])) for start in range(0, shape[0], _STRIP)
        ]
        self._packed: list[list[bytes]] = []
        self._largest = 0

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Labels]:
        for packed in self._packed:
            plane = np.zeros(self.shape, self.dtype)
            for rows, strip in zip(self._strips, packed, strict=False):
                plane[rows] = self._unpack(rows, strip)
            yield plane

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all planes, as they are written."""
        return label_dtype(self._largest)

    def add(self, labels: Any) -> None:
        """Add the next plane, any kind of ``(H, W)`` array, read a few rows at a time."""
        self._packed.append([self._pack(np.asarray(labels[rows])) for rows in self._strips])

    def change(self, change: Callable[[int, Labels], Labels]) -> None:
        """Replace labels, a few rows at a time.

        Parameters
        ----------
        change : callable
            Takes the number of a plane and some of its rows, and returns what becomes of them.
        """
        self._largest = 0
        for number, packed in enumerate(self._packed):
            strips = zip(self._strips, packed, strict=False)
            values = (self._unpack(rows, strip) for rows, strip in strips)
            self._packed[number] = [self._pack(change(number, each)) for each in values]

    def fill(self, count: int) -> None:
        """Add planes without labels until there are `count`."""
        self._packed += [[] for _ in range(count - len(self._packed))]

    def _pack(self, labels: Labels) -> bytes:
        strip = labels.astype(_STORED)
        self._largest = max(self._largest, int(strip.max()))
        return zlib.compress(strip.tobytes(), _QUICKLY)

    def _unpack(self, rows: slice, strip: bytes) -> Labels:
        values = np.frombuffer(zlib.decompress(strip), dtype=_STORED)
        return values.reshape(rows.stop - rows.start, self.shape[1])


def write_label_planes(
    path: str | Path,
    planes: LabelPlanes,
    axes: str,
    lengths: tuple[int, ...],
    scale: Scale,
) -> None:
    """Write label images as one compressed TIFF, whole or not at all.

    One plane without a known scale becomes a plain TIFF; anything else notes axes, steps
    and units as OME, which ImageJ, napari and QuPath read.

    Parameters
    ----------
    path : str or Path
    planes : LabelPlanes
    axes : str
        Of T and Z what the planes run along, the last one fastest.
    lengths : tuple of int
        Number of planes along each of them.
    scale : Scale
        Of the picture.

    Raises
    ------
    UserError
        If the disk is full or the file cannot be written.
    """
    import tifffile

    assert len(planes) == math.prod(lengths)
    noted = {letter: size for letter, size in scale.sizes.items() if letter in f"{axes}YX"}
    is_plain = not axes and not noted
    facts: dict[str, Any] = {} if is_plain else {"axes": f"{axes}YX", **_ome(noted, scale)}
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            iter(planes),
            shape=(*lengths, *planes.shape),
            dtype=planes.dtype,
            ome=not is_plain,
            bigtiff=planes.dtype.itemsize * len(planes) * math.prod(planes.shape) > 2**31,
            compression="zlib",
            photometric="minisblack",
            metadata=facts,
        )


def _ome(sizes: dict[str, float], scale: Scale) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for letter, size in sizes.items():
        facts[_OME_NAMES[letter]] = size
        unit = scale.units[letter]
        facts[f"{_OME_NAMES[letter]}Unit"] = {"inch": "in"}.get(unit, unit)
    return facts
