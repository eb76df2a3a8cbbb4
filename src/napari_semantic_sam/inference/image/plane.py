"""One plane of a picture, of any size, read as RGB a box at a time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.contrast import Contrast, measure_contrast
from napari_semantic_sam.inference.image.level import ArrayLike, Box, LevelPlane
from napari_semantic_sam.inference.normalisation import as_numbers, number_type, plane_axes

__all__ = ["Box", "Plane"]

_WHOLE = 2**24
"""Planes of so many pixels are read whole to choose their contrast."""
_ENOUGH = 2**18
"""So many pixels of a pyramid level are enough for that."""
_BLOCKS, _BLOCK_SIDE = 5, 128


@dataclass(frozen=True, eq=False)
class Plane:
    """One ``(H, W)`` plane, of which nothing is read before it is needed.

    Made by `ImageSource.plane` or `Plane.of`.

    Attributes
    ----------
    levels : tuple of LevelPlane
        The pyramid, finest first.
    factors : tuple of float
        Pixels of the finest level per pixel of each level; 1.0 first.
    is_colour : bool
        Whether its channels are red, green and blue of one picture.
    contrast_limits : (low, high) or None
        Values that become 0 and 255; None chooses them.
    pixel_size : float or None
        Side of a pixel in micrometres.
    name : str
        As errors begin with it.
    """

    levels: tuple[LevelPlane, ...]
    factors: tuple[float, ...]
    is_colour: bool
    contrast_limits: tuple[float, float] | None
    pixel_size: float | None
    name: str

    @classmethod
    def of(
        cls,
        array: npt.ArrayLike,
        channels: Sequence[int] | None = None,
        contrast_limits: tuple[float, float] | None = None,
    ) -> Plane:
        """Return a picture in memory as a plane; parameters and errors are those of `normalise`."""
        from napari_semantic_sam.inference.image.source import ImageSource  # which makes planes

        whole = as_numbers(array)
        axes = plane_axes(whole.shape, channels)
        chosen = None if channels is None else tuple(channels)
        return ImageSource((whole,), axes, chosen, contrast_limits).plane()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels of the finest level."""
        return self.levels[0].shape

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each pyramid level."""
        return tuple(level.shape for level in self.levels)

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """The values that become 0 and 255, of all channels together or of each.

        Raises
        ------
        UserError
            If the values that are needed to choose them cannot be read, or none is finite.
        """
        return tuple((stretch.low, stretch.high) for stretch in self._contrast.stretches)

    def read(self, box: Box, factor_index: int = 0) -> npt.NDArray[np.float32]:
        """Return a part of the plane as ``normalise`` of the whole plane would show it.

        Parameters
        ----------
        box : (y0, x0, y1, x1)
            Whole pixels of the pyramid level, inside of it.
        factor_index : int
            Which level.

        Returns
        -------
        (h, w, 3) float32 array
            RGB, 0 to 255. The contrast of planes of more than 16 million pixels is chosen
            on a coarse level, or on a sample.

        Raises
        ------
        UserError
            If that part cannot be read or computed.
        """
        contrast = self._contrast  # before, so that a huge box is not held meanwhile
        return contrast.apply(_working(self.levels[factor_index].read(box)))

    def content_hash(self) -> str:
        """Return a fingerprint of what `read` gives, the same in every process.

        It covers every value of planes of up to 16 million pixels; of larger ones the
        coarse level or the sample that the contrast is chosen on.

        Raises
        ------
        UserError
            As `limits`.
        """
        return self._survey[1]

    @cached_property
    def cache_key(self) -> str:
        """What tells the plane from all others whose embeddings are kept.

        It is `content_hash` where that covers every value. Of larger planes it also covers
        their name, the channels and, of those in memory, every value: a sample is the same
        in planes that differ beside it. Lazy ones may still have a key in common, see `owner`.

        Raises
        ------
        UserError
            As `limits`.
        """
        known, finest = self.content_hash(), self.levels[0]
        if _pixels(finest) <= _WHOLE:
            return known
        digest = hashlib.blake2b(repr((known, self.name, finest.channels)).encode(), digest_size=16)
        if type(finest.array) is np.ndarray:
            height, width = finest.shape
            rows = max(1, _WHOLE // width)
            for top in range(0, height, rows):
                strip = finest.read((top, 0, min(top + rows, height), width))
                digest.update(np.ascontiguousarray(strip).data)
        return digest.hexdigest()

    @property
    def owner(self) -> ArrayLike | None:
        """The array that has to be the same one, too, where `cache_key` covers only a sample.

        None where the key covers every value. As long as somebody holds it, nothing else can
        be mistaken for it.
        """
        finest = self.levels[0]
        covered = _pixels(finest) <= _WHOLE or type(finest.array) is np.ndarray
        return None if covered else finest.array

    @property
    def _contrast(self) -> Contrast:
        return self._survey[0]

    @cached_property
    def _survey(self) -> tuple[Contrast, str]:
        """Choose the contrast and hash what was read for it, so that it is read once."""
        sample = self._sample()
        facts = (self.shapes, self.levels[0].array.dtype, self.is_colour, self.contrast_limits)
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(sample).data)
        contrast = measure_contrast(
            _working(sample),
            is_colour=self.is_colour,
            contrast_limits=self.contrast_limits,
            name=self.name,
            is_whole=_pixels(self.levels[0]) <= _WHOLE,
        )
        return contrast, digest.hexdigest()

    def _sample(self) -> npt.NDArray[Any]:
        """Return the whole plane if it is small, else a coarse level, else blocks of it."""
        level = self.levels[0]
        if _pixels(level) > _WHOLE:
            level = [each for each in self.levels if _pixels(each) >= _ENOUGH][-1]
        if _pixels(level) <= _WHOLE:
            return level.read(level.box)
        return self._sample_of_blocks(level)

    def _sample_of_blocks(self, level: LevelPlane) -> npt.NDArray[Any]:
        """Return blocks spread over a level, and further ones between them if need be.

        Blocks without two different values, as the background of a slide has, say nothing about
        the contrast of what lies between them. Only what is empty is looked through as a whole.
        """
        count = _BLOCKS
        sample = np.concatenate(list(_blocks(level, count)))
        while self.contrast_limits is None and self._is_flat(sample):
            if count * _BLOCK_SIDE >= max(level.shape):
                break
            count *= 2
            known, flat = sample[:1], _flat_channels(sample)
            varied = (each for each in _blocks(level, count) if _says_more(each, known, flat))
            sample = np.concatenate([sample, *_at_most(varied, _WHOLE)])
        return sample

    def _is_flat(self, sample: npt.NDArray[Any]) -> bool:
        """Tell whether a channel, or all colours, have no two different finite values."""
        flat = _flat_channels(sample)
        return bool(flat.all() if self.is_colour else flat.any())


def _working(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.astype(number_type(values.dtype), copy=False)


def _pixels(level: LevelPlane) -> int:
    return level.shape[0] * level.shape[1]


def _flat_channels(sample: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which channels have no two different finite values."""
    channels = [values[np.isfinite(values)] for values in np.moveaxis(sample, -1, 0)]
    return np.array([each.size == 0 or each.min() == each.max() for each in channels])


def _says_more(
    block: npt.NDArray[Any], known: npt.NDArray[Any], flat: npt.NDArray[np.bool_]
) -> bool:
    """Whether a block varies in the channels that are flat so far."""
    values = block[..., flat]
    return bool((np.isfinite(values) & (values != known[..., flat])).any())


def _at_most(blocks: Iterable[npt.NDArray[Any]], pixels: int) -> Iterator[npt.NDArray[Any]]:
    """Yield blocks until they hold so many pixels: enough for a contrast."""
    held = 0
    for block in blocks:
        yield block
        held += len(block)
        if held >= pixels:
            return


def _blocks(level: LevelPlane, count: int) -> Iterator[npt.NDArray[Any]]:
    """Read so many blocks along each side, as ``(pixels, 1, channels)``."""
    rows, columns = (_spread(side, count) for side in level.shape)
    for (y0, y1), (x0, x1) in itertools.product(rows, columns):
        block = level.read((y0, x0, y1, x1))
        yield block.reshape(-1, 1, block.shape[-1])


def _spread(side: int, count: int) -> list[tuple[int, int]]:
    """Return where the blocks of a sample begin and end along one side, evenly spread."""
    step = max(_BLOCK_SIDE, side // count)
    first = max(0, (min(step, side) - _BLOCK_SIDE) // 2)
    return [(start, min(start + _BLOCK_SIDE, side)) for start in range(first, side, step)]
