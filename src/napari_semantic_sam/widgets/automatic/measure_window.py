"""Measurements of all objects, in a window of their own."""

from __future__ import annotations

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QTableView, QVBoxLayout, QWidget

from napari_semantic_sam.annotation.measuring import (
    MeasuredTable,
    PlaneCopy,
    StackCopy,
    measure_plane,
    measure_stack,
    pixel_size_in_um,
)
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.automatic.choices import MEASUREMENTS, STACK_MEASUREMENTS
from napari_semantic_sam.widgets.automatic.measure_model import MeasureModel
from napari_semantic_sam.widgets.automatic.stack_facts import StackFacts
from napari_semantic_sam.widgets.controls import button, combo, explained, plain_text, row
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.opening import tell
from napari_semantic_sam.widgets.worker import Job

_SIZE = (720, 460)


def open_measurements(parent: QWidget, annotator: Annotator) -> MeasureWindow | None:
    """Measure all kept objects, in a window of their own; None without a session."""
    image, frame, session = annotator.image, annotator.frame, annotator.session
    if image is None or frame is None or session is None:
        return None
    facts, levels = StackFacts.of(annotator), session.levels
    stack = StackCopy.of(levels, facts.axes, facts.steps) if facts.is_stack else None
    sides = [(image.scale[axis], str(image.units[axis])) for axis in (frame.y, frame.x)]
    size = pixel_size_in_um(*zip(*sides, strict=True))
    window = MeasureWindow(parent, image.name, PlaneCopy.of(levels), size, stack)
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    window.show()
    return window


class MeasureWindow(QDialog):
    """Shows what `measure_plane` gives, and saves it; measures beside the user interface.

    Parameters
    ----------
    parent : QWidget
    image : str
        Name of the image that the labels belong to.
    copy : PlaneCopy
        The labels.
    pixel_size : float, optional
        Side of a pixel in micrometres.
    stack : StackCopy, optional
        Of a stack, the labels over all slices.
    """

    def __init__(
        self,
        parent: QWidget,
        image: str,
        copy: PlaneCopy,
        pixel_size: float | None,
        stack: StackCopy | None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(HINTS["measure title"].format(image=image))
        self.resize(*_SIZE)
        self._unit = HINTS["pixels" if pixel_size is None else "micrometres"]
        self._tables: dict[str, MeasuredTable] = {}
        self.what = combo("measure_what")
        for value, text in MEASUREMENTS if stack is None else STACK_MEASUREMENTS:
            self.what.addItem(text, value)
        self.table = explained(QTableView(), "measure_table")
        self.model = MeasureModel(self)
        self.table.setModel(self.model)
        self.table.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.save_button = button("save_table")
        self.status = plain_text("measure_status")
        self.status.setText(HINTS["measuring"])
        layout = QVBoxLayout(self)
        layout.addLayout(row(self.what, self.save_button))
        layout.addWidget(self.table)
        layout.addWidget(self.status)
        self.save_button.setEnabled(False)
        self.what.currentIndexChanged.connect(self._show)
        self.save_button.clicked.connect(self._ask_and_save)
        self._job = Job(lambda job: _measure(copy, pixel_size, stack), self._on_measured)
        self._job.start()

    def save(self, path: str) -> None:
        """Write the table on display, in its order, as CSV."""
        try:
            self.model.table.save(path)
        except UserError as error:
            show_error(str(error))

    def done(self, result: int) -> None:
        """Close the window; measurements that are under way are dropped."""
        self._job.cancel()
        super().done(result)

    def _on_measured(self, job: Job) -> None:
        if job.error is not None:
            tell(job.error)
            return
        self._tables = job.result
        self.table.setSortingEnabled(True)
        self._show()

    def _show(self) -> None:
        table = self._tables.get(self.what.currentData())
        if table is None:
            return
        self.model.set_table(table)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)  # by level, then by number
        self.save_button.setEnabled(True)
        self.status.setText(HINTS["measured"].format(rows=len(table.rows), unit=self._unit))
        self.table.resizeColumnsToContents()

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, self.save_button.text(), f"{self.what.currentData()}.csv", "CSV (*.csv)"
        )
        if path:
            self.save(path if path.lower().endswith(".csv") else f"{path}.csv")


def _measure(
    copy: PlaneCopy, pixel_size: float | None, stack: StackCopy | None
) -> dict[str, MeasuredTable]:
    tables = measure_plane(copy, pixel_size)
    return tables if stack is None else {**tables, **measure_stack(stack)}
