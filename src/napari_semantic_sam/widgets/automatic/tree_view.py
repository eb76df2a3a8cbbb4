"""The tree of objects on display."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from qtpy.QtCore import QItemSelectionModel, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QTreeView

from napari_semantic_sam.inference.automatic.tree import MaskTree, Node
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets.automatic.tree_model import COLUMNS, TreeModel
from napari_semantic_sam.widgets.controls import explained

_LETTERS = {"object": 16, "inside": 8, "area": 6, "predicted_iou": 6}
_PADDING = 10
"""Pixels."""
_LEAST_ROWS = 6
_KEYS = (
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


class TreeView(QTreeView):
    """Shows which object lies in which; what is selected and unfolded stays so."""

    go_to = Signal()
    delete = Signal()
    chosen = Signal()
    """Emitted when the user selected other objects."""

    def __init__(self) -> None:
        super().__init__()
        explained(self, "tree_view")
        self._model = TreeModel(self)
        self.setModel(self._model)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setExpandsOnDoubleClick(False)
        self.setTabKeyNavigation(False)  # Tab leads to the next control
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._size_cells()
        self.doubleClicked.connect(lambda _: self.go_to.emit())
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self._is_refreshing = False

    @property
    def tree(self) -> MaskTree:
        """What is on display."""
        return self._model.tree

    @property
    def selected(self) -> list[Node]:
        """Level and number of the objects that are selected, coarse to fine."""
        return sorted(map(self._model.node, self.selectionModel().selectedRows()))

    def show_levels(self, levels: LevelLabels | None) -> None:
        """Show the labels there are now."""
        selected, unfolded = self.selected, self._unfolded()
        self._is_refreshing = True
        self._model.set_levels(levels)
        for node in unfolded:
            self.expand(self._model.place(node))
        self.select(selected)
        self._is_refreshing = False

    def select(self, nodes: Iterable[Node]) -> None:
        """Select objects, those that exist."""
        wanted = list(nodes)
        if wanted == self.selected:
            return
        self.selectionModel().clearSelection()
        flags = QItemSelectionModel.SelectionFlag
        for node in wanted:
            place = self._model.place(node)
            if place.isValid():
                self.selectionModel().select(place, flags.Select | flags.Rows)

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Ask for little: the layout gives what is left."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Go to and delete; what is no key of a tree is left to the picture."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.go_to.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete.emit()
        elif event.key() in _KEYS or event.matches(event.StandardKey.SelectAll):
            super().keyPressEvent(event)
        else:
            event.ignore()

    def _unfolded(self) -> Collection[Node]:
        children = self.tree.children
        found, waiting = [], list(self.tree.roots)
        while waiting:
            node = waiting.pop()
            if children[node] and self.isExpanded(self._model.place(node)):
                found.append(node)
                waiting += children[node]
        return found

    def _on_selection(self) -> None:
        if not self._is_refreshing:
            self.chosen.emit()

    def _size_cells(self) -> None:
        letter = self.fontMetrics().averageCharWidth()
        for place, column in enumerate(COLUMNS):
            self.setColumnWidth(place, letter * _LETTERS[column] + _PADDING)
        self.setMinimumHeight((self.fontMetrics().height() + 4) * (_LEAST_ROWS + 1))
