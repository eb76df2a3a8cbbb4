"""What a user does to the session in progress, one method for each act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import napari.viewer
from napari.layers import Labels
from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.editing import Label
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.session_view import SessionView


class Acts:
    """Acts of the user on a session; nothing happens while there is none.

    What a user can cause is told as a notification, never raised.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Attributes
    ----------
    options : KeepOptions
        How masks are kept, in this session and later ones.
    separate : bool
        Whether every prompt is an object of its own, likewise.
    """

    changed = Signal()
    """Emitted when anything a panel shows may have changed."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.options = KeepOptions()
        self.separate = False
        self._viewer = viewer
        self._view: SessionView | None = None

    @property
    def session(self) -> AnnotationSession | None:
        """The session in progress."""
        return self._view.session if self._view else None

    def level_layer(self, level: int) -> Labels | None:
        """Return the layer of a level of the session in progress."""
        return self._view.levels.layer(level) if self._view else None

    @property
    def positive(self) -> bool:
        """Whether the next prompt belongs to the object."""
        return self._view is None or self._view.prompts.positive

    def show(self, index: int) -> None:
        """Display a candidate of the active object, 0 for the coarsest."""
        self._act(lambda view: view.session.show(index))

    def coarser(self) -> None:
        """Display the next coarser candidate."""
        self._act(lambda view: view.session.show(view.session.current.index - 1))

    def finer(self) -> None:
        """Display the next finer candidate."""
        self._act(lambda view: view.session.show(view.session.current.index + 1))

    def mark(self, index: int | None = None, on: bool | None = None) -> None:
        """Mark a candidate to be kept along, or no longer; the one on display, or the other way."""

        def do(view: SessionView) -> None:
            session = view.session
            which = session.current.index if index is None else index
            session.mark(which, which not in session.current.marked if on is None else on)

        self._act(do)

    def keep(self) -> None:
        """Write the candidate on display and the marked ones into their level layers."""
        self._act(lambda view: view.session.keep())

    def set_target_level(self, level: int | None) -> None:
        """Choose where the mask on display goes; None for its own level."""
        self._act(lambda view: setattr(view.session, "target_level", level))

    def set_options(self, options: KeepOptions) -> None:
        """Choose how masks are kept."""
        self.options = options
        self._act(lambda view: setattr(view.session, "options", options))

    def flip_sign(self) -> None:
        """Switch the sign of selected prompts or, if none is being selected, of the next one."""
        self._act(lambda view: view.flip_sign())

    def next_object(self) -> None:
        """Let the next prompt begin an object."""
        self._act(lambda view: view.next_object())

    def previous_object(self) -> None:
        """Go back to the object before the active one; from the first to the last."""
        self._act(lambda view: view.previous_object())

    def activate(self, group: int) -> None:
        """Go back to an object, to show its candidates and add prompts to it."""
        self._act(lambda view: view.activate(group))

    def set_separate(self, on: bool) -> None:
        """Choose whether every prompt is an object of its own."""
        self.separate = on
        self._act(lambda view: setattr(view.session, "separate", on))

    def undo(self) -> None:
        """Take the last step back."""
        self._act(lambda view: view.undo())

    def redo(self) -> None:
        """Make the step again that was taken back last."""
        self._act(lambda view: view.redo())

    def delete_all(self, labels: Sequence[Label]) -> None:
        """Make labels background, as one step."""
        self._act(lambda view: view.session.delete_all(labels))

    def rename_all(
        self, labels: Sequence[Label], *, object: str | None = None, part: str | None = None
    ) -> None:
        """Give labels the same names, as one step; None leaves a name as it is."""
        self._act(lambda view: view.session.rename_all(labels, object=object, part=part))

    def move_all(self, labels: Sequence[Label], to_level: int) -> None:
        """Take labels to another level, as one step."""
        self._act(lambda view: view.session.move_all(dict.fromkeys(labels, to_level)))

    def shift_levels(self, labels: Sequence[Label], by: int) -> None:
        """Take labels so many levels finer, or coarser if it is negative, as one step."""

        def do(view: SessionView) -> None:
            count = len(view.opened.picture.model.level_order)
            for level, _ in labels:
                if not 1 <= level + by <= count:
                    message = MESSAGES["no coarser" if by < 0 else "no finer"]
                    raise UserError(message.format(level=level))
            view.session.move_all({label: label[0] + by for label in labels})

        self._act(do)

    def split_all(self, labels: Sequence[Label]) -> None:
        """Make each connected piece of labels a label of its own, as one step."""
        self._act(lambda view: view.session.split_all(labels))

    def clean_all(self, labels: Sequence[Label], cleanup: CleanUp) -> None:
        """Tidy up labels, as one step."""
        self._act(lambda view: view.session.clean_all(labels, cleanup))

    def merge(self, level: int, indices: Sequence[int]) -> None:
        """Make labels of a level one."""
        self._act(lambda view: view.session.merge(level, indices))

    def refine_label(self, level: int | None = None, index: int | None = None) -> None:
        """Begin an object with a label as its prompt: by default the one under the mouse."""

        def do(view: SessionView) -> None:
            if level is None or index is None:
                label = view.label_to_refine(self._viewer.cursor.position)
            else:
                label = (level, index)
            if label is None:
                raise UserError(MESSAGES["no label"])
            view.refine(*label)

        self._act(do)

    def _act(self, do: Callable[[SessionView], Any]) -> None:
        """Let the user act on the session, and answer what waits then."""
        try:
            view = self._view
            if view:
                view.act(lambda: do(view))
        except UserError as error:
            show_warning(str(error))
        self._on_change()

    def _on_change(self) -> None:
        """Answer what the session may wait for."""
        self.changed.emit()
