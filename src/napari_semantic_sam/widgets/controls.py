"""Controls that take their caption and tooltip from the table."""

from __future__ import annotations

from typing import Any, TypeVar

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QWidget,
)

from napari_semantic_sam.widgets.tables import CONTROLS

Widget = TypeVar("Widget", bound=QWidget)

_FEWEST_LETTERS = 10


def explained(widget: Widget, name: str) -> Widget:
    """Give a control the tooltip, and the name for screen readers, of an entry."""
    widget.setToolTip(CONTROLS[name].tooltip)
    widget.setAccessibleName(CONTROLS[name].plain or CONTROLS[name].tooltip)
    return widget


def button(name: str) -> QPushButton:
    """Return a button; no wider than its share of a row."""
    made = explained(QPushButton(CONTROLS[name].caption), name)
    made.setMinimumWidth(1)
    return made


def check_box(name: str) -> QCheckBox:
    """Return a check box."""
    return explained(QCheckBox(CONTROLS[name].caption), name)


def combo(name: str) -> QComboBox:
    """Return a box to choose from, which long entries do not widen."""
    return narrow(explained(QComboBox(), name))


def narrow(box: QComboBox) -> QComboBox:
    """Keep a box to choose from narrow, however long its entries are."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_FEWEST_LETTERS)
    return box


def choose(box: QComboBox, value: Any) -> None:
    """Choose the entry with a value, if there is one, without telling anybody."""
    index = box.findData(value)
    if index >= 0:
        with QSignalBlocker(box):
            box.setCurrentIndex(index)


def check(box: QCheckBox, on: bool) -> None:
    """Check or uncheck a box without telling anybody."""
    with QSignalBlocker(box):
        box.setChecked(on)


def label(name: str, *, wrap: bool = False) -> QLabel:
    """Return a text; its Alt key needs a buddy."""
    made = explained(QLabel(CONTROLS[name].caption), name)
    made.setWordWrap(wrap)
    return made


def plain_text(name: str) -> QLabel:
    """Return a text that changes and wraps; “&” and markup in it have no meaning."""
    made = label(name, wrap=True)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


def add_row(form: QFormLayout, name: str, widget: QWidget) -> tuple[QWidget, QWidget]:
    """Add a control with its caption, whose Alt key leads to the control, and return both."""
    caption = label(name)
    caption.setBuddy(widget)
    form.addRow(caption, widget)
    return caption, widget


def compact(layout: QLayout) -> None:
    """Leave little room around and between."""
    layout.setContentsMargins(6, 1, 2, 3)
    layout.setSpacing(3)


def row(*widgets: QWidget) -> QHBoxLayout:
    """Return a layout with widgets side by side."""
    made = QHBoxLayout()
    made.setSpacing(4)
    for widget in widgets:
        made.addWidget(widget)
    return made
