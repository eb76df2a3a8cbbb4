"""What an item of the history of a Labels layer says about pixels before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_semantic_sam.inference.label_runs import LabelArray, Window, hull
from napari_semantic_sam.inference.results import Box

Atom = Sequence[Any]
"""Where, perhaps which pixels there, old values, new value."""


def read_stroke(stroke: Sequence[Atom], pixels: LabelArray) -> tuple[Box, LabelArray, LabelArray]:
    """Return where a stroke was, and the pixels there before and after it.

    Parameters
    ----------
    stroke : sequence
        What napari announces as `paint`: one atom for every movement of the mouse.
    pixels : (H, W) integer array
        Of the layer, whether the stroke is in it already or, as for the bucket, not yet.

    Returns
    -------
    box : (y0, x0, y1, x1) ints
    before, after : (y1 - y0, x1 - x0) integer arrays
    """
    rows, columns = window = hull([_window(atom[0]) for atom in stroke])
    after = pixels[window].copy()
    for atom in stroke:
        _put(after, window, atom, atom[-1])
    before = after.copy()
    for atom in reversed(stroke):
        _put(before, window, atom, atom[-2])
    return (rows.start, columns.start, rows.stop, columns.stop), before, after


def _window(where: Sequence[Any]) -> Window:
    if all(isinstance(along, slice) for along in where):
        rows, columns = where
    else:  # indices, which come from `data_setitem`
        rows, columns = (slice(int(each.min()), int(each.max()) + 1) for each in where)
    return rows, columns


def _put(crop: LabelArray, window: Window, atom: Atom, values: Any) -> None:
    """Write values where an atom was, into what was cut out of the layer."""
    origin = (window[0].start, window[1].start)
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
