"""The mouse wheel in a panel that scrolls."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget

_CHANGED_BY_THE_WHEEL = (QAbstractSpinBox, QComboBox, QSlider)


class WheelGuard(QObject):
    """Lets the mouse wheel scroll the panel, and never change what happens to be under the mouse.

    Parameters
    ----------
    content : QWidget
        What is scrolled, with all its controls.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__(content)
        for control in content.findChildren(QWidget):
            if isinstance(control, _CHANGED_BY_THE_WHEEL):
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not with the wheel
                control.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Hand turns of the wheel on to what is around the control."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()
        return True
