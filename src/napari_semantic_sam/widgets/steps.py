"""Undo and redo, with what they would take back or do again."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_semantic_sam.annotation.history import History
from napari_semantic_sam.widgets.controls import explained, row
from napari_semantic_sam.widgets.tables import CONTROLS

_FRAME = 16
"""Pixels of a button beside its text."""


class StepButton(QPushButton):
    """A button that says what it does as far as its width allows; its tooltip says it all.

    Parameters
    ----------
    name : str
        Of its texts among the controls.
    """

    def __init__(self, name: str) -> None:
        super().__init__(CONTROLS[name].caption)
        explained(self, name)
        self._name = name
        self._step = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.show_step("")

    def show_step(self, step: str) -> None:
        """Say what would be undone or redone; "" for nothing, which disables the button."""
        self._step = step
        self.setEnabled(bool(step))
        tooltip = CONTROLS[self._name].tooltip
        self.setToolTip(f"{CONTROLS[self._name].plain} {step}\n{tooltip}" if step else tooltip)
        self._fit()

    @property
    def whole_width(self) -> int:
        """Pixels that all of the text needs."""
        return self.fontMetrics().horizontalAdvance(self._whole) + _FRAME

    @property
    def _whole(self) -> str:
        return f"{CONTROLS[self._name].plain} {self._step}".strip()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802  # Qt's name
        """Show as much of the text as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        control, room = CONTROLS[self._name], self.width() - _FRAME
        fitting = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, room)
        step = fitting[len(control.plain) :].replace("&", "&&")  # one alone makes an Alt key
        self.setText(f"{control.caption}{step}".strip())


class StepButtons(QWidget):
    """Undo and redo side by side, or below each other where both have much to say."""

    undo = Signal()
    redo = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.undo_button = StepButton("undo")
        self.redo_button = StepButton("redo")
        self._row = row(self.undo_button, self.redo_button)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.setLayout(self._row)
        self.undo_button.clicked.connect(self.undo)
        self.redo_button.clicked.connect(self.redo)

    def show_history(self, history: History | None) -> None:
        """Show what can be undone and redone."""
        self.undo_button.show_step(history.undo_text if history else "")
        self.redo_button.show_step(history.redo_text if history else "")
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802  # Qt's name
        """Find room for the whole texts."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        widths = [each.whole_width for each in (self.undo_button, self.redo_button)]
        is_beside = sum(widths) + self._row.spacing() <= self.width()
        direction = QBoxLayout.Direction
        self._row.setDirection(direction.LeftToRight if is_beside else direction.TopToBottom)
        for place, width in enumerate(widths):
            self._row.setStretch(place, width if is_beside else 0)
