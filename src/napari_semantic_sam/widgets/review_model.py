"""Kept objects as a table for Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal

from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.widgets.cells import ALIGN_NUMBER, are_same, title_of
from napari_semantic_sam.widgets.columns import COLUMN_TITLES

COLUMNS = tuple(COLUMN_TITLES)
NAMES = ("object", "part")
"""Columns that can be edited."""
_NUMBERS = ("level", "index", "area", "predicted_iou")

Key = tuple[int, int]
"""Level and index of a label."""


class ReviewModel(QAbstractTableModel):
    """The rows of all levels; sorted here, which is much quicker than through a proxy."""

    renamed = Signal(int, int, str, str)
    """Emitted with level, index, ``"object"`` or ``"part"``, and the new name."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._rows: list[LabelRow] = []
        self._sorted_by = (0, Qt.SortOrder.AscendingOrder)

    @property
    def rows(self) -> tuple[LabelRow, ...]:
        """The rows in the order on display."""
        return tuple(self._rows)

    def set_rows(self, rows: Sequence[LabelRow]) -> None:
        """Show other rows; the model is reset only if there are other labels or another order."""
        ordered = self._in_order(rows)
        if are_same(ordered, self._rows):
            return
        if [key(row) for row in ordered] == [key(row) for row in self._rows]:
            self._rows = ordered  # a name being typed is not disturbed
            self.dataChanged.emit(self.index(0, 0), self.index(len(ordered) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self._rows = ordered
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of kept objects."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of facts."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self._rows[index.row()], COLUMNS[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return cell_text(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return ALIGN_NUMBER
        return None

    def setData(  # noqa: N802  # Qt's name
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Ask for a new name; whoever listens to `renamed` decides."""
        row, column = self._rows[index.row()], COLUMNS[index.column()]
        name = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or name == getattr(row, column):
            return False
        self.renamed.emit(row.level, row.index, column, name)
        return True

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what a user can do with a cell."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        editable = COLUMNS[index.column()] in NAMES
        return flags | Qt.ItemFlag.ItemIsEditable if editable else flags

    def headerData(  # noqa: N802  # Qt's name
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column, or its tooltip."""
        return title_of(COLUMN_TITLES, section, orientation, role)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; rows that are equal in it by level and index."""
        self._sorted_by = (column, order)
        self.set_rows(self._rows)

    def _in_order(self, rows: Sequence[LabelRow]) -> list[LabelRow]:
        column, order = self._sorted_by
        name = COLUMNS[column]
        ordered = sorted(rows, key=key)
        ordered.sort(
            key=lambda row: _sortable(row, name), reverse=order == Qt.SortOrder.DescendingOrder
        )
        return ordered


def key(row: LabelRow) -> Key:
    """Return what identifies a label."""
    return row.level, row.index


def cell_text(row: LabelRow, column: str) -> str:
    """Return a fact as users read it."""
    if column == "parent":
        return f"{row.parent_level} · {row.parent}" if row.parent_level else ""
    value = getattr(row, column)
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.2f}"
    return str(value)


def _sortable(row: LabelRow, column: str) -> Any:
    value = (row.parent_level, row.parent) if column == "parent" else getattr(row, column)
    if isinstance(value, float) and math.isnan(value):
        return -1.0  # which compares with nothing
    return value.casefold() if isinstance(value, str) else value
