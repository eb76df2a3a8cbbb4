"""Labels, rows and prompts as plain data that JSON can hold, and back without a loss."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.label_arrays import is_large, zeros
from napari_semantic_sam.inference.label_chunks import Stored, occupied, within
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import LabelArray, box_of, runs, slices_of
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Box

Plain = dict[str, Any]

_COUNTS = np.dtype("<u4")
_FIELDS = {field.name: field.default for field in fields(LabelRow)}


def encode_labels(array: LabelArray) -> Plain:
    """Return a label array as its runs along rows.

    Parameters
    ----------
    array : (h, w) integer array

    Returns
    -------
    dict
        ``dtype``, ``shape``, ``values`` (the different labels) and ``runs``: n runs, row by
        row, none longer than a row, as 2 n little-endian uint32 (n lengths in pixels, then n
        positions in ``values``), compressed with zlib and written in base64.
    """
    begins, lengths = runs([array])
    values, positions = np.unique(array[begins], return_inverse=True)
    numbers = np.concatenate([lengths, positions]).astype(_COUNTS)
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "values": values.tolist(),
        "runs": base64.b64encode(zlib.compress(numbers.tobytes())).decode("ascii"),
    }


def decode_labels(data: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Return the array that `encode_labels` was given.

    Raises
    ------
    ValueError
        If the runs do not fill the array, or cannot be read.
    """
    try:
        packed = zlib.decompress(base64.b64decode(data["runs"], validate=True))
    except zlib.error as error:
        raise ValueError(f"runs that cannot be unpacked ({error})") from error
    lengths, positions = np.frombuffer(packed, dtype=_COUNTS).reshape(2, -1)
    values = np.array(data["values"], dtype=np.dtype(data["dtype"]))
    return np.repeat(values[positions], lengths).reshape(data["shape"])


@dataclass(frozen=True, eq=False)
class LevelPixels:
    """The labels of a level of a picture, without planes and blocks that have none.

    Attributes
    ----------
    shape : tuple of int
        ``(H, W)``, for a stack with the lengths of its other axes before them.
    dtype : str
    parts : tuple of (PlaneIndex, Box, (h, w) integer array)
        Windows of planes; they do not overlap.
    """

    shape: tuple[int, ...]
    dtype: str
    parts: tuple[tuple[PlaneIndex, Box, LabelArray], ...]

    def array(self) -> Stored:
        """Return all of them in a new array."""
        array = zeros(self.shape, self.dtype)
        for plane, box, pixels in self.parts:
            array[within(plane, slices_of(box))] = pixels
        return array


def whole_level(levels: LevelLabels, level: int) -> LevelPixels:
    """Return a copy of all labels of a level."""
    labels = levels.store(level)
    parts = tuple(
        (plane, box_of(window), np.array(labels[within(plane, window)]))
        for plane in levels.occupied(level)
        for window in occupied(labels, plane)
    )
    return LevelPixels(labels.shape, labels.dtype.name, parts)


def encode_level(level: LevelPixels) -> Plain:
    """Return the labels of a level; one plane as ``labels``, others as ``planes``.

    Of a large plane there are several, each with its upper left corner as ``at``.
    """
    if len(level.shape) == 2 and not is_large(level.shape):
        return {"labels": encode_labels(np.asarray(level.array()))}
    planes = [
        {"plane": list(map(int, plane)), "labels": encode_labels(pixels)}
        | ({"at": list(map(int, box[:2]))} if is_large(level.shape) else {})
        for plane, box, pixels in level.parts
    ]
    return {"shape": list(level.shape), "dtype": level.dtype, "planes": planes}


def decode_level(data: Mapping[str, Any]) -> LevelPixels:
    """Return what `encode_level` was given.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the data is not of that form.
    """
    if "labels" in data:
        array = decode_labels(data["labels"])
        return LevelPixels(array.shape, array.dtype.name, (((), (0, 0, *array.shape), array),))
    return LevelPixels(tuple(data["shape"]), data["dtype"], tuple(map(_part, data["planes"])))


def _part(data: Mapping[str, Any]) -> tuple[PlaneIndex, Box, LabelArray]:
    pixels = decode_labels(data["labels"])
    top, left = data.get("at", (0, 0))
    height, width = pixels.shape
    return tuple(data["plane"]), (top, left, top + height, left + width), pixels


def encode_row(row: LabelRow) -> Plain:
    """Return the facts about a label that differ from a blank row; NaN becomes None."""
    facts = {name: _plain(getattr(row, name)) for name in _FIELDS}
    return {name: value for name, value in facts.items() if value != _plain(_FIELDS[name])}


def decode_row(data: Mapping[str, Any]) -> LabelRow:
    """Return the row that `encode_row` was given.

    Raises
    ------
    TypeError
        If there is a fact that rows do not have, or the number or the level is missing.
    """
    facts: Plain = {name: math.nan if value is None else value for name, value in data.items()}
    return LabelRow(**facts)


def encode_groups(groups: Mapping[int, Sequence[Prompt]]) -> Plain:
    """Return groups of prompts by their number."""
    return {str(group): encode_prompts(prompts) for group, prompts in groups.items()}


def decode_groups(data: Mapping[str, Any]) -> dict[int, tuple[Prompt, ...]]:
    """Return the groups that `encode_groups` was given."""
    return {int(group): decode_prompts(prompts) for group, prompts in data.items()}


def encode_prompts(prompts: Iterable[Prompt]) -> list[list[Any]]:
    """Return prompts as ``[kind, positive, coordinate, …]``."""
    return [
        [prompt.kind, bool(prompt.positive), *map(float, prompt.coordinates)] for prompt in prompts
    ]


def decode_prompts(data: Iterable[Sequence[Any]]) -> tuple[Prompt, ...]:
    """Return the prompts that `encode_prompts` was given."""
    return tuple(Prompt(kind, tuple(where), positive) for kind, positive, *where in data)


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's, and None for NaN, which JSON does not have."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
