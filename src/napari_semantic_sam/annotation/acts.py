"""What can be done to labels: each act writes through `Edits`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from napari_semantic_sam.annotation.commit import CommitRule, Planned, cut_to_rule
from napari_semantic_sam.annotation.edits import Edits, mask_of, row_of
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.label_runs import slices_of
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels, Source, describe
from napari_semantic_sam.inference.pieces import pieces_of
from napari_semantic_sam.inference.results import EMPTY, Box, CroppedMask, around


def write_mask(edits: Edits, planned: Planned, source: Source) -> LabelRow:
    """Write a mask as a label, new or in place of the one that it refines."""
    levels, level, mask = edits.levels, planned.level, planned.mask
    index = planned.refines or levels.next_index(level)
    row = describe(mask, index, level, source)
    box, old = mask.box, levels.row(level, planned.refines)
    if old:
        box = around([box, levels.box(level, index)])
        row = replace(row, object=old.object, object_score=old.object_score)
        row = replace(row, part=old.part, part_score=old.part_score)
    pixels = levels.pixels(level, box)
    if old:
        pixels[pixels == index] = 0
    pixels[mask.window(box)] = index
    edits.write(level, box, pixels, [row])
    return row_of(levels, level, index)


def rewrite(edits: Edits, level: int, row: LabelRow, mask: CroppedMask | None) -> None:
    """Give a label another mask in this plane, or none; the rest of the stack stays."""
    levels = edits.levels
    boxes = [levels.box(level, row.index), EMPTY if mask is None else mask.box]
    boxes = [box for box in boxes if box != EMPTY]
    if not boxes:
        return
    box = around(boxes)
    pixels = levels.pixels(level, box)
    pixels[pixels == row.index] = 0
    if mask is not None:
        pixels[mask.window(box)] = row.index
    edits.write(level, box, pixels, [row])


def delete(edits: Edits, level: int, index: int) -> None:
    """Make a label background in all planes."""
    row_of(edits.levels, level, index)
    for plane in edits.levels.planes_of(level, index):
        with edits.levels.at(plane):
            _repaint(edits, mask_of(edits.levels, level, index), level, 0)


def rename(edits: Edits, level: int, index: int, *, object: str | None, part: str | None) -> None:
    """Give a label other names, and forget the scores of those that change; None leaves one."""
    row = row_of(edits.levels, level, index)
    if object is not None and object != row.object:
        row = replace(row, object=object, object_score=math.nan)
    if part is not None and part != row.part:
        row = replace(row, part=part, part_score=math.nan)
    edits.learn(level, row)


def move(edits: Edits, level: int, index: int, to_level: int, rule: CommitRule) -> LabelRow:
    """Take a label to another level in all planes; of the rules, "fill" is as "keep" here."""
    levels, row = edits.levels, row_of(edits.levels, level, index)
    if to_level == level:
        raise UserError(f"Label {index} is in level {level} already; choose another level.")
    allowed: CommitRule = "replace" if rule == "replace" else "keep"
    masks = {}
    for plane in levels.planes_of(level, index):
        with levels.at(plane):
            masks[plane] = cut_to_rule(mask_of(levels, level, index), levels, to_level, allowed)
    if not any(mask.area for mask in masks.values()):
        raise UserError(
            f"Label {index} was not moved: level {to_level} has labels already where it is; "
            'choose another level, or the rule "replace".'
        )
    new = levels.next_index(to_level)
    delete(edits, level, index)
    for plane, mask in masks.items():
        with levels.at(plane):
            _repaint(edits, mask, to_level, new, [replace(row, index=new, level=to_level)])
    return row_of(levels, to_level, new)


def merge(edits: Edits, level: int, indices: Sequence[int]) -> LabelRow:
    """Make several labels one, which keeps number and names of the first."""
    levels = edits.levels
    rows = [row_of(levels, level, index) for index in dict.fromkeys(indices)]
    if len(rows) < 2:
        raise UserError("Choose at least two labels of a level to merge them.")
    first, *others = (row.index for row in rows)
    for plane in sorted({each for index in others for each in levels.planes_of(level, index)}):
        with levels.at(plane):
            boxes = (levels.box(level, index) for index in others)
            box = around(box for box in boxes if box != EMPTY)
            pixels = levels.pixels(level, box)
            pixels[np.isin(pixels, others)] = first
            edits.write(level, box, pixels)
    return row_of(levels, level, first)


def split(edits: Edits, level: int, index: int) -> list[LabelRow]:
    """Make each connected piece of a label one of its own; the largest keeps the number.

    Pieces of a stack are connected through its planes, too.
    """
    levels, row = edits.levels, row_of(edits.levels, level, index)
    first_plane, box = _surroundings(levels, level, index)
    mask = levels.store(level)[(*first_plane, *slices_of(box))] == index
    pieces, count = pieces_of(mask)
    if count <= 1:
        raise UserError(f"Label {index} of level {level} is in one piece already.")
    by_size = np.argsort(-np.bincount(pieces[mask])[1:], kind="stable") + 1
    first = levels.next_index(level, count - 1)
    new = range(first, first + count - 1)
    numbers = np.zeros(count + 1, dtype=np.int64)
    numbers[by_size] = [index, *new]
    rows = [replace(row, index=each) for each in new]
    starts = [along.start for along in first_plane]
    for plane in levels.planes_of(level, index):
        inside = tuple(at - start for at, start in zip(plane, starts, strict=True))
        with levels.at(plane):
            pixels = levels.pixels(level, box)
            pixels[mask[inside]] = numbers[pieces[inside][mask[inside]]]
            edits.write(level, box, pixels, rows)
    return [row_of(levels, level, each) for each in (index, *new)]


def clean(edits: Edits, level: int, index: int, cleanup: CleanUp) -> LabelRow:
    """Tidy up a label plane by plane; what it grows by is taken from the background only."""
    levels = edits.levels
    row_of(levels, level, index)
    for plane in levels.planes_of(level, index):
        with levels.at(plane):
            _clean_plane(edits, level, index, cleanup)
    if not edits.changes:
        raise UserError(f"There is nothing to clean up in label {index} of level {level}.")
    return row_of(levels, level, index)


def _surroundings(levels: LevelLabels, level: int, index: int) -> tuple[tuple[slice, ...], Box]:
    """Return what surrounds a label in a stack: along the axes of planes, and in each of them."""
    planes = levels.planes_of(level, index)
    along = tuple(slice(min(each), max(each) + 1) for each in zip(*planes, strict=True))
    boxes = []
    for plane in planes:
        with levels.at(plane):
            boxes.append(levels.box(level, index))
    return along, around(boxes)


def _clean_plane(edits: Edits, level: int, index: int, cleanup: CleanUp) -> None:
    levels, mask = edits.levels, mask_of(edits.levels, level, index)
    tidy = cut_to_rule(cleanup.apply(mask), levels, level, "keep", own=index)
    tidy = tidy if tidy.area else mask
    box = around([mask.box, tidy.box])
    pixels = levels.pixels(level, box)
    pixels[mask.window(box)] = 0
    pixels[tidy.window(box)] = index
    edits.write(level, box, pixels)


def _repaint(
    edits: Edits, mask: CroppedMask, level: int, value: int, rows: Iterable[LabelRow] = ()
) -> None:
    pixels = edits.levels.pixels(level, mask.box)
    pixels[mask.crop] = value
    edits.write(level, mask.box, pixels, rows)
