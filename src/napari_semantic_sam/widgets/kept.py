"""Kept objects as a list and as a tree."""

from __future__ import annotations

from qtpy.QtWidgets import QTabWidget

from napari_semantic_sam.annotation.editing import Label
from napari_semantic_sam.widgets.automatic.tree_panel import TreePanel
from napari_semantic_sam.widgets.review import ReviewList
from napari_semantic_sam.widgets.tables import CONTROLS


class KeptObjects(QTabWidget):
    """Two views of the same objects, one of which is on display.

    Parameters
    ----------
    as_list : ReviewList
    as_tree : TreePanel
    """

    def __init__(self, as_list: ReviewList, as_tree: TreePanel) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.tabBar().setDrawBase(False)
        for name, page in (("as_list", as_list), ("as_tree", as_tree)):
            self.setTabToolTip(self.addTab(page, CONTROLS[name].caption), CONTROLS[name].tooltip)

    @property
    def selected(self) -> list[Label]:
        """Level and number of the objects that are selected in the view on display."""
        page = self.currentWidget()
        assert isinstance(page, (ReviewList, TreePanel))
        return page.selected
