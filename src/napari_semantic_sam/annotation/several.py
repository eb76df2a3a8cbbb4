"""What can be done to several labels at once.

Deleting and moving read and write labels that lie near each other together, which is quick even
for thousands of them; `each` goes through them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.annotation.bulk import tile_of
from napari_semantic_sam.annotation.commit import CommitRule
from napari_semantic_sam.annotation.edits import Edits, row_of
from napari_semantic_sam.annotation.stepping import Label
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Box, around


def delete(edits: Edits, labels: Iterable[Label]) -> None:
    """Make labels background, in all planes."""
    levels = edits.levels
    for level, rows in _by_level(edits, labels).items():
        for plane, box, indices in _by_place(levels, level, rows):
            with levels.at(plane):
                pixels = levels.pixels(level, box)
                pixels[np.isin(pixels, indices)] = 0
                edits.write(level, box, pixels)


def move(edits: Edits, places: Mapping[Label, int], rule: CommitRule) -> dict[Label, Label]:
    """Take labels to other levels, all those of one level at a time.

    Of the rules, "fill" is as "keep". A label that finds no free pixel stays where it is.
    Labels that leave a level make room for those that come from coarser ones.

    Parameters
    ----------
    edits : Edits
    places : mapping of Label to int
        The level for each label.
    rule : CommitRule

    Returns
    -------
    dict of Label to Label
        The labels that were moved, and what they are now.

    Raises
    ------
    UserError
        If a label does not exist or none was moved.
    """
    leaving = {label: level for label, level in places.items() if label[0] != level}
    moved: dict[Label, Label] = {}
    by_level = _by_level(edits, leaving)
    upwards = [level for level in by_level if _goes_up(level, by_level[level], leaving)]
    downwards = [level for level in by_level if level not in upwards]
    for level in [*upwards, *reversed(downwards)]:
        for target in sorted({leaving[level, row.index] for row in by_level[level]}):
            those = [row for row in by_level[level] if leaving[level, row.index] == target]
            moved |= _move_together(edits, level, those, target, rule)
    if not moved:
        raise UserError(
            "Nothing was moved: the labels are in that level already, or others are where they "
            'would go; choose another level, or the rule "replace".'
        )
    return moved


def each(labels: Iterable[Label], act: Callable[[int, int], object]) -> None:
    """Do the same to labels; those for which it makes no difference are left out.

    Raises
    ------
    UserError
        If it makes no difference for any.
    """
    refused = None
    is_done = False
    for label in labels:
        try:
            act(*label)
            is_done = True
        except UserError as error:
            refused = refused or error
    if refused and not is_done:
        raise refused


def _move_together(
    edits: Edits, level: int, rows: Sequence[LabelRow], target: int, rule: CommitRule
) -> dict[Label, Label]:
    """Take labels from one level to another."""
    levels = edits.levels
    parts = _by_place(levels, level, rows)
    going: set[int] = set()
    for plane, box, indices in parts:
        with levels.at(plane):
            wanted = _wanted(levels, level, box, indices, target, rule)
            going |= set(np.unique(levels.pixels(level, box)[wanted]).tolist())
    those = [row for row in rows if row.index in going]
    if not those:
        return {}
    first = levels.next_index(target, len(those))
    new = {
        row.index: replace(row, index=first + place, level=target)
        for place, row in enumerate(those)
    }
    for plane, box, indices in parts:
        with levels.at(plane):
            leaving = [index for index in indices if index in going]
            source = levels.pixels(level, box)
            present = levels.pixels(target, box).astype(np.int64)
            wanted = _wanted(levels, level, box, leaving, target, rule)
            present[wanted] = _renumbered(source[wanted], new)
            edits.write(level, box, np.where(np.isin(source, leaving), 0, source))
            edits.write(target, box, present, [new[index] for index in leaving])
    return {(level, old): (target, row.index) for old, row in new.items()}


def _renumbered(pixels: LabelArray, rows: Mapping[int, LabelRow]) -> LabelArray:
    """Return pixels with the numbers of other rows."""
    old, places = np.unique(pixels, return_inverse=True)
    new: LabelArray = np.array([rows[int(index)].index for index in old], dtype=np.int64)
    return new[places]


def _wanted(
    levels: LevelLabels,
    level: int,
    box: Box,
    indices: Sequence[int],
    target: int,
    rule: CommitRule,
) -> npt.NDArray[np.bool_]:
    """Return the pixels of labels that may be written into another level."""
    own: npt.NDArray[np.bool_] = np.isin(levels.pixels(level, box), indices)
    return own if rule == "replace" else own & (levels.pixels(target, box) == 0)


def _by_place(
    levels: LevelLabels, level: int, rows: Sequence[LabelRow]
) -> list[tuple[PlaneIndex, Box, list[int]]]:
    """Return labels that lie near each other, plane by plane, and a box around them.

    A box around distant ones could be as large as the plane.
    """
    found: dict[tuple[PlaneIndex, tuple[int, ...]], dict[int, Box]] = {}
    for row in rows:
        for plane in levels.planes_of(level, row.index):
            with levels.at(plane):
                box = levels.box(level, row.index)
            found.setdefault((plane, tile_of(box)), {})[row.index] = box
    return [
        (plane, around(boxes.values()), list(boxes)) for (plane, _), boxes in sorted(found.items())
    ]


def _goes_up(level: int, rows: Iterable[LabelRow], places: Mapping[Label, int]) -> bool:
    return all(places[level, row.index] < level for row in rows)


def _by_level(edits: Edits, labels: Iterable[Label]) -> dict[int, list[LabelRow]]:
    """Return the rows of labels by level, coarse to fine."""
    found: dict[int, list[LabelRow]] = {}
    for level, index in sorted(set(labels)):
        found.setdefault(level, []).append(row_of(edits.levels, level, index))
    return found
