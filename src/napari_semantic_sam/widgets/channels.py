"""Which axis of an image has channels, and which of them the model sees."""

from __future__ import annotations

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.axes import guess_axes
from napari_semantic_sam.widgets.controls import button, combo, row
from napari_semantic_sam.widgets.frame import Channels, lengths_of
from napari_semantic_sam.widgets.hints import HINTS

_MOST = 3
"""Channels that the model can see at once."""
_MOST_THERE = 64
"""An axis that is longer has no channels."""


class ChannelPicker(QWidget):
    """Chooses an axis and up to three channels; of use for images with more than two axes."""

    def __init__(self) -> None:
        super().__init__()
        self.axis = combo("channels")
        self.button: QPushButton = button("chosen_channels")
        self.button.setMenu(QMenu(self))
        self._image: Image | None = None
        self._lengths: tuple[int, ...] = ()
        layout = row(self.axis, self.button)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.axis.currentIndexChanged.connect(self._list_channels)
        self.button.menu().triggered.connect(self._on_channel)

    @property
    def channels(self) -> Channels | None:
        """What is chosen; None for an image without channels."""
        axis = self.axis.currentData()
        return None if axis is None else Channels(axis, self._chosen)

    @property
    def is_of_use(self) -> bool:
        """Whether the image has an axis that may be one of channels."""
        return self.axis.count() > 1

    def show_image(self, image: Image | None) -> None:
        """Offer the axes of an image; what was chosen for it stays."""
        lengths = () if image is None or image.rgb else lengths_of(image)
        if image is self._image and lengths == self._lengths:
            return
        self._image, self._lengths = image, lengths
        with QSignalBlocker(self.axis):
            self.axis.clear()
            self.axis.addItem(HINTS["no channels"], None)
            for axis in _candidates(lengths) if image is not None else ():
                name = HINTS["axis"].format(name=_name(image, axis), count=lengths[axis])
                self.axis.addItem(name, axis)
            self.axis.setCurrentIndex(max(0, self.axis.findData(_guess(image, lengths))))
        self._list_channels()

    @property
    def _chosen(self) -> tuple[int, ...]:
        return tuple(action.data() for action in self._actions if action.isChecked())

    @property
    def _actions(self) -> list[QAction]:
        actions: list[QAction] = self.button.menu().actions()
        return actions

    def _list_channels(self) -> None:
        axis, menu = self.axis.currentData(), self.button.menu()
        menu.clear()
        for number in range(self._lengths[axis] if axis is not None else 0):
            action = menu.addAction(HINTS["channel"].format(number=number + 1))
            action.setCheckable(True)
            action.setChecked(number < _MOST)
            action.setData(number)
        self._describe()

    def _on_channel(self, action: QAction) -> None:
        """Keep one to three channels checked."""
        others = [each for each in self._actions if each.isChecked() and each is not action]
        if not others:
            action.setChecked(True)
        elif action.isChecked() and len(others) == _MOST:
            others[-1].setChecked(False)
        self._describe()

    def _describe(self) -> None:
        self.button.setText(", ".join(str(number + 1) for number in self._chosen))
        self.button.setVisible(self.axis.currentData() is not None)


def _candidates(lengths: tuple[int, ...]) -> list[int]:
    """Return the axes that may have channels: short ones, besides those of a plane."""
    by_length = sorted(range(len(lengths)), key=lambda axis: (lengths[axis], axis))
    return sorted(axis for axis in by_length[:-2] if lengths[axis] <= _MOST_THERE)


def _guess(image: Image | None, lengths: tuple[int, ...]) -> int | None:
    if image is None or len(lengths) < 3:
        return None
    try:
        axis = guess_axes(lengths, image.dtype, image.axis_labels).find("C")
    except UserError:  # it is said when the image is opened
        return None
    return axis if axis in _candidates(lengths) else None


def _name(image: Image | None, axis: int) -> str:
    """Return what the user calls an axis, or its number from 1 if that is not known."""
    name = image.axis_labels[axis] if image is not None else ""
    return name if name.strip("-").isalpha() else HINTS["unnamed axis"].format(number=axis + 1)
