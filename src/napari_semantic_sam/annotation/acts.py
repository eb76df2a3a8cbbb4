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
from napari_semantic_sam.inference.level_labels import LabelRow, Source, describe
from napari_semantic_sam.inference.pieces import pieces_of
from napari_semantic_sam.inference.results import CroppedMask, around


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


def delete(edits: Edits, level: int, index: int) -> None:
    """Make a label background."""
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
    """Take a label to another level; of the rules, "fill" is as "keep" here."""
    levels, row = edits.levels, row_of(edits.levels, level, index)
    if to_level == level:
        raise UserError(f"Label {index} is in level {level} already; choose another level.")
    allowed: CommitRule = "replace" if rule == "replace" else "keep"
    mask = cut_to_rule(mask_of(levels, level, index), levels, to_level, allowed)
    if not mask.area:
        raise UserError(
            f"Label {index} was not moved: level {to_level} has labels already where it is; "
            'choose another level, or the rule "replace".'
        )
    new = levels.next_index(to_level)
    delete(edits, level, index)
    _repaint(edits, mask, to_level, new, [replace(row, index=new, level=to_level)])
    return row_of(levels, to_level, new)


def merge(edits: Edits, level: int, indices: Sequence[int]) -> LabelRow:
    """Make several labels one, which keeps number and names of the first."""
    levels = edits.levels
    rows = [row_of(levels, level, index) for index in dict.fromkeys(indices)]
    if len(rows) < 2:
        raise UserError("Choose at least two labels of a level to merge them.")
    first, *others = (row.index for row in rows)
    box = around(levels.box(level, row.index) for row in rows)
    pixels = levels.pixels(level, box)
    pixels[np.isin(pixels, others)] = first
    edits.write(level, box, pixels)
    return row_of(levels, level, first)


def split(edits: Edits, level: int, index: int) -> list[LabelRow]:
    """Make each connected piece of a label one of its own; the largest keeps the number."""
    levels, row = edits.levels, row_of(edits.levels, level, index)
    mask = mask_of(levels, level, index)
    pieces, count = pieces_of(mask.crop)
    if count <= 1:
        raise UserError(f"Label {index} of level {level} is in one piece already.")
    by_size = np.argsort(-np.bincount(pieces[mask.crop])[1:], kind="stable") + 1
    first = levels.next_index(level, count - 1)
    new = range(first, first + count - 1)
    numbers = np.zeros(count + 1, dtype=np.int64)
    numbers[by_size] = [index, *new]
    pixels = levels.pixels(level, mask.box)
    pixels[mask.crop] = numbers[pieces[mask.crop]]
    edits.write(level, mask.box, pixels, [replace(row, index=each) for each in new])
    return [row_of(levels, level, each) for each in (index, *new)]


def clean(edits: Edits, level: int, index: int, cleanup: CleanUp) -> LabelRow:
    """Tidy up a label; what it grows by is taken from the background only."""
    levels, mask = edits.levels, mask_of(edits.levels, level, index)
    tidy = cut_to_rule(cleanup.apply(mask), levels, level, "keep", own=index)
    tidy = tidy if tidy.area else mask
    box = around([mask.box, tidy.box])
    pixels = levels.pixels(level, box)
    pixels[mask.window(box)] = 0
    pixels[tidy.window(box)] = index
    edits.write(level, box, pixels)
    if not edits.changes:
        raise UserError(f"There is nothing to clean up in label {index} of level {level}.")
    return row_of(levels, level, index)


def _repaint(
    edits: Edits, mask: CroppedMask, level: int, value: int, rows: Iterable[LabelRow] = ()
) -> None:
    pixels = edits.levels.pixels(level, mask.box)
    pixels[mask.crop] = value
    edits.write(level, mask.box, pixels, rows)
