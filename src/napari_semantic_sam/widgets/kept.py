"""Kept objects as a list and as a tree."""

from __future__ import annotations

from qtpy.QtWidgets import QTabWidget, QWidget

from napari_semantic_sam.widgets.tables import CONTROLS


class KeptObjects(QTabWidget):
    """Two views of the same objects, one of which is on display.

    Parameters
    ----------
    as_list, as_tree : QWidget
    """

    def __init__(self, as_list: QWidget, as_tree: QWidget) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.tabBar().setDrawBase(False)
        for name, page in (("as_list", as_list), ("as_tree", as_tree)):
            self.setTabToolTip(self.addTab(page, CONTROLS[name].caption), CONTROLS[name].tooltip)
