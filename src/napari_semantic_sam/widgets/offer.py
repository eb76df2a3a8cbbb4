"""The offer to bring back an annotation that was interrupted."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_semantic_sam.widgets.controls import button, compact, plain_text, row


class JournalOffer(QWidget):
    """A sentence and two buttons, seen only while there is something to bring back."""

    restore = Signal()
    discard = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = plain_text("offer")
        self.restore_button = button("restore")
        self.discard_button = button("discard")
        layout = QVBoxLayout(self)
        compact(layout)
        layout.addWidget(self.text)
        layout.addLayout(row(self.restore_button, self.discard_button))
        self.restore_button.clicked.connect(self.restore)
        self.discard_button.clicked.connect(self.discard)
        self.show_offer(None)

    def show_offer(self, text: str | None) -> None:
        """Offer an annotation, described by a sentence; None for nothing."""
        self.text.setText(text or "")
        self.setVisible(text is not None)
