"""Which object lies in which, as a tree for Qt."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QFont

from napari_semantic_sam.inference.automatic.tree import MaskTree, Node
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.widgets.automatic.stack_facts import NO_STACK, StackFacts
from napari_semantic_sam.widgets.cells import ALIGN_NUMBER, are_same, title_of
from napari_semantic_sam.widgets.columns import TREE_TITLES
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.review_model import cell_text

COLUMNS = tuple(TREE_TITLES)
_NUMBERS = ("area", "volume", "slices", "predicted_iou")
_OF_HIDDEN = (
    Qt.ItemDataRole.FontRole,
    Qt.ItemDataRole.ToolTipRole,
    Qt.ItemDataRole.AccessibleDescriptionRole,
)


class TreeModel(QAbstractItemModel):
    """The labels of all levels, each below the one that contains it.

    Thousands of labels take an instant: Qt asks for what is on display only.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._rows: list[LabelRow] = []
        self._hidden: frozenset[Node] = frozenset()
        self._levels: LevelLabels | None = None
        self._facts = NO_STACK
        self._italic = QFont()
        self._italic.setItalic(True)
        self._tree = MaskTree({}, {})
        self._show(self._tree)

    @property
    def tree(self) -> MaskTree:
        """What is on display."""
        return self._tree

    def set_levels(self, levels: LevelLabels | None, facts: StackFacts = NO_STACK) -> None:
        """Show the labels there are now; the model is reset only if the tree is another one."""
        self._levels, self._facts = levels, facts
        rows = [row for each in levels.levels for row in levels.rows(each)] if levels else []
        if are_same(rows, self._rows):
            return
        tree = MaskTree.of(levels) if levels else MaskTree({}, {})
        self._rows = rows
        if tree.children == self._tree.children:
            self._tree = tree
            self._tell_changed()
            return
        self.beginResetModel()
        self._show(tree)
        self.endResetModel()

    def set_hidden(self, hidden: Collection[Node]) -> None:
        """Show which labels are not drawn."""
        if self._hidden != hidden:
            self._hidden = frozenset(hidden)
            self._tell_changed()

    def node(self, index: QModelIndex) -> Node:
        """Return level and number of the label at a place that exists."""
        return self._nodes[index.internalId()]

    def place(self, node: Node) -> QModelIndex:
        """Return where a label is; a place that is not valid if there is no such label."""
        if node not in self._ids:
            return QModelIndex()
        return self.createIndex(self._row_in_parent[node], 0, self._ids[node])

    def index(self, row: int, column: int, parent: QModelIndex | None = None) -> QModelIndex:
        """Return the place of a child."""
        siblings = self._children(parent)
        if not (0 <= row < len(siblings) and 0 <= column < len(COLUMNS)):
            return QModelIndex()
        return self.createIndex(row, column, self._ids[siblings[row]])

    def parent(self, index: QModelIndex | None = None) -> Any:
        """Return the place of what contains a label."""
        if index is None:
            return super().parent()
        above = self._tree.parent(self.node(index)) if index.isValid() else None
        return QModelIndex() if above is None else self.place(above)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return how many labels are directly in one."""
        return len(self._children(parent))

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  # Qt's name
        """Return the number of facts."""
        return len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        column = COLUMNS[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(self.node(index), column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return ALIGN_NUMBER
        if role in _OF_HIDDEN and self.node(index) in self._hidden:
            return self._italic if role == Qt.ItemDataRole.FontRole else HINTS["hidden tooltip"]
        return None

    def headerData(  # noqa: N802  # Qt's name
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column, or its tooltip."""
        return title_of(TREE_TITLES, section, orientation, role)

    def _text(self, node: Node, column: str) -> str:
        row = self._tree.rows[node]
        if column == "object":
            names = " ".join(filter(None, (row.object, row.part)))
            text = HINTS["node"].format(level=row.level, index=row.index, names=names)
            text = text.rstrip(" ·")
            return HINTS["hidden"].format(node=text) if node in self._hidden else text
        if column in ("slices", "volume"):
            planes = self._levels.planes_of(*node) if self._levels else []
            return (
                self._facts.slices_text(planes)
                if column == "slices"
                else self._facts.volume_text(row, planes)
            )
        if column == "inside":
            counts = self._tree.counts(node)
            return ", ".join(
                HINTS["inside"].format(level=level, count=count) for level, count in counts.items()
            )
        return cell_text(row, column)

    def _children(self, parent: QModelIndex | None) -> tuple[Node, ...]:
        if parent is None or not parent.isValid():
            return self._roots
        return self._tree.children[self.node(parent)] if parent.column() == 0 else ()

    def _show(self, tree: MaskTree) -> None:
        self._tree = tree
        self._roots = tuple(tree.roots)
        self._nodes = list(tree.rows)
        self._ids = {node: place for place, node in enumerate(self._nodes)}
        self._row_in_parent = {
            node: row
            for siblings in (self._roots, *tree.children.values())
            for row, node in enumerate(siblings)
        }

    def _tell_changed(self) -> None:
        """Say that facts may have changed, without disturbing what is unfolded."""
        last = len(COLUMNS) - 1
        for siblings in _families(self._tree, self._roots):
            first_place = self.place(siblings[0])
            last_row = self._row_in_parent[siblings[-1]]
            last_place = self.createIndex(last_row, last, self._ids[siblings[-1]])
            self.dataChanged.emit(first_place, last_place)


def _families(tree: MaskTree, roots: tuple[Node, ...]) -> Iterable[tuple[Node, ...]]:
    """Return the groups of labels that lie directly in the same one."""
    return filter(None, (roots, *tree.children.values()))
