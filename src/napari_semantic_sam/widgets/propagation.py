"""The control that follows a label through a stack."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_semantic_sam.widgets.controls import button, explained, row
from napari_semantic_sam.widgets.worker import Progress


class PropagationForm(QWidget):
    """The button that follows an object through a stack; of use for stacks only."""

    propagate = Signal()
    cancel = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.button = button("propagate")
        self.cancel_button = button("cancel_propagation")
        self.progress = explained(QProgressBar(), "progress")
        self.progress.setTextVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addLayout(row(self.progress, self.cancel_button))
        self.button.clicked.connect(self.propagate)
        self.cancel_button.clicked.connect(self.cancel)
        self.show_state(is_stack=False, progress=None)

    def show_state(self, *, is_stack: bool, progress: Progress | None) -> None:
        """Show whether there is a stack, and how far an object was followed."""
        self.setVisible(is_stack)
        self.button.setVisible(progress is None)
        self.progress.setVisible(progress is not None)
        self.cancel_button.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, 0 if progress.fraction is None else 100)
            self.progress.setValue(round(100 * (progress.fraction or 0)))
