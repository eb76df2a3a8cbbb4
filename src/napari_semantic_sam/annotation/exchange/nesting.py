"""Objects of a file into the label arrays of levels; nested ones go to finer levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_semantic_sam.annotation.exchange.document import Document, Header
from napari_semantic_sam.inference.label_runs import LabelArray, box_of, measure, slices_of
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.results import CroppedMask

SLIVER = 0.1
"""Neighbours in one level may share up to this part of the smaller one, by sloppy outlines."""

_LARGEST = np.iinfo(np.uint64).max


@dataclass(frozen=True)
class MaskedObject:
    """A mask with its facts; level 0 means that the file gives none.

    Attributes
    ----------
    mask : CroppedMask
        With at least one pixel.
    row : LabelRow
    """

    mask: CroppedMask
    row: LabelRow


def objects_of(document: Document) -> Iterator[MaskedObject]:
    """Yield the labels of a document, which is complete, by level and index."""
    for level, array in sorted(document.levels.items()):
        measured = measure(array, (0, 0))
        for row in document.rows[level]:
            window = measured[row.index][1]
            crop = array[window] == row.index
            yield MaskedObject(CroppedMask(box_of(window), crop, document.shape), row)


def assemble(
    objects: Iterable[MaskedObject],
    shape: tuple[int, int],
    header: Header,
    facts: Mapping[str, Any],
    notes: Iterable[str],
) -> Document:
    """Draw objects into label arrays and complete their rows.

    Objects with a level go there first. The others follow from large to small: one that
    overlaps no other is of level 1, one that lies on others is one level finer than the
    finest of them. Overlaps of at most a tenth of the smaller object do not count; there the
    pixels go to the smaller object, as they do where objects of one level overlap.

    Parameters
    ----------
    objects : iterable of MaskedObject
    shape : (H, W)
        Of the picture.
    header : Header
        Its levels are made even if they have no objects.
    facts : mapping
        Keywords of `Document`.
    notes : iterable of str
        What is to be told besides.
    """
    canvas = _Canvas(shape, header)
    listed = list(objects)
    for each in listed:
        if each.row.level > 0:
            canvas.draw(each, each.row.level)
    for each in sorted((o for o in listed if o.row.level < 1), key=lambda o: -o.mask.area):
        canvas.draw(each, canvas.level_for(each.mask))
    told = [*notes, *canvas.notes()]
    return Document(shape, canvas.levels, canvas.rows(), notes=tuple(told), **facts).completed()


class _Canvas:
    """Label arrays that objects are drawn into one after the other."""

    def __init__(self, shape: tuple[int, int], header: Header) -> None:
        self.levels: dict[int, LabelArray] = {
            level: np.zeros(shape, dtype=dtype) for level, dtype in header.dtypes.items()
        }
        self._shape = shape
        self._rows: dict[int, dict[int, LabelRow]] = {level: {} for level in self.levels}
        self._shared = 0

    def level_for(self, mask: CroppedMask) -> int:
        """Return the level below everything that a mask lies on."""
        for level in sorted(self.levels, reverse=True):
            under = self.levels[level][slices_of(mask.box)][mask.crop]
            if np.count_nonzero(under) > SLIVER * mask.area:
                return level + 1
        return 1

    def draw(self, drawn: MaskedObject, level: int) -> None:
        """Write an object into a level, under its own number if that is free."""
        rows = self._rows.setdefault(level, {})
        index = drawn.row.index
        if not 0 < index <= _LARGEST or index in rows:
            index = max(rows, default=0) + 1
        array = self._array(level, index)
        window, crop = array[slices_of(drawn.mask.box)], drawn.mask.crop
        self._shared += int(np.count_nonzero(window[crop]))
        window[crop] = index
        rows[index] = replace(drawn.row, level=level, index=index)

    def rows(self) -> dict[int, list[LabelRow]]:
        """Return the rows of what is still to be seen."""
        return {
            level: [rows[index] for index in np.unique(self.levels[level]).tolist() if index]
            for level, rows in self._rows.items()
        }

    def notes(self) -> list[str]:
        """Return what became of objects that overlap in one level."""
        found = []
        if self._shared:
            found.append(
                "Pixels that several objects of one level claimed, which went to one of them: "
                f"{self._shared}."
            )
        hidden = sum(
            len(rows) - np.count_nonzero(np.unique(self.levels[level]))
            for level, rows in self._rows.items()
        )
        if hidden:
            found.append(f"Objects that others hide, which were left out: {hidden}.")
        return found

    def _array(self, level: int, index: int) -> LabelArray:
        array = self.levels.get(level)
        if array is None:
            array = np.zeros(self._shape, dtype=np.int32)
        if index > np.iinfo(array.dtype).max:
            array = array.astype(np.int64 if index <= np.iinfo(np.int64).max else np.uint64)
        self.levels[level] = array
        return array
