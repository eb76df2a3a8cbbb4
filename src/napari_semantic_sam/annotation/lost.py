"""What an act on many labels cost others, in a few words."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from napari_semantic_sam.annotation.changes import LabelsChange
from napari_semantic_sam.annotation.stepping import Label


def areas_around(changes: Iterable[LabelsChange]) -> dict[Label, tuple[int, int]]:
    """Return the area of every label that was touched, before all of the changes and after.

    0 where it does not exist; of a stack, over all planes.
    """
    found: dict[Label, tuple[int, int]] = {}
    for change in changes:
        before = {row.index: row.area for row in change.rows_before}
        after = {row.index: row.area for row in change.rows_after}
        for index in before.keys() | after.keys():
            label = (change.level, index)
            begin = found[label][0] if label in found else before.get(index, 0)
            found[label] = (begin, after.get(index, 0))
    return found


def told_losses(changes: Iterable[LabelsChange], own: Collection[Label]) -> str:
    """Say how many labels were written over, wholly or in part; "" for none.

    Parameters
    ----------
    changes : iterable of LabelsChange
        In order.
    own : collection of Label
        Those that the act was about.
    """
    others = [areas for label, areas in areas_around(changes).items() if label not in own]
    gone = sum(before > 0 == after for before, after in others)
    less = sum(before > after > 0 for before, after in others)
    told = [f"{count(gone)} in the way {'is' if gone == 1 else 'are'} gone." if gone else ""]
    told.append(f"{count(less)} in the way lost pixels." if less else "")
    return " ".join(filter(None, told))


def count(labels: int) -> str:
    """Return a number of labels in words."""
    return "1 label" if labels == 1 else f"{labels} labels"
