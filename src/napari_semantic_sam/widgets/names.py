"""Typing the names of objects and parts, with suggestions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QCompleter,
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.model.metadata import read_metadata
from napari_semantic_sam.model.registry import CheckpointInfo
from napari_semantic_sam.widgets.review_model import COLUMNS, NAMES

Vocabulary = Mapping[str, Sequence[str]]
"""Names for ``"object"`` and for ``"part"``."""


class NameBook:
    """Names to suggest: those of the checkpoint, and all that were used so far."""

    def __init__(self) -> None:
        self._used: dict[str, set[str]] = {column: set() for column in NAMES}
        self._vocabulary: Vocabulary = {}

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Take the names of a checkpoint in place of those of the one before."""
        self._vocabulary = vocabulary

    def add(self, rows: Iterable[LabelRow]) -> None:
        """Remember the names in rows."""
        for row in rows:
            for column in NAMES:
                self._used[column].add(getattr(row, column))

    def names(self, column: str) -> list[str]:
        """Return the names for ``"object"`` or ``"part"``, in alphabetical order."""
        known = self._used[column] | {*self._vocabulary.get(column, ())}
        return sorted(known - {""}, key=str.casefold)


class NameDelegate(QStyledItemDelegate):
    """Edits a name in its cell.

    Parameters
    ----------
    parent : QWidget
    names : callable
        Given ``"object"`` or ``"part"``, returns the names to suggest.
    """

    def __init__(self, parent: QWidget, names: Callable[[str], Sequence[str]]) -> None:
        super().__init__(parent)
        self._names = names

    def createEditor(  # noqa: N802  # Qt's name
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QLineEdit:
        """Return a field that completes what is typed."""
        editor = QLineEdit(parent)
        completer = QCompleter(self._names(COLUMNS[index.column()]), editor)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        editor.setCompleter(completer)
        return editor

    def setEditorData(self, editor: QWidget, index: QModelIndex) -> None:  # noqa: N802  # Qt's name
        """Show the name as it is, unless another one is being typed."""
        if not editor.isModified():
            super().setEditorData(editor, index)

    def setModelData(  # noqa: N802  # Qt's name
        self, editor: QWidget, model: Any, index: QModelIndex
    ) -> None:
        """Hand the name over."""
        model.setData(index, editor.text())


def vocabulary_of(checkpoint: CheckpointInfo) -> Vocabulary:
    """Return the names a checkpoint knows; often none."""
    readable = checkpoint.downloaded and not checkpoint.problem
    if not readable or checkpoint.path.suffix != ".safetensors":
        return dict.fromkeys(NAMES, ())
    try:
        record = read_metadata(checkpoint.path)
    except UserError:  # the user reads of it when the checkpoint is to be loaded
        return dict.fromkeys(NAMES, ())
    return {"object": record.object_vocabulary, "part": record.part_vocabulary}
