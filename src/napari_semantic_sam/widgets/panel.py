"""The panel "Semantic-SAM"."""

from __future__ import annotations

import napari.viewer
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.tiles.scale import ObjectSize
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.automatic.measure_window import MeasureWindow, open_measurements
from napari_semantic_sam.widgets.automatic.panel import WholeImagePanel
from napari_semantic_sam.widgets.automatic.tree_panel import TreePanel
from napari_semantic_sam.widgets.controls import button, compact, plain_text, row
from napari_semantic_sam.widgets.help import HelpDialog
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.kept import KeptObjects
from napari_semantic_sam.widgets.masks import MaskChooser
from napari_semantic_sam.widgets.memory import Memory
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.object_size import size_of_selected
from napari_semantic_sam.widgets.offer import JournalOffer
from napari_semantic_sam.widgets.options import KeepOptionsForm
from napari_semantic_sam.widgets.prompt_options import PromptOptions
from napari_semantic_sam.widgets.propagation import PropagationForm
from napari_semantic_sam.widgets.review import ReviewList
from napari_semantic_sam.widgets.scrolling import WheelGuard
from napari_semantic_sam.widgets.section import Section
from napari_semantic_sam.widgets.source import SourceForm
from napari_semantic_sam.widgets.steps import StepButtons
from napari_semantic_sam.widgets.tables import CONTROLS

_SIZE = QSize(330, 600)
_NARROWEST = 280
"""Pixels."""


class SemanticSamPanel(QWidget):
    """Choose an image and a model, click, and keep masks of several granularities.

    Controls ask the annotator; what the panel shows is read from the annotator whenever
    that says that something changed.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    annotator : Annotator
        Does what the controls ask for.
    source, prompts, masks, options, automatic, review, tree : QWidget
        The contents of the sections.
    sections : dict of str to Section
    image, model, device, contrast, start_button, slider, position, keep_button : QWidget
        The controls that a script needs to annotate.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.annotator = Annotator(napari_viewer)
        self.source = SourceForm()
        self.prompts = PromptOptions()
        self.masks = MaskChooser()
        self.options = KeepOptionsForm()
        self.propagation = PropagationForm()
        self.masks.layout().addWidget(self.propagation)
        self.review = ReviewList(self.annotator)
        self.tree = TreePanel(self.annotator)
        kept = KeptObjects(self.review, self.tree)
        self.automatic = WholeImagePanel(self.annotator, kept)
        self.offer = JournalOffer()
        self.steps = StepButtons()
        self.status = plain_text("status")
        self.help_button = button("help")
        self.sections = {
            name: Section(name, content)
            for name, content in {
                "source": self.source,
                "prompts": self.prompts,
                "candidates": self.masks,
                "options": self.options,
                "automatic": self.automatic,
                "review": kept,
            }.items()
        }
        self._name_controls()
        self._lay_out()
        self._memory = Memory(self.annotator, self.source, self.sections)
        self._connect()
        self._refresh()

    def start(self) -> None:
        """Embed the chosen image with the chosen model, as the button does."""
        self.annotator.start(
            self.source.chosen_image,
            self.source.checkpoint.name,
            self.source.device.currentData(),
            as_displayed=self.source.contrast.isChecked(),
            channels=self.source.channels.channels,
            object_size=self.source.chosen_object_size,
        )

    def measure_shape(self) -> None:
        """Take the size of the selected shapes as the size of objects, as the button does."""
        image = self.source.chosen_image
        try:
            if image is None:
                raise UserError(MESSAGES["no image"])
            size = size_of_selected(self._viewer, image, self.source.channels.channels)
        except UserError as error:
            show_error(str(error))
        else:
            self.source.choose_object_size(ObjectSize(size))

    def show_help(self) -> HelpDialog:
        """Show all keys in a window of their own, which leaves the picture usable."""
        dialog = HelpDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()
        return dialog

    def measure(self) -> MeasureWindow | None:
        """Measure all kept objects, in a window of their own; None without a session."""
        return open_measurements(self, self.annotator)

    def sizeHint(self) -> QSize:  # noqa: N802  # Qt's name
        """Fit a dock beside the picture on a small screen; the rest scrolls."""
        return _SIZE

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """List checkpoints anew, which may have been downloaded or trained meanwhile."""
        super().showEvent(event)
        self.source.list_checkpoints()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802  # Qt's name
        """End the session when napari takes the panel out of its dock to close it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.annotator.stop()

    def _name_controls(self) -> None:
        self.image = self.source.image
        self.model = self.source.model
        self.device = self.source.device
        self.contrast = self.source.contrast
        self.start_button = self.source.start_button
        self.cancel_button = self.source.cancel_button
        self.progress = self.source.progress
        self.description = self.source.description
        self.slider = self.masks.slider
        self.position = self.masks.position
        self.keep_button = self.masks.keep_button

    def _lay_out(self) -> None:
        content = QWidget()
        self._column = column = QVBoxLayout(content)
        compact(column)
        column.addWidget(self.offer)
        for section in self.sections.values():
            column.addWidget(section)
        column.addStretch()
        self.sections["review"].toggled.connect(self._share_height)
        self._share_height()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        WheelGuard(content)
        layout = QVBoxLayout(self)
        compact(layout)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.steps)
        self.help_button.setFixedWidth(self.help_button.sizeHint().height())
        foot = row(self.status, self.help_button)
        foot.setStretch(0, 1)
        layout.addLayout(foot)
        self.setMinimumWidth(_NARROWEST)

    def _share_height(self) -> None:
        """Give what height is left to the list of kept objects, unless it is folded away."""
        kept = self.sections["review"]
        self._column.setStretchFactor(kept, int(kept.is_open))
        below = self._column.count() - 1
        self._column.setStretch(below, int(not kept.is_open))

    def _connect(self) -> None:
        self.annotator.changed.connect(self._refresh)
        self.destroyed.connect(self.annotator.close)
        self.destroyed.connect(self._memory.close)
        self.source.start.connect(self.start)
        self.source.cancel.connect(self.annotator.cancel)
        self.source.measure_shape.connect(self.measure_shape)
        self.offer.restore.connect(self.annotator.keeper.restore)
        self.offer.discard.connect(self.annotator.keeper.discard)
        self.prompts.flipped.connect(self.annotator.flip_sign)
        self.prompts.object_chosen.connect(self.annotator.activate)
        self.prompts.next_object.connect(self.annotator.next_object)
        self.prompts.separate_changed.connect(self.annotator.set_separate)
        self.prompts.hover_changed.connect(self.annotator.set_hover)
        self.masks.chosen.connect(self.annotator.show)
        self.masks.marked.connect(self.annotator.mark)
        self.masks.keep.connect(self.annotator.keep)
        self.propagation.propagate.connect(self.annotator.propagate)
        self.propagation.cancel.connect(self.annotator.propagation.cancel)
        self.options.changed.connect(self._set_options)
        self.options.level_changed.connect(self.annotator.set_target_level)
        self.tree.measure.connect(self.measure)
        self.steps.undo.connect(self.annotator.undo)
        self.steps.redo.connect(self.annotator.redo)
        self.help_button.clicked.connect(self.show_help)

    def _set_options(self) -> None:
        self.annotator.set_options(self.options.options)

    def _refresh(self) -> None:
        """Show the state of the annotator."""
        annotator, session = self.annotator, self.annotator.session
        offer = annotator.keeper.offer
        self.offer.show_offer(offer.text if offer else None)
        self.source.show_images(annotator.images)
        self.source.show_progress(annotator.progress)
        self.source.show_in_use(annotator.model.checkpoint if session and annotator.model else "")
        self.prompts.show_state(
            positive=annotator.positive, separate=annotator.separate, hover=annotator.hover
        )
        self.prompts.show_object(session)
        self.masks.show_session(session, annotator.progress)
        self.propagation.show_state(
            is_stack=bool(session and session.levels.stack),
            progress=annotator.propagation.progress,
        )
        self.options.show_options(annotator.options)
        if annotator.model is not None:
            self.options.show_levels(
                len(annotator.model.level_order), session.target_level if session else None
            )
            vocabulary = self.source.vocabulary_of(annotator.model.checkpoint)
            self.review.table.names.set_vocabulary(vocabulary)
        self.automatic.refresh()
        self.review.refresh()
        self.tree.refresh()
        title, count = CONTROLS["review"].caption, self.review.count
        self.sections["review"].set_title(
            HINTS["count"].format(title=title, count=count) if count else title
        )
        self.steps.show_history(session.history if session else None)
        self.status.setText(self._status_text())

    def _status_text(self) -> str:
        image, model, session = (
            self.annotator.image,
            self.annotator.model,
            self.annotator.session,
        )
        if image is None or model is None or session is None:
            return ""
        lines = [
            HINTS["status"].format(image=image.name, model=model.checkpoint, device=model.place)
        ]
        opened = self.annotator.opened
        because = opened.because if opened else ""
        lines += [self.source.limits_of(model.checkpoint), because, session.notice]
        return "\n".join(filter(None, lines))
