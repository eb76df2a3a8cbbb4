"""A part of the panel that can be folded away."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_semantic_sam.widgets.controls import explained
from napari_semantic_sam.widgets.tables import CONTROLS


class Section(QWidget):
    """A title that folds and unfolds what is below it.

    (superqt's QCollapsible fixes the height of its content, which does not suit a table that
    grows with the dock or a text that wraps.)

    Parameters
    ----------
    name : str
        Of its texts among the controls.
    content : QWidget
    """

    toggled = Signal(bool)
    """Emitted with True when it is unfolded, False when it is folded."""

    def __init__(self, name: str, content: QWidget) -> None:
        super().__init__()
        self.name = name
        self.content = content
        self.header = explained(QToolButton(), name)
        self.header.setCheckable(True)
        self.header.setChecked(True)
        self.header.setText(CONTROLS[name].caption)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.toggled.connect(self._fold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(content, 1)
        self._fold(True)

    @property
    def is_open(self) -> bool:
        """Whether its content can be seen."""
        return bool(self.header.isChecked())

    def set_open(self, is_open: bool) -> None:
        """Unfold or fold it."""
        self.header.setChecked(is_open)

    def set_title(self, title: str) -> None:
        """Show another title than the one in the table."""
        self.header.setText(title)

    def _fold(self, is_open: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.header.setArrowType(arrow)
        self.content.setVisible(is_open)
        self.toggled.emit(is_open)
