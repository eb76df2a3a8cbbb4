"""What is looked for in the whole image, and how far that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_semantic_sam.inference.automatic.guided import SizeRange
from napari_semantic_sam.widgets.automatic.choices import LINKED, WHERE
from napari_semantic_sam.widgets.automatic.stack_search import Linking, offered_axes
from napari_semantic_sam.widgets.automatic.wishes import Where
from napari_semantic_sam.widgets.controls import (
    add_row,
    button,
    check_box,
    combo,
    compact,
    explained,
    label,
    plain_text,
    row,
)
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.worker import Progress

_USUAL_LEVELS = 6
_STEPS = 10
"""Of the quality slider to each side of the middle."""
_LARGEST = 99_999
"""Pixels."""


class AutomaticForm(QWidget):
    """Chooses what to look for; it shows what it is told and says what the user wants."""

    preview = Signal()
    run = Signal()
    stop = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._level_boxes = [_level_box(level) for level in range(1, _USUAL_LEVELS + 1)]
        self._count = _USUAL_LEVELS
        self._stack: tuple[str, tuple[int, ...]] | None = None
        self.quality = explained(QSlider(Qt.Orientation.Horizontal), "quality")
        self.quality.setRange(-_STEPS, _STEPS)
        self.quality.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.quality.setTickInterval(_STEPS)
        self.smallest, self.largest = _size_box("size_from"), _size_box("size_to")
        self.slices, self.linked = combo("slices"), combo("linked")
        self.slices.addItem(HINTS["this slice"], False)
        self.where = combo("where")
        for value, text in WHERE:
            self.where.addItem(text, value)
        self.like_kept = check_box("like_kept")
        self.preview_button, self.run_button = button("preview_view"), button("run_all")
        self.stop_button = button("stop_run")
        self.progress = explained(QProgressBar(), "progress")
        self.progress.setTextVisible(False)
        self.text = plain_text("found")
        self._lay_out()
        self.show_stack("", ())
        self.slices.currentIndexChanged.connect(self._refresh_linked)
        self.like_kept.toggled.connect(self._refresh_limits)
        self.preview_button.clicked.connect(self.preview)
        self.run_button.clicked.connect(self.run)
        self.stop_button.clicked.connect(self.stop)

    @property
    def levels(self) -> list[QCheckBox]:
        """A box for each level, coarse to fine."""
        return self._level_boxes[: self._count]

    @property
    def chosen_levels(self) -> tuple[int, ...]:
        """The levels to look for, coarse to fine."""
        return tuple(place for place, box in enumerate(self.levels, 1) if box.isChecked())

    @property
    def chosen_quality(self) -> float:
        """From -1 to 1, 0 in the middle."""
        return float(self.quality.value()) / _STEPS

    @property
    def chosen_sizes(self) -> SizeRange:
        """The sizes to look for.

        Raises
        ------
        UserError
            If the smallest is larger than the largest.
        """
        largest = self.largest.value() or math.inf
        return SizeRange(self.smallest.value(), largest)

    @property
    def chosen_where(self) -> Where:
        """Where to look."""
        return cast("Where", self.where.currentData())

    @property
    def is_all_slices(self) -> bool:
        """Whether to look in all slices of a stack."""
        return bool(self.slices.currentData())

    @property
    def chosen_linking(self) -> Linking | None:
        """How objects go on from slice to slice; None if they do not."""
        letter = self.linked.currentData()
        return Linking.along(letter, *self._stack) if letter and self._stack else None

    def show_levels(self, count: int) -> None:
        """Offer so many levels."""
        while len(self._level_boxes) < count:
            box = _level_box(len(self._level_boxes) + 1)
            self._level_row.addWidget(box)
            QWidget.setTabOrder(self._level_boxes[-1], box)
            self._level_boxes.append(box)
        for place, box in enumerate(self._level_boxes):
            box.setVisible(place < count)
        self._count = count

    def show_stack(self, axes: str, counts: Sequence[int]) -> None:
        """Offer the slices of a picture.

        Parameters
        ----------
        axes : str
            Of T and Z those that it has planes along.
        counts : sequence of int
            Number of planes along each of them; nothing is offered for a single plane.
        """
        if self._stack == (axes, tuple(counts)):
            return
        self._stack = axes, tuple(counts)
        self.linked.clear()
        for letter in (*offered_axes(axes, counts), ""):
            self.linked.addItem(LINKED[letter], letter)
        count = math.prod(counts)
        self.slices.removeItem(1)
        if count > 1:
            self.slices.addItem(HINTS["all slices"].format(count=count), True)
        for each in self._of_stacks:
            each.setVisible(count > 1)
        self._refresh_linked()

    def show_state(self, *, ready: bool, progress: Progress | None, text: str) -> None:
        """Show whether a run can begin, how far one is, and what the last one found."""
        for each in (self.preview_button, self.run_button):
            each.setVisible(progress is None)
            each.setEnabled(ready)
        self.progress.setVisible(progress is not None)
        self.stop_button.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, 0 if progress.fraction is None else 100)
            self.progress.setValue(round(100 * (progress.fraction or 0)))
        shown = progress.text if progress else text
        self.text.setText(shown)
        self.text.setVisible(bool(shown))

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        compact(layout)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setVerticalSpacing(3)
        self._level_row = QHBoxLayout()
        self._level_row.setSpacing(4)
        for box in self._level_boxes:
            self._level_row.addWidget(box)
        form.addRow(label("levels"), self._level_row)
        add_row(form, "quality", self.quality)
        caption = label("size_from")
        caption.setBuddy(self.smallest)
        form.addRow(caption, row(self.smallest, label("size_to"), self.largest))
        self._of_stacks = [
            part
            for name, box in (("slices", self.slices), ("linked", self.linked))
            for part in add_row(form, name, box)
        ]
        add_row(form, "where", self.where)
        form.addRow("", self.like_kept)
        layout.addLayout(form)
        layout.addLayout(row(self.preview_button, self.run_button))
        layout.addLayout(row(self.progress, self.stop_button))
        layout.addWidget(self.text)

    def _refresh_linked(self) -> None:
        self.linked.setEnabled(self.is_all_slices)

    def _refresh_limits(self) -> None:
        for each in (*self._level_boxes, self.smallest, self.largest):
            each.setEnabled(not self.like_kept.isChecked())


def _size_box(name: str) -> QSpinBox:
    box = explained(QSpinBox(), name)
    box.setRange(0, _LARGEST)
    box.setSuffix(" px")
    box.setSpecialValueText(HINTS["any size"])
    return box


def _level_box(level: int) -> QCheckBox:
    box = explained(QCheckBox(str(level)), "level")
    box.setAccessibleName(HINTS["level box"].format(level=level))
    box.setChecked(True)
    return box
