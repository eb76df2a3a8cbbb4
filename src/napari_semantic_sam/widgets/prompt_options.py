"""How the next click or box is understood."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QRadioButton, QVBoxLayout, QWidget

from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.widgets.controls import (
    button,
    check,
    check_box,
    compact,
    explained,
    row,
)
from napari_semantic_sam.widgets.object_chooser import ObjectChooser
from napari_semantic_sam.widgets.tables import CONTROLS


class PromptOptions(QWidget):
    """Sign, objects and hover; it shows what it is told and says what the user wants."""

    flipped = Signal()
    object_chosen = Signal(int)
    """Emitted with the number of the object that the user goes back to."""
    next_object = Signal()
    separate_changed = Signal(bool)
    hover_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.belongs = explained(QRadioButton(CONTROLS["belongs"].caption), "belongs")
        self.not_belongs = explained(QRadioButton(CONTROLS["not_belongs"].caption), "not_belongs")
        self.belongs.setChecked(True)
        self.object = ObjectChooser()
        self.next_button = button("next_object")
        self.separate = check_box("separate")
        self.hover = check_box("hover")
        self._lay_out()
        self._connect()

    def show_state(self, *, positive: bool, separate: bool, hover: bool) -> None:
        """Show how the next prompt is understood."""
        with QSignalBlocker(self.belongs):
            (self.belongs if positive else self.not_belongs).setChecked(True)
        check(self.separate, separate)
        check(self.hover, hover)

    def show_object(self, session: AnnotationSession | None) -> None:
        """Say which objects are being made, from how many prompts."""
        self.object.show_session(session)
        self.object.setEnabled(session is not None and session.active is not None)
        for sign in (self.belongs, self.not_belongs):
            sign.setEnabled(session is not None)
        self.next_button.setEnabled(session is not None and session.active is not None)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        compact(layout)
        layout.setSpacing(2)  # which makes room for the list of objects on a small screen
        signs = row(self.belongs, self.not_belongs)
        signs.addStretch(1)
        layout.addLayout(signs)
        following = row(self.object, self.next_button)
        following.setStretch(0, 1)
        layout.addLayout(following)
        layout.addWidget(self.separate)
        layout.addWidget(self.hover)

    def _connect(self) -> None:
        self.belongs.toggled.connect(self.flipped)
        self.object.chosen.connect(self.object_chosen)
        self.next_button.clicked.connect(self.next_object)
        self.separate.toggled.connect(self.separate_changed)
        self.hover.toggled.connect(self.hover_changed)
