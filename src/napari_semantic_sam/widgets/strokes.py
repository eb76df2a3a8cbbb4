"""What an item of the history of a Labels layer says about pixels before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_semantic_sam.inference.label_runs import LabelArray

Region = tuple[slice, ...]
"""A slice along every axis of the data."""

Atom = Sequence[Any]
"""Where, perhaps which pixels there, old values, new value."""


def read_stroke(
    stroke: Sequence[Atom], pixels: LabelArray
) -> tuple[Region, LabelArray, LabelArray]:
    """Return where a stroke was, and the pixels there before and after it.

    Parameters
    ----------
    stroke : sequence
        What napari announces as `paint`: one atom for every movement of the mouse.
    pixels : integer array
        Of the layer, whether the stroke is in it already or, as for the bucket, not yet.

    Returns
    -------
    region : tuple of slice
        Along all axes of the data.
    before, after : integer arrays
        What is in there.
    """
    regions = [_region(atom[0]) for atom in stroke]
    region = tuple(
        slice(min(each.start for each in along), max(each.stop for each in along))
        for along in zip(*regions, strict=True)
    )
    after = pixels[region].copy()
    for atom in stroke:
        _put(after, region, atom, atom[-1])
    before = after.copy()
    for atom in reversed(stroke):
        _put(before, region, atom, atom[-2])
    return region, before, after


def _region(where: Sequence[Any]) -> Region:
    if all(isinstance(along, slice) for along in where):
        return tuple(where)
    # Indices, which come from `data_setitem`.
    return tuple(slice(int(np.min(each)), int(np.max(each)) + 1) for each in where)


def _put(crop: LabelArray, region: Region, atom: Atom, values: Any) -> None:
    """Write values where an atom was, into what was cut out of the layer."""
    origin = tuple(along.start for along in region)
    where, mask = atom[0], getattr(atom, "mask", None)
    if not all(isinstance(along, slice) for along in where):
        crop[tuple(along - start for along, start in zip(where, origin, strict=True))] = values
        return
    part = crop[
        tuple(
            slice(along.start - start, along.stop - start)
            for along, start in zip(where, origin, strict=True)
        )
    ]
    part[... if mask is None else mask] = values
