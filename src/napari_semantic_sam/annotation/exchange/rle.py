"""Run lengths of masks as COCO files hold them, at a cost that grows with the mask's runs.

The format: lengths of runs of 0 and 1 in turn, column by column from the top left, beginning
with 0; each stored as its difference to the last but one, in groups of five bits. pycocotools
gives the same, but draws the whole picture for every mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_semantic_sam.inference.results import EMPTY, CroppedMask, tight


def encode(mask: CroppedMask) -> str:
    """Return the compressed run lengths of a mask with at least one pixel."""
    (height, width), (top, left, _, _) = mask.shape, mask.box
    columns, rows = np.nonzero(mask.crop.T)
    places = (columns + left) * height + rows + top
    gaps = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate([[0], gaps + 1])]
    stops = places[np.concatenate([gaps, [-1]])] + 1
    changes = np.stack([starts, stops], axis=1).ravel()
    counts = np.diff(changes, prepend=0, append=height * width).tolist()
    return _compress(counts if counts[-1] else counts[:-1])


def decode(counts: str | Sequence[int], shape: tuple[int, int]) -> CroppedMask:
    """Return the mask of run lengths.

    Parameters
    ----------
    counts : str or sequence of int
        Compressed or plain.
    shape : (H, W)
        Of the picture.

    Raises
    ------
    ValueError
        If the runs do not fill the picture.
    """
    height, width = shape
    lengths = np.asarray(_decompress(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    edges = np.cumsum(lengths)
    if lengths.ndim != 1 or lengths.min(initial=0) < 0 or not len(edges):
        raise ValueError("the run lengths are damaged")
    if edges[-1] != height * width:
        raise ValueError("the run lengths do not fill the picture")
    ends = edges[1::2]
    starts = edges[0::2][: len(ends)]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return CroppedMask(EMPTY, np.zeros((0, 0), dtype=bool), shape)
    x0, x1 = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    steps = np.zeros((x1 - x0) * height + 1, dtype=np.int8)
    np.add.at(steps, starts - x0 * height, 1)
    np.add.at(steps, ends - x0 * height, -1)
    strip = np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(x1 - x0, height).T
    return CroppedMask(*tight(strip, 0, x0), shape)


def _compress(counts: Sequence[int]) -> str:
    characters = []
    for position, count in enumerate(counts):
        value, more = count - (counts[position - 2] if position > 2 else 0), True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            characters.append(chr(48 + (bits | 0x20 if more else bits)))
    return "".join(characters)


def _decompress(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts
