"""The tree of objects on display."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QTreeView

from napari_semantic_sam.inference.automatic.tree import MaskTree, Node
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets.automatic.stack_facts import NO_STACK, StackFacts
from napari_semantic_sam.widgets.automatic.tree_model import COLUMNS, TreeModel
from napari_semantic_sam.widgets.cells import (
    WALKING_KEYS,
    select_rows,
    set_up,
    share_room,
    width_of,
)
from napari_semantic_sam.widgets.columns import TREE_TITLES
from napari_semantic_sam.widgets.controls import explained

_DIGITS = {"object": 10, "inside": 6, "area": 5, "predicted_iou": 5, "slices": 8, "volume": 6}
"""Widths of columns."""
_KEYPAD = Qt.KeyboardModifier.KeypadModifier
_WIDEST = 400
_INDENT = 12
"""Pixels."""
_LEAST_ROWS = 6


class TreeView(QTreeView):
    """Shows which object lies in which; what is selected and unfolded stays so."""

    go_to = Signal()
    delete = Signal()
    coarser = Signal()
    finer = Signal()
    hide_or_show = Signal()
    show_all = Signal()
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
        self.header().setStretchLastSection(False)
        self.setIndentation(_INDENT)  # so that nested names have room
        set_up(self)
        self._size_cells()
        self.doubleClicked.connect(lambda _: self.go_to.emit())
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self._is_refreshing = False
        plain, alt = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier
        self._acts = {
            (Qt.Key.Key_Return, plain): self.go_to,
            (Qt.Key.Key_Enter, plain): self.go_to,
            (Qt.Key.Key_Delete, plain): self.delete,
            (Qt.Key.Key_Backspace, plain): self.delete,
            (Qt.Key.Key_Left, alt): self.coarser,
            (Qt.Key.Key_Right, alt): self.finer,
            (Qt.Key.Key_H, plain): self.hide_or_show,
            (Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier): self.show_all,
        }
        self.show_levels(None)

    @property
    def tree(self) -> MaskTree:
        """What is on display."""
        return self._model.tree

    @property
    def selected(self) -> list[Node]:
        """Level and number of the objects that are selected, coarse to fine."""
        return sorted(map(self._model.node, self.selectionModel().selectedRows()))

    def show_hidden(self, hidden: Collection[Node]) -> None:
        """Show which labels are not drawn."""
        self._model.set_hidden(hidden)

    def show_levels(self, levels: LevelLabels | None, facts: StackFacts = NO_STACK) -> None:
        """Show the labels there are now, and where they are in a stack."""
        self._show_columns(facts)
        selected, unfolded = self.selected, self._unfolded()
        self._is_refreshing = True
        self._model.set_levels(levels, facts)
        for node in unfolded:
            self.expand(self._model.place(node))
        self.select(selected)
        self._is_refreshing = False

    def select(self, nodes: Iterable[Node]) -> None:
        """Select objects, those that exist."""
        wanted = list(nodes)
        if wanted != self.selected:
            select_rows(self, map(self._model.place, wanted))

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Ask for little: the layout gives what is left."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802  # Qt's name
        """Leave the names the room that the numbers do not need."""
        super().resizeEvent(event)
        self._share_room()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Act on what is selected; what is no key of a tree is left to the picture."""
        asked = self._acts.get((event.key(), event.modifiers() & ~_KEYPAD))
        if asked is not None:
            asked.emit()
        elif event.key() in WALKING_KEYS or event.matches(QKeySequence.StandardKey.SelectAll):
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
        for place, column in enumerate(COLUMNS):
            title, _ = TREE_TITLES[column]
            self.setColumnWidth(place, width_of(self, title, _DIGITS[column]))
        self._least = self.columnWidth(0)
        self.setMinimumHeight((self.fontMetrics().height() + 4) * (_LEAST_ROWS + 1))

    def _show_columns(self, facts: StackFacts) -> None:
        wanted = {"slices": facts.is_stack, "volume": facts.has_volumes}
        for column, is_shown in wanted.items():
            place = COLUMNS.index(column)
            if self.isColumnHidden(place) == is_shown:
                self.setColumnHidden(place, not is_shown)
                self._share_room()

    def _share_room(self) -> None:
        share_room(self, 0, range(1, len(COLUMNS)), (self._least, _WIDEST))
