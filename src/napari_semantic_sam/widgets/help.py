"""All keys, layers and controls, in a window of their own."""

from __future__ import annotations

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QTextBrowser, QVBoxLayout, QWidget

from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.key_table import reference_as_markdown

_SIZE = (460, 560)


class HelpDialog(QDialog):
    """Shows every key, gesture, layer and control, from the same table as the documents.

    Parameters
    ----------
    parent : QWidget
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(HINTS["help title"])
        self.resize(*_SIZE)
        self.keys = QTextBrowser()
        self.keys.setMarkdown(reference_as_markdown())
        footer = QLabel(HINTS["help footer"])
        footer.setWordWrap(True)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.keys)
        layout.addWidget(footer)
        layout.addWidget(close)
