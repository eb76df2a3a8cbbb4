"""Labels that a user edits step by step, and back again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from napari_semantic_sam.annotation import acts
from napari_semantic_sam.annotation.changes import LabelsChange, Step
from napari_semantic_sam.annotation.commit import losses
from napari_semantic_sam.annotation.drawing import Drawn
from napari_semantic_sam.annotation.edits import mask_of, row_of
from napari_semantic_sam.annotation.stepping import Label, Stepping
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.label_chunks import Stored, within
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import LabelArray, slices_of
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.pieces import inner_pixel
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Box, CroppedMask

__all__ = ["Label", "LabelEditing"]


class LabelEditing(Stepping):
    """The labels of a picture, each edit of which is one step that can be undone.

    Every method that edits raises `UserError` if a label does not exist or nothing would
    change, and then leaves everything as it was.

    Parameters
    ----------
    levels : LevelLabels
        The labels.
    history : History, optional
        An empty one.

    Attributes
    ----------
    levels : LevelLabels
    history : History
        The steps so far.
    options : KeepOptions
        How masks are written.
    listeners : list of callables
        Called with ``("step" | "undo" | "redo" | "adopt", Step)`` after it was done.
    notice : str
        What the last step did to other labels, for the user; "" for nothing.
    """

    def seek(self, level: int, index: int) -> None:
        """Work on a plane that holds some of a label, the nearest one.

        Raises
        ------
        UserError
            If there is no such label.
        """
        row_of(self.levels, level, index)
        here = np.array(self.plane)
        planes = self.levels.planes_of(level, index)
        self.go(min(planes, key=lambda plane: float(np.abs(np.array(plane) - here).sum())))

    def mask_of(self, level: int, index: int) -> CroppedMask:
        """Return the pixels of a label in this plane."""
        return mask_of(self.levels, level, index)

    def label_prompt(self, level: int, index: int) -> Prompt:
        """Return the prompt that asks to refine a label."""
        centre = inner_pixel(self.mask_of(level, index))
        return Prompt("label", tuple(map(float, (level, index, *centre))))

    def delete(self, level: int, index: int) -> None:
        """Make a label background."""
        with self._edits() as edits:
            acts.delete(edits, level, index)
        self._finish(f"delete label {index} of level {level}", edits)

    def rename(
        self, level: int, index: int, *, object: str | None = None, part: str | None = None
    ) -> None:
        """Give a label names, "" for none; None leaves a name as it is.

        The score of a name that changes is forgotten: it was the model's.
        """
        with self._edits() as edits:
            acts.rename(edits, level, index, object=object, part=part)
        self._finish(f"rename label {index} of level {level}", edits)

    def move(self, level: int, index: int, to_level: int) -> LabelRow:
        """Take a label to another level, where the commit rule decides what it may cover."""
        area = row_of(self.levels, level, index).area
        rule = self.options.rule
        notice = self._losses(level, index, to_level) if rule == "replace" else ""
        with self._edits() as edits:
            row = acts.move(edits, level, index, to_level, rule)
        if row.area < area:
            notice = f"Of its {area} pixels only {row.area} were free in level {to_level}."
        moved = {(level, index): (to_level, row.index)}
        self._finish(f"move label {index} to level {to_level}", edits, moved, notice)
        return row_of(self.levels, to_level, row.index)

    def merge(self, level: int, indices: Sequence[int]) -> LabelRow:
        """Make labels of a level one, which keeps number and names of the first."""
        with self._edits() as edits:
            row = acts.merge(edits, level, indices)
        moved = {(level, index): (level, row.index) for index in indices}
        self._finish(f"merge {len(moved)} labels of level {level}", edits, moved)
        return row_of(self.levels, level, row.index)

    def split(self, level: int, index: int) -> list[LabelRow]:
        """Make each connected piece of a label one of its own; the largest keeps the number."""
        with self._edits() as edits:
            rows = acts.split(edits, level, index)
        self._finish(f"split label {index} of level {level}", edits)
        return [row_of(self.levels, level, row.index) for row in rows]

    def clean(self, level: int, index: int, cleanup: CleanUp) -> LabelRow:
        """Tidy up a label; other labels stay as they are."""
        with self._edits() as edits:
            row = acts.clean(edits, level, index, cleanup)
        self._finish(f"clean up label {index} of level {level}", edits)
        return row_of(self.levels, level, row.index)

    def record_stroke(
        self,
        level: int,
        window: Box,
        before: LabelArray,
        after: LabelArray,
        first: PlaneIndex | None = None,
    ) -> None:
        """Take over what the user drew in a level.

        Parameters
        ----------
        level : int
        window : (y0, x0, y1, x1) ints
            Holds all that changed.
        before, after : (..., y1 - y0, x1 - x0) integer arrays
            Whether `after` is in the level's array yet makes no difference. With `first` they
            have an axis for each axis of planes.
        first : tuple of int, optional
            The plane that they begin with; they are of this plane alone when left out.
        """
        drawn = [(self.plane, window, before, after)]
        if first is not None:
            drawn = [
                (_sum(first, offset), window, before[offset], after[offset])
                for offset in np.ndindex(before.shape[:-2])
            ]
        self.record_drawn(level, drawn)

    def record_drawn(self, level: int, drawn: Sequence[Drawn]) -> None:
        """Take over what the user drew in several places of a level, as one step.

        Parameters
        ----------
        level : int
        drawn : sequence of (plane, box, before, after)
            Boxes that do not overlap; see `record_stroke`.
        """
        self.settle()
        labels = self.levels.store(level)
        for plane, box, before, _ in drawn:
            labels[within(plane, slices_of(box))] = before
        with self._edits() as edits:
            for plane, box, _, after in drawn:
                with self.levels.at(plane):
                    edits.write(level, box, after)
        self._finish(f"draw in level {level}", edits)

    def replace_level(self, level: int, array: Stored, rows: Iterable[LabelRow] = ()) -> None:
        """Use another array for a level, which may be new.

        Parameters
        ----------
        level : int
        array : (*stack, H, W) integer array
            Becomes the level's array, of large planes a copy in blocks; the one it had is
            let go.
        rows : iterable of LabelRow, optional
            What is known about its labels; what was known before holds for the others.

        Raises
        ------
        ValueError
            If it is not an integer array of the picture's shape.
        """
        with self._edits() as edits:
            is_new = level not in self.levels.levels
            (edits.insert if is_new else edits.replace)(level, array, rows)
        self._finish(f"{'add' if is_new else 'replace'} level {level}", edits)

    def remove_level(self, level: int) -> None:
        """Forget a level; undo brings it back."""
        with self._edits() as edits:
            edits.remove(level)
        self._finish(f"remove level {level}", edits)

    def adopt(self, level: int, array: Stored, rows: Iterable[LabelRow] = ()) -> None:
        """Use what something else made of the labels of a level; no step, it was not done here.

        Parameters are those of `replace_level`.

        Raises
        ------
        ValueError
            If there is no such level, whose labels steps could tell from these, or if it is not
            an integer array of the picture's shape.
        """
        if level not in self.levels.levels:
            raise ValueError(f"there is no level {level}")
        self.settle()
        self.levels.attach(level, array, rows)
        change = LabelsChange(level, None, None, None, (), tuple(self.levels.rows(level)))
        self._tell("adopt", Step(f"adopt level {level}", (change,)))

    def _losses(self, level: int, index: int, to_level: int) -> str:
        """Say what labels of a level lose if a label of another level is written over them."""
        told: dict[str, None] = {}
        for plane in self.levels.planes_of(level, index):
            with self.levels.at(plane):
                told[losses(self.mask_of(level, index), self.levels, to_level)] = None
        return " ".join(filter(None, told))


def _sum(first: PlaneIndex, offset: PlaneIndex) -> PlaneIndex:
    return tuple(map(sum, zip(first, offset, strict=True)))
