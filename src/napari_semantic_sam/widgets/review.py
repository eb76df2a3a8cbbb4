"""The list of kept objects, and what can be done with them."""

from __future__ import annotations

from napari.utils.notifications import show_warning
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QGridLayout,
    QMenu,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.controls import button, compact, explained, plain_text, row
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.review_model import Key, key
from napari_semantic_sam.widgets.review_table import ReviewTable

_BUTTONS = ("go_to", "rename", "move", "refine", "merge", "split", "clean", "delete")
_BUTTONS_PER_ROW = 4


class ReviewList(QWidget):
    """Goes to kept objects, names, mends and deletes them; leads to what is missing.

    Parameters
    ----------
    annotator : Annotator
        Does what is asked for.
    """

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self.table = ReviewTable()
        self.buttons: dict[str, QPushButton] = {name: button(name) for name in _BUTTONS}
        self.buttons["move"].setMenu(QMenu(self))
        self.next_button = button("what_next")
        self.stop_button = button("stop_search")
        self.progress = explained(QProgressBar(), "progress")
        self.progress.setTextVisible(False)
        self.region = plain_text("region")
        self._lay_out()
        self._connect()

    @property
    def count(self) -> int:
        """How many objects there are."""
        return int(self.table.model().rowCount())

    @property
    def selected(self) -> list[Key]:
        """Level and number of what is selected."""
        return [key(each) for each in self.table.selected]

    def refresh(self) -> None:
        """Show the state of the annotator."""
        session = self._annotator.session
        levels = session.levels if session else None
        rows = [row for each in levels.levels for row in levels.rows(each)] if levels else []
        self.table.show_rows(rows)
        self._refresh_levels()
        self._refresh_buttons()
        self._refresh_search()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        compact(layout)
        layout.addWidget(self.table, 1)
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, each in enumerate(self.buttons.values()):
            grid.addWidget(each, *divmod(place, _BUTTONS_PER_ROW))
        layout.addLayout(grid)
        layout.addLayout(row(self.next_button, self.progress, self.stop_button))
        layout.addWidget(self.region)

    def _connect(self) -> None:
        acts = {
            "go_to": self._go_to,
            "rename": self.table.edit_name,
            "refine": self._refine,
            "merge": self._merge,
            "split": self._split,
            "clean": self._clean,
            "delete": self._delete,
        }
        for name, act in acts.items():
            self.buttons[name].clicked.connect(act)
        self.table.go_to.connect(self._go_to)
        self.table.delete.connect(self._delete)
        self.table.renamed.connect(self._on_renamed)
        self.table.selectionModel().selectionChanged.connect(self._refresh_buttons)
        self.buttons["move"].menu().triggered.connect(self._move)
        self.next_button.clicked.connect(self._annotator.what_next)
        self.stop_button.clicked.connect(self._annotator.next_region.cancel)

    def _refresh_levels(self) -> None:
        model, menu = self._annotator.model, self.buttons["move"].menu()
        levels = len(model.level_order) if model else 0
        if len(menu.actions()) == levels:
            return
        menu.clear()
        for level in range(1, levels + 1):
            menu.addAction(HINTS["level"].format(level=level)).setData(level)

    def _refresh_buttons(self) -> None:
        selected = self.table.selected
        for each in self.buttons.values():
            each.setEnabled(bool(selected))
        self.buttons["merge"].setEnabled(len(selected) > 1)
        self.next_button.setEnabled(self._annotator.session is not None)

    def _refresh_search(self) -> None:
        search = self._annotator.next_region
        self.next_button.setVisible(search.progress is None)
        self.progress.setVisible(search.progress is not None)
        self.stop_button.setVisible(search.progress is not None)
        if search.progress is not None:
            self.progress.setRange(0, 100)
            self.progress.setValue(round(100 * (search.progress.fraction or 0)))
        self.region.setText(search.text)
        self.region.setVisible(bool(search.text))

    def _go_to(self) -> None:
        for each in self.table.selected[:1]:
            self._annotator.go_to(each.level, each.index)

    def _refine(self) -> None:
        for each in self.table.selected[:1]:
            self._annotator.refine_label(each.level, each.index)

    def _delete(self) -> None:
        self._annotator.delete_all(self.selected)

    def _split(self) -> None:
        self._annotator.split_all(self.selected)

    def _clean(self) -> None:
        self._annotator.clean_all(self.selected, self._annotator.options.cleanup)

    def _move(self, action: QAction) -> None:
        self._annotator.move_all(self.selected, action.data())

    def _merge(self) -> None:
        selected = self.table.selected
        levels = {each.level for each in selected}
        if len(levels) != 1:
            show_warning(MESSAGES["merge levels"])
            return
        self._annotator.merge(levels.pop(), [each.index for each in selected])

    def _on_renamed(self, level: int, index: int, column: str, name: str) -> None:
        """Rename a label and, if it is one of several selected ones, those too."""
        selected = self.selected
        targets = selected if (level, index) in selected else [(level, index)]
        if column == "object":
            self._annotator.rename_all(targets, object=name)
        else:
            self._annotator.rename_all(targets, part=name)
