"""What tables and trees of objects have in common: titles, alignment, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import Qt
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
