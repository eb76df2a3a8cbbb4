"""The tree of objects, and what can be done with parts of it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_semantic_sam.inference.automatic.tree import Node
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.automatic.hiding import HiddenObjects
from napari_semantic_sam.widgets.automatic.stack_facts import StackFacts
from napari_semantic_sam.widgets.automatic.tree_view import TreeView
from napari_semantic_sam.widgets.controls import button, compact, row
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.tables import CONTROLS

_BUTTONS = (
    ("tree_go_to", "tree_coarser", "tree_finer", "tree_delete"),
    ("tree_hide", "tree_show_all", "measure"),
)
_OF_SELECTED = (*_BUTTONS[0], "tree_hide")


class TreePanel(QWidget):
    """Goes to objects, hides or deletes them with all in them, moves them to other levels.

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
        self.hidden = HiddenObjects(annotator.level_layer)
        self.buttons: dict[str, QPushButton] = {
            name: button(name) for line in _BUTTONS for name in line
        }
        layout = QVBoxLayout(self)
        compact(layout)
        layout.addWidget(self.view, 1)
        for line in _BUTTONS:
            layout.addLayout(row(*(self.buttons[name] for name in line)))
        self._connect()
        self.refresh()

    @property
    def selected(self) -> list[Node]:
        """Level and number of what is selected, coarse to fine."""
        return self.view.selected

    def refresh(self) -> None:
        """Show the state of the annotator, if anybody can see it."""
        session = self._annotator.session
        levels = session.levels if session else None
        self.hidden.refresh(levels)
        if self.isVisible():  # a tree of thousands of objects takes a while
            self.view.show_levels(levels, StackFacts.of(self._annotator))
            self.view.show_hidden(self.hidden.nodes)
        self._refresh_buttons()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """Show the tree as it is by now."""
        super().showEvent(event)
        self.refresh()

    def _connect(self) -> None:
        acts = {
            "tree_go_to": (self._go_to, self.view.go_to),
            "tree_coarser": (self._coarser, self.view.coarser),
            "tree_finer": (self._finer, self.view.finer),
            "tree_delete": (self._delete, self.view.delete),
            "tree_hide": (self._hide_or_show, self.view.hide_or_show),
            "tree_show_all": (self._show_all, self.view.show_all),
        }
        for name, (act, key) in acts.items():
            self.buttons[name].clicked.connect(act)
            key.connect(act)
        self.buttons["measure"].clicked.connect(self.measure)
        self.view.chosen.connect(self._on_chosen)

    def _refresh_buttons(self) -> None:
        selected = self.view.selected
        for name in _OF_SELECTED:
            self.buttons[name].setEnabled(bool(selected))
        is_hidden = bool(selected) and self.hidden.nodes.issuperset(selected)
        caption = HINTS["show"] if is_hidden else CONTROLS["tree_hide"].caption
        self.buttons["tree_hide"].setText(caption)
        self.buttons["tree_hide"].setAccessibleName(caption)
        self.buttons["tree_show_all"].setEnabled(bool(self.hidden.nodes))
        self.buttons["measure"].setEnabled(self._annotator.session is not None)

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

    def _hide_or_show(self) -> None:
        """Hide the selected objects and all in them, or show them if they are hidden."""
        session, nodes = self._annotator.session, self._with_inner()
        if session is None or not nodes:
            return
        if self.hidden.nodes.issuperset(self.view.selected):
            self.hidden.show(nodes, session.levels)
        else:
            self.hidden.hide(nodes, session.levels)
        self.refresh()

    def _show_all(self) -> None:
        if self._annotator.session is not None:
            self.hidden.show(list(self.hidden.nodes), self._annotator.session.levels)
        self.refresh()

    def _with_inner(self) -> list[Node]:
        """Return the selected objects and all in them, each once."""
        tree, found = self.view.tree, dict.fromkeys(self.view.selected)
        for node in list(found):
            found |= dict.fromkeys(tree.below(node))
        return list(found)
