"""The section of the panel that segments the whole image."""

from __future__ import annotations

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.automatic.form import AutomaticForm
from napari_semantic_sam.widgets.automatic.wishes import Wishes
from napari_semantic_sam.widgets.kept import KeptObjects


class WholeImagePanel(QWidget):
    """Lets the annotator look for what the form says, and shows how far that is.

    Parameters
    ----------
    annotator : Annotator
    kept : KeptObjects
        Where the user selects objects to look in.
    """

    def __init__(self, annotator: Annotator, kept: KeptObjects) -> None:
        super().__init__()
        self._annotator = annotator
        self._kept = kept
        self.form = AutomaticForm()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        self.form.preview.connect(lambda: self._begin(is_preview=True))
        self.form.run.connect(lambda: self._begin(is_preview=False))
        self.form.stop.connect(annotator.automatic.stop)

    def refresh(self) -> None:
        """Show the state of the annotator."""
        annotator = self._annotator
        if annotator.model is not None:
            self.form.show_levels(len(annotator.model.level_order))
        opened = annotator.opened
        if opened is None:
            self.form.show_stack("", ())
        else:
            self.form.show_stack(opened.source.plane_axes, opened.source.plane_counts)
        self.form.show_state(
            ready=annotator.session is not None,
            progress=annotator.automatic.progress,
            text=annotator.automatic.text,
        )

    def _begin(self, *, is_preview: bool) -> None:
        form = self.form
        try:
            wishes = Wishes(
                levels=form.chosen_levels,
                quality=form.chosen_quality,
                sizes=form.chosen_sizes,
                where=form.chosen_where,
                objects=tuple(self._kept.selected),
                like_kept=form.like_kept.isChecked(),
                is_preview=is_preview,
                is_all_slices=form.is_all_slices and not is_preview,
                linking=form.chosen_linking,
            )
        except UserError as error:
            show_warning(str(error))
            return
        self._annotator.segment(wishes)
