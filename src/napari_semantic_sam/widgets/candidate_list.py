"""The distinct masks of an object, as rows to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeyEvent, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from napari_semantic_sam.widgets.controls import explained
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.tables import LEVEL_COLOURS

_ROWS = 6
_SLACK = 4
"""Pixels that themes put around the rows."""
_KEYS = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Space,
)


@dataclass(frozen=True)
class CandidateRow:
    """What a row says about a candidate.

    Attributes
    ----------
    level, area : int
        Area in pixels.
    quality : float
        Predicted IoU.
    name : str
        "" while it has none.
    marked, kept : bool
    """

    level: int
    area: int
    quality: float
    name: str = ""
    marked: bool = False
    kept: bool = False

    @property
    def text(self) -> str:
        """Level, name, area and quality."""
        pattern = HINTS["named candidate" if self.name else "candidate"]
        text = pattern.format(
            level=self.level, name=self.name, area=self.area, quality=self.quality
        )
        return text + HINTS["kept mark"] if self.kept else text


class CandidateList(QListWidget):
    """Choosing a row shows its mask; its check mark says that it is to be kept, too."""

    chosen = Signal(int)
    """Emitted with the index of the candidate that the user wants to see."""
    marked = Signal(int, bool)
    """Emitted with the index of a candidate and whether it is to be kept."""

    def __init__(self) -> None:
        super().__init__()
        explained(self, "list")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setUniformItemSizes(True)
        self._fit_rows(self.fontMetrics().height())
        self.currentRowChanged.connect(self._on_row)
        self.itemChanged.connect(self._on_item)

    def show_rows(self, rows: Sequence[CandidateRow], current: int) -> None:
        """Show candidates, the one at `current` as the one on display."""
        with QSignalBlocker(self):
            while self.count() > len(rows):
                self.takeItem(self.count() - 1)
            while self.count() < len(rows):
                self.addItem(QListWidgetItem())
            for index, row in enumerate(rows):
                _fill(self.item(index), row)
            self.setCurrentRow(current if rows else -1)
        if rows:  # the theme decides how high they are
            self._fit_rows(self.sizeHintForRow(0))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Leave all keys but those of a list to the picture, such as K to keep."""
        if event.key() in _KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def _fit_rows(self, height: int) -> None:
        margins = self.contentsMargins()
        frame = 2 * self.frameWidth() + margins.top() + margins.bottom()
        self.setFixedHeight(_ROWS * height + frame + _SLACK)

    def _on_row(self, index: int) -> None:
        if index >= 0:
            self.chosen.emit(index)

    def _on_item(self, item: QListWidgetItem) -> None:
        self.marked.emit(self.row(item), item.checkState() == Qt.CheckState.Checked)


def _fill(item: QListWidgetItem, row: CandidateRow) -> None:
    if item.text() != row.text:
        item.setText(row.text)
        item.setIcon(_swatch(row.level))
    item.setCheckState(Qt.CheckState.Checked if row.marked else Qt.CheckState.Unchecked)


def _swatch(level: int) -> QIcon:
    """Return the colour that a level has in the preview."""
    pixmap = QPixmap(10, 10)
    pixmap.fill(QColor(*LEVEL_COLOURS[(level - 1) % len(LEVEL_COLOURS)]))
    return QIcon(pixmap)
