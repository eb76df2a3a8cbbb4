"""The objects in the making, and the way back to an earlier one."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QComboBox

from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.widgets.controls import explained, narrow
from napari_semantic_sam.widgets.hints import HINTS

_KEYS = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Space,
    Qt.Key.Key_F4,
)

Entry = tuple[int | None, str]
"""An object's number, and what the user reads about it."""


class ObjectChooser(QComboBox):
    """Shows the objects in the making of a plane, the active one as the chosen one."""

    chosen = Signal(int)
    """Emitted with the number of the object that the user wants to go on with."""

    def __init__(self) -> None:
        super().__init__()
        explained(self, "object")
        narrow(self)
        self._entries: list[Entry] = []
        self.show_session(None)
        self.activated.connect(self._on_activated)

    def show_session(self, session: AnnotationSession | None) -> None:
        """Show the objects of the plane on display."""
        entries = _entries(session) or [(None, HINTS["no object"])]
        active = session.active if session else None
        with QSignalBlocker(self):
            if entries != self._entries:
                self._entries = entries
                self.clear()
                self.addItems([text for _, text in entries])
            numbers = [number for number, _ in entries]
            self.setCurrentIndex(numbers.index(active) if active in numbers else -1)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Leave all keys but those of a list to the picture, such as K to keep."""
        if event.key() in _KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def _on_activated(self, index: int) -> None:
        number, _ = self._entries[index]
        if number is not None:
            self.chosen.emit(number)


def _entries(session: AnnotationSession | None) -> list[Entry]:
    if session is None:
        return []
    groups = session.groups
    new = [] if session.active is None else [session.active]
    return [
        (number, _text(session, number, len(groups.get(number, ()))))
        for number in sorted({*groups, *new})
    ]


def _text(session: AnnotationSession, number: int, count: int) -> str:
    is_kept = bool(session.state(number).kept)
    hint = "kept object" if is_kept else {0: "new object", 1: "one prompt"}.get(count, "object")
    return HINTS[hint].format(group=number, count=count)
