"""Steps of an annotation: what was done is told, taken back and made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from napari_semantic_sam.annotation.bulk import Applying, Patch, Writing, takes_long
from napari_semantic_sam.annotation.changes import Change, LabelsChange, Step
from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.edits import Edits
from napari_semantic_sam.annotation.history import History
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LevelLabels

Event = Literal["step", "undo", "redo", "adopt"]
Listener = Callable[[Event, Step], None]
Label = tuple[int, int]
"""Level and number."""


class Stepping:
    """Labels of a picture and a stack of steps that can be undone.

    Parameters
    ----------
    levels : LevelLabels
        The labels.
    history : History, optional
        An empty one.
    """

    def __init__(self, levels: LevelLabels, history: History | None = None) -> None:
        self.levels = levels
        self.history = history or History()
        self.options = KeepOptions()
        self.listeners: list[Listener] = []
        self.notice = ""
        self._writing: Writing | Applying | None = None

    @property
    def plane(self) -> PlaneIndex:
        """The plane of a stack that is worked on; ``()`` if there is only one."""
        return self.levels.plane

    def go(self, plane: PlaneIndex) -> None:
        """Work on another plane."""
        self.levels.plane = plane

    def begin_adding(self, patches: Sequence[Patch]) -> None:
        """Begin to add many labels as one step; `write_some` and `settle` go on with it.

        Parameters
        ----------
        patches : sequence of Patch
        """
        self.settle()
        self._writing = Writing(self.levels, patches, self.options.rule)

    @property
    def is_writing(self) -> bool:
        """Whether many labels are being written, for the first time or again."""
        return self._writing is not None

    def write_some(self) -> int | None:
        """Write a few of the labels that are being written.

        Returns
        -------
        int or None
            Their level; None if there was nothing left to write.

        Raises
        ------
        UserError
            If the type of a level's array cannot count so far; nothing is added then.
        """
        writing, self._writing = self._writing, None
        if writing is None:
            return None
        level = None if writing.is_done else writing.write_next()
        if not writing.is_done:
            self._writing = writing
        elif isinstance(writing, Writing):
            self._finish("segment the image", writing.edits)
            self.notice = writing.notice  # even if nothing was written
        return level

    def settle(self) -> set[int]:
        """Write all labels that are still being written; every other edit begins with this.

        Returns
        -------
        set of int
            The levels in which some were written.
        """
        levels = set()
        while self._writing is not None:
            levels.add(self.write_some())
        return {level for level in levels if level is not None}

    def perform(self, step: Step) -> None:
        """Do a step that was recorded, as if the user did it now."""
        self._apply(step)
        self._record(step)

    def undo(self) -> Step | None:
        """Take the last step back, and return it; None if there is none."""
        self.settle()
        step = self.history.undo()
        if step:
            self.notice = ""
            self._apply(step.reversed())
            self._tell("undo", step)
        return step

    def redo(self) -> Step | None:
        """Make the last step that was taken back again, and return it; None if there is none."""
        self.settle()
        step = self.history.redo()
        if step:
            self.notice = ""
            self._apply(step)
            self._tell("redo", step)
        return step

    def _edits(self) -> Edits:
        """Return a place to edit labels."""
        self.settle()
        return Edits(self.levels)

    def _finish(
        self,
        text: str,
        edits: Edits,
        moved: Mapping[Label, Label] | None = None,
        notice: str = "",
    ) -> None:
        """Record edits that were made as a step, along with what follows from them."""
        if edits.changes:
            follow = self._follow(edits.changes, moved or {})
            self._record(Step(text, (*edits.changes, *follow)), notice)

    def _record(self, step: Step, notice: str = "") -> None:
        self.notice = notice
        self.history.push(step)
        self._tell("step", step)

    def _follow(
        self, changes: Sequence[LabelsChange], moved: Mapping[Label, Label]
    ) -> list[Change]:
        """Make, and return, the changes that follow from changes of labels; here none."""
        return []

    def _apply(self, step: Step) -> None:
        """Make the changes of a step, or begin to, and work on a plane that it is about."""
        if step.planes and self.plane not in step.planes:
            self.levels.plane = step.planes[0]
        changes = [change for change in step.changes if isinstance(change, LabelsChange)]
        if changes:
            self.settle()
            self._writing = Applying(self.levels, changes)
            if not takes_long(changes):
                with self.levels.parents_at_end():
                    self.settle()

    def _tell(self, event: Event, step: Step) -> None:
        for listener in tuple(self.listeners):
            listener(event, step)
