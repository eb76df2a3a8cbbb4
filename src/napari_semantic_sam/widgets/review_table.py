"""The table of kept objects."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.widgets.cells import (
    WALKING_KEYS,
    select_rows,
    set_up,
    share_room,
    width_of,
)
from napari_semantic_sam.widgets.columns import COLUMN_TITLES
from napari_semantic_sam.widgets.controls import explained
from napari_semantic_sam.widgets.names import NameBook, NameDelegate
from napari_semantic_sam.widgets.review_model import COLUMNS, NAMES, Key, ReviewModel, key

_DIGITS = {"level": 5, "index": 4, "object": 8, "area": 6}
"""Widths of columns."""
_OTHER_DIGITS = 5
_LEAST_DIGITS = 4
"""Of the object's name in a narrow panel."""
_IN_VIEW = ("level", "index", "area", "predicted_iou")
"""Columns beside the object's name; those with others scroll into view."""
_LEAST_ROWS = 4


class ReviewTable(QTableView):
    """Shows the rows of all levels; thousands of them stay quick.

    Attributes
    ----------
    names : NameBook
        What is suggested while a name is typed.
    """

    go_to = Signal()
    delete = Signal()

    def __init__(self) -> None:
        super().__init__()
        explained(self, "table")
        self.names = NameBook()
        self._selected_before: set[Key] = set()
        self._model = ReviewModel(self)
        self.renamed = self._model.renamed
        self.setModel(self._model)
        self.setItemDelegate(NameDelegate(self, self.names.names))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        set_up(self)
        self.setWordWrap(False)
        self.setSortingEnabled(True)
        self._size_cells()
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.doubleClicked.connect(self._on_double_click)
        self._model.modelAboutToBeReset.connect(self._note_selection)
        self._model.modelReset.connect(self._select_again)

    @property
    def selected(self) -> list[LabelRow]:
        """The rows that are selected, from top to bottom."""
        rows, indices = self._model.rows, self.selectionModel().selectedRows()
        return [rows[each] for each in sorted(index.row() for index in indices)]

    def show_rows(self, rows: Sequence[LabelRow]) -> None:
        """Show other rows; what is selected stays selected."""
        self.names.add(rows)
        self._model.set_rows(rows)

    def select(self, keys: set[Key]) -> None:
        """Select labels by level and index, the first of them as the current one."""
        found = [row for row, each in enumerate(self._model.rows) if key(each) in keys]
        if found:
            places = [self._model.index(row, 0) for row in found]
            select_rows(self, places)
            no_update = QItemSelectionModel.SelectionFlag.NoUpdate
            self.selectionModel().setCurrentIndex(places[0], no_update)

    def edit_name(self) -> None:
        """Let the user type the name of the current object, or its part if he is there."""
        index = self.currentIndex()
        if index.isValid():
            column = COLUMNS[index.column()]
            place = index.column() if column in NAMES else COLUMNS.index("object")
            self.scrollTo(self._model.index(index.row(), place))
            self.edit(self._model.index(index.row(), place))

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Ask for little: the layout gives what is left."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802  # Qt's name
        """Shorten names where there is little room, rather than hide numbers."""
        super().resizeEvent(event)
        beside = [COLUMNS.index(column) for column in _IN_VIEW]
        share_room(self, COLUMNS.index("object"), beside, self._limits)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Go to, delete and rename; what is no key of a table is left to the picture."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.go_to.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete.emit()
        elif event.key() == Qt.Key.Key_F2:
            self.edit_name()
        elif event.key() in WALKING_KEYS or event.matches(QKeySequence.StandardKey.SelectAll):
            super().keyPressEvent(event)
        else:
            event.ignore()

    def _note_selection(self) -> None:
        self._selected_before = {key(row) for row in self.selected}

    def _select_again(self) -> None:
        self.select(self._selected_before)

    def _on_double_click(self, index: QModelIndex) -> None:
        if COLUMNS[index.column()] not in NAMES:  # those are edited
            self.go_to.emit()

    def _size_cells(self) -> None:
        letter = self.fontMetrics().averageCharWidth()
        line = self.fontMetrics().height() + 4
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setMinimumSectionSize(letter * 3)
        for place, column in enumerate(COLUMNS):
            title, _ = COLUMN_TITLES[column]
            digits = _DIGITS.get(column, _OTHER_DIGITS)
            self.setColumnWidth(place, width_of(self, title, digits))
        most = self.columnWidth(COLUMNS.index("object"))
        self._limits = (width_of(self, "", _LEAST_DIGITS), most)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(line)
        self.setMinimumHeight(line * (_LEAST_ROWS + 2))
