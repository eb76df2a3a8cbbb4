"""What tables and trees of objects have in common: titles, alignment, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QTableView, QTreeView

ALIGN_NUMBER: Final = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
"""Of a cell with a number, as Qt wants it."""

WALKING_KEYS: Final = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Space,
)
"""Keys that a table or tree is left to answer itself."""

_PADDING = 8
"""Pixels of a cell beside its text."""


def title_of(
    titles: Mapping[str, tuple[str, str]], section: int, orientation: Qt.Orientation, role: int
) -> str | None:
    """Return the title of a column or its tooltip, as `headerData` has to.

    Parameters
    ----------
    titles : mapping of str to (title, tooltip)
        In the order of the columns.
    section : int
        Number of the column.
    orientation, role
        As Qt asks.
    """
    if orientation != Qt.Orientation.Horizontal:
        return None
    title, tooltip = list(titles.values())[section]
    texts = {int(Qt.ItemDataRole.DisplayRole): title, int(Qt.ItemDataRole.ToolTipRole): tooltip}
    return texts.get(int(role))


def are_same(first: Sequence[object], second: Sequence[object]) -> bool:
    """Whether two sequences hold the very same objects."""
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def set_up(view: QTableView | QTreeView) -> None:
    """Let Tab lead to the next control, and long rows scroll smoothly."""
    view.setTabKeyNavigation(False)
    view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)


def select_rows(view: QTableView | QTreeView, places: Iterable[QModelIndex]) -> None:
    """Select rows and nothing else.

    Whoever listens is told once: to be told row by row takes minutes for thousands of them.

    Parameters
    ----------
    view : QTableView or QTreeView
    places : iterable of QModelIndex
        One in each row; those that are not valid are left out.
    """
    wanted = QItemSelection()
    for place in places:
        if place.isValid():
            wanted.select(place, place)
    flags = QItemSelectionModel.SelectionFlag
    view.selectionModel().select(wanted, flags.ClearAndSelect | flags.Rows)


def width_of(view: QTableView | QTreeView, title: str, digits: int) -> int:
    """Return the width of a column with room for its title and some digits, in pixels."""
    metrics = view.fontMetrics()
    return max(map(metrics.horizontalAdvance, (title, "0" * digits))) + _PADDING


def share_room(
    view: QTableView | QTreeView, column: int, beside: Iterable[int], limits: tuple[int, int]
) -> None:
    """Have a column take the room that others leave it.

    Parameters
    ----------
    view : QTableView or QTreeView
    column : int
    beside : iterable of int
        The columns that should be in view without scrolling.
    limits : (least, most)
        Of its width, in pixels.
    """
    taken = sum(view.columnWidth(each) for each in beside)  # 0 of hidden ones
    least, most = limits
    view.setColumnWidth(column, min(max(view.viewport().width() - taken, least), most))
