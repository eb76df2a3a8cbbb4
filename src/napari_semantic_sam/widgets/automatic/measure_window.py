"""Measurements of all objects, in a window of their own."""

from __future__ import annotations

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QTableView, QVBoxLayout, QWidget

from napari_semantic_sam.annotation.measuring import MeasuredTable, PlaneCopy, measure_plane
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets.automatic.measure_model import MeasureModel
from napari_semantic_sam.widgets.controls import button, combo, explained, plain_text, row
from napari_semantic_sam.widgets.opening import tell
from napari_semantic_sam.widgets.tables import HINTS, MEASUREMENTS
from napari_semantic_sam.widgets.worker import Job

_SIZE = (720, 460)


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
    """

    def __init__(
        self, parent: QWidget, image: str, copy: PlaneCopy, pixel_size: float | None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(HINTS["measure title"].format(image=image))
        self.resize(*_SIZE)
        self._unit = HINTS["pixels" if pixel_size is None else "micrometres"]
        self._tables: dict[str, MeasuredTable] = {}
        self.what = combo("measure_what")
        for value, text in MEASUREMENTS:
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
        self._job = Job(lambda job: measure_plane(copy, pixel_size), self._on_measured)
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
        self._show()
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.table.resizeColumnsToContents()

    def _show(self) -> None:
        table = self._tables.get(self.what.currentData())
        if table is None:
            return
        self.model.set_table(table)
        self.save_button.setEnabled(True)
        self.status.setText(HINTS["measured"].format(rows=len(table.rows), unit=self._unit))

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, self.save_button.text(), f"{self.what.currentData()}.csv", "CSV (*.csv)"
        )
        if path:
            self.save(path if path.lower().endswith(".csv") else f"{path}.csv")
