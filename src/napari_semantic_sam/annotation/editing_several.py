"""Several labels that a user edits at once, each time as one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from napari_semantic_sam.annotation import acts, several
from napari_semantic_sam.annotation.editing import Label, LabelEditing
from napari_semantic_sam.annotation.lost import areas_around, count, told_losses
from napari_semantic_sam.inference.cleanup import CleanUp


class SeveralEditing(LabelEditing):
    """Edits of several labels; errors and parameters are those of `LabelEditing`."""

    def delete_all(self, labels: Sequence[Label]) -> None:
        """Make labels background, as one step."""
        with self._edits() as edits:
            several.delete(edits, labels)
        self._finish(f"delete {_count(labels)}", edits)

    def rename_all(
        self, labels: Sequence[Label], *, object: str | None = None, part: str | None = None
    ) -> None:
        """Give labels the same names, as one step; see `rename`."""
        with self._edits() as edits:
            for label in labels:
                acts.rename(edits, *label, object=object, part=part)
        self._finish(f"rename {_count(labels)}", edits)

    def move_all(self, places: Mapping[Label, int]) -> None:
        """Take labels to other levels, as one step; those that find no free pixel stay.

        Parameters
        ----------
        places : mapping of Label to int
            The level for each label.
        """
        if len(places) == 1:
            ((label, to_level),) = places.items()
            self.move(*label, to_level)
            return
        with self._edits() as edits:
            moved = several.move(edits, places, self.options.rule)
        left = sum(label[0] != level for label, level in places.items()) - len(moved)
        areas = areas_around(edits.changes)
        cut = sum(areas[place][1] < areas[label][0] for label, place in moved.items())
        told = [
            f"{count(left)} stayed: there are labels already where they would go." if left else "",
            f"{count(cut)} lost pixels that were not free there." if cut else "",
            told_losses(edits.changes, moved.keys() | set(moved.values())),
        ]
        self._finish(f"move {_count(moved)}", edits, moved, " ".join(filter(None, told)))

    def split_all(self, labels: Sequence[Label]) -> None:
        """Make each connected piece of labels one of its own, as one step; see `split`."""
        with self._edits() as edits:
            several.each(labels, lambda level, index: acts.split(edits, level, index))
        self._finish(f"split {_count(labels)}", edits)

    def clean_all(self, labels: Sequence[Label], cleanup: CleanUp) -> None:
        """Tidy up labels, as one step; see `clean`."""
        with self._edits() as edits:
            several.each(labels, lambda level, index: acts.clean(edits, level, index, cleanup))
        self._finish(f"clean up {_count(labels)}", edits)


def _count(labels: Collection[Label]) -> str:
    if len(labels) != 1:
        return f"{len(labels)} labels"
    ((level, index),) = labels
    return f"label {index} of level {level}"
