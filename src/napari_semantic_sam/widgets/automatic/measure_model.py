"""Measurements as a table for Qt."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from napari_semantic_sam.annotation.measuring import MeasuredTable
from napari_semantic_sam.widgets.cells import ALIGN_NUMBER


class MeasureModel(QAbstractTableModel):
    """The rows of a table of measurements; sorted here."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._table = MeasuredTable((), ())

    @property
    def table(self) -> MeasuredTable:
        """The table in the order on display."""
        return self._table

    def set_table(self, table: MeasuredTable) -> None:
        """Show another table."""
        self.beginResetModel()
        self._table = table
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._table.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of measurements."""
        return 0 if parent is not None and parent.isValid() else len(self._table.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        value = self._table.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return ALIGN_NUMBER
        return None

    def headerData(  # noqa: N802  # Qt's name
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the name of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._table.columns[section]
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; numbers that are not known come first."""
        if not 0 <= column < len(self._table.columns):
            return
        rows = sorted(
            self._table.rows,
            key=lambda row: _sortable(row[column]),
            reverse=order == Qt.SortOrder.DescendingOrder,
        )
        self.set_table(MeasuredTable(self._table.columns, tuple(rows)))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _sortable(value: Any) -> Any:
    return -math.inf if isinstance(value, float) and math.isnan(value) else value
