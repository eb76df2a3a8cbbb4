"""How masks are kept: existing labels, level and clean-up."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QSpinBox, QVBoxLayout, QWidget

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.widgets.controls import (
    add_row,
    check,
    check_box,
    choose,
    combo,
    compact,
    explained,
    row,
)
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.tables import RULES

MOST_SMOOTHING = 20
"""Pixels."""


class KeepOptionsForm(QWidget):
    """Shows and changes a `KeepOptions`, and the level that masks go to."""

    changed = Signal()
    """Emitted when the user changed `options`."""
    level_changed = Signal(object)
    """Emitted with the level that masks should go to; None for their own."""

    def __init__(self) -> None:
        super().__init__()
        self.rule = combo("rule")
        for value, text in RULES:
            self.rule.addItem(text, value)
        self.level = combo("target")
        self.level.addItem(HINTS["own level"], None)
        self.fill_holes = check_box("fill_holes")
        self.drop_islands = check_box("drop_islands")
        self.smooth = explained(QSpinBox(), "smooth")
        self.smooth.setRange(0, MOST_SMOOTHING)
        self.smooth.setSuffix(" px")
        self._lay_out()
        self.rule.currentIndexChanged.connect(self.changed)
        self.fill_holes.toggled.connect(self.changed)
        self.drop_islands.toggled.connect(self.changed)
        self.smooth.valueChanged.connect(self.changed)
        self.level.currentIndexChanged.connect(self._on_level)

    @property
    def options(self) -> KeepOptions:
        """What is chosen."""
        return KeepOptions(
            self.rule.currentData(),
            CleanUp(
                fill_holes=self.fill_holes.isChecked(),
                drop_islands=self.drop_islands.isChecked(),
                smooth=self.smooth.value(),
            ),
        )

    def show_options(self, options: KeepOptions) -> None:
        """Show what is chosen elsewhere."""
        if options == self.options:
            return
        blocked = self.blockSignals(True)
        choose(self.rule, options.rule)
        check(self.fill_holes, options.cleanup.fill_holes)
        check(self.drop_islands, options.cleanup.drop_islands)
        self.smooth.setValue(options.cleanup.smooth)
        self.blockSignals(blocked)

    def show_levels(self, levels: int, target: int | None) -> None:
        """Offer levels 1 to `levels`, and show the one that masks go to."""
        if self.level.count() != levels + 1:
            blocked = self.level.blockSignals(True)
            while self.level.count() > 1:
                self.level.removeItem(1)
            for level in range(1, levels + 1):
                self.level.addItem(HINTS["level"].format(level=level), level)
            self.level.blockSignals(blocked)
        choose(self.level, target)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        compact(layout)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        add_row(form, "rule", self.rule)
        add_row(form, "target", self.level)
        add_row(form, "smooth", self.smooth)
        layout.addLayout(form)
        layout.addLayout(row(self.fill_holes, self.drop_islands))

    def _on_level(self) -> None:
        self.level_changed.emit(self.level.currentData())
