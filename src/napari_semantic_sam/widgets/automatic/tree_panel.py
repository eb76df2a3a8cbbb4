"""The tree of objects, and what can be done with parts of it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_semantic_sam.inference.automatic.tree import Node
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.automatic.tree_view import TreeView
from napari_semantic_sam.widgets.controls import button, compact, row

_BUTTONS = ("tree_go_to", "tree_coarser", "tree_finer", "tree_delete")


class TreePanel(QWidget):
    """Goes to objects, deletes them with all in them, moves them to other levels.

    Parameters
    ----------
    annotator : Annotator
        Does what is asked for.
    """

    measure = Signal()

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self.view = TreeView()
        self.buttons: dict[str, QPushButton] = {name: button(name) for name in _BUTTONS}
        self.measure_button = button("measure")
        layout = QVBoxLayout(self)
        compact(layout)
        layout.addWidget(self.view, 1)
        layout.addLayout(row(*self.buttons.values()))
        layout.addWidget(self.measure_button)
        acts = (self._go_to, self._coarser, self._finer, self._delete)
        for name, act in zip(_BUTTONS, acts, strict=True):
            self.buttons[name].clicked.connect(act)
        self.measure_button.clicked.connect(self.measure)
        self.view.go_to.connect(self._go_to)
        self.view.delete.connect(self._delete)
        self.view.chosen.connect(self._on_chosen)
        self.refresh()

    def refresh(self) -> None:
        """Show the state of the annotator, if anybody can see it."""
        session = self._annotator.session
        if self.isVisible():  # a tree of thousands of objects takes a while
            self.view.show_levels(session.levels if session else None)
        self._refresh_buttons()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """Show the tree as it is by now."""
        super().showEvent(event)
        self.refresh()

    def _refresh_buttons(self) -> None:
        for each in self.buttons.values():
            each.setEnabled(bool(self.view.selected))
        self.measure_button.setEnabled(self._annotator.session is not None)

    def _on_chosen(self) -> None:
        self._refresh_buttons()
        selected = self.view.selected
        if len(selected) == 1:
            self._annotator.highlight(*selected[0])

    def _go_to(self) -> None:
        for node in self.view.selected[:1]:
            self._annotator.go_to(*node)

    def _delete(self) -> None:
        self._annotator.delete_all(self._with_inner())

    def _coarser(self) -> None:
        self._annotator.shift_levels(self.view.selected, -1)

    def _finer(self) -> None:
        self._annotator.shift_levels(self._with_inner(), 1)

    def _with_inner(self) -> list[Node]:
        """Return the selected objects and all in them, each once."""
        tree, found = self.view.tree, dict.fromkeys(self.view.selected)
        for node in list(found):
            found |= dict.fromkeys(tree.below(node))
        return list(found)
