"""The panel "Semantic-SAM"."""

from __future__ import annotations

import napari.viewer
from napari.layers import Image
from qtpy.QtCore import QEvent, QSignalBlocker, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_semantic_sam.annotation.session import AnnotationSession, PromptState
from napari_semantic_sam.model.registry import CheckpointInfo, list_checkpoints
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.tables import CONTROLS, DEVICES, HINTS

_GAP = 12
"""Pixels between choosing, walking through masks and the status line."""


class SemanticSamPanel(QWidget):
    """Choose an image and a model, click, and keep masks of several granularities.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    annotator : Annotator
        Does what the controls ask for.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.annotator = Annotator(napari_viewer)
        self._images: list[Image] = []
        self._checkpoints: list[CheckpointInfo] = []
        self._make_controls()
        self._lay_out()
        self._connect()
        self._list_checkpoints()
        self._refresh()

    def start(self) -> None:
        """Embed the chosen image with the chosen model, as the button does."""
        index = self.image.currentIndex()
        image = self._images[index] if index >= 0 else None
        self.annotator.start(
            image,
            self._checkpoint.name,
            self.device.currentData(),
            as_displayed=self.contrast.isChecked(),
        )

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  # Qt's name
        """List checkpoints anew, which may have been downloaded or trained meanwhile."""
        super().showEvent(event)
        self._list_checkpoints()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802  # Qt's name
        """End the session when napari takes the panel out of its dock to close it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.annotator.stop()

    def _make_controls(self) -> None:
        self.image = _combo("image")
        self.model = _combo("model")
        self.device = _combo("device")
        for value, text in DEVICES:
            self.device.addItem(text, value)
        self.contrast = QCheckBox(CONTROLS["contrast"].caption)
        self.contrast.setToolTip(CONTROLS["contrast"].tooltip)
        self.description = _label("description", wrap=True)
        self.start_button = _button("start")
        self.cancel_button = _button("cancel")
        self.progress = QProgressBar()
        self.progress.setToolTip(CONTROLS["progress"].tooltip)
        self.progress.setTextVisible(False)  # a bar that only says "busy" has no text
        self.progress.setFixedHeight(self.start_button.sizeHint().height())
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip(CONTROLS["slider"].tooltip)
        self.slider.setPageStep(1)
        self.position = _label("position", wrap=True)
        self.keep_button = _button("keep")
        self.status = _label("status", wrap=True)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name in ("image", "model", "device"):
            form.addRow(_label(name), getattr(self, name))
        form.addRow("", self.contrast)
        layout.addLayout(form)
        layout.addWidget(self.description)
        layout.addWidget(self.start_button)
        layout.addLayout(_row(self.progress, self.cancel_button))
        layout.addSpacing(_GAP)
        layout.addWidget(self.position)
        layout.addLayout(_row(_label("coarse"), self.slider, _label("fine")))
        layout.addWidget(self.keep_button)
        layout.addSpacing(_GAP)
        layout.addWidget(self.status)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.annotator.changed.connect(self._refresh)
        self.destroyed.connect(self.annotator.close)
        self.model.currentIndexChanged.connect(self._describe)
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.annotator.cancel)
        self.slider.valueChanged.connect(self.annotator.show)
        self.keep_button.clicked.connect(self.annotator.keep)

    @property
    def _checkpoint(self) -> CheckpointInfo:
        index: int = self.model.currentIndex()
        return self._checkpoints[index]

    def _list_checkpoints(self) -> None:
        chosen = self.model.currentIndex()
        name = self._checkpoint.name if chosen >= 0 else None
        self._checkpoints = list_checkpoints()
        with QSignalBlocker(self.model):
            self.model.clear()
            self.model.addItems([_model_text(each) for each in self._checkpoints])
        names = [each.name for each in self._checkpoints]
        self.model.setCurrentIndex(names.index(name) if name in names else 0)
        self._describe()

    def _describe(self) -> None:
        self.description.setText(_description(self._checkpoint))

    def _refresh(self) -> None:
        """Show the state of the annotator."""
        self._refresh_images()
        self._refresh_progress()
        self._refresh_candidates()
        self.status.setText(_status_text(self.annotator))

    def _refresh_images(self) -> None:
        chosen = self._images[self.image.currentIndex()] if self._images else None
        self._images = self.annotator.images
        names = [each.name for each in self._images]
        if names != [self.image.itemText(index) for index in range(self.image.count())]:
            self.image.clear()
            self.image.addItems(names)
        if chosen in self._images:
            self.image.setCurrentIndex(self._images.index(chosen))

    def _refresh_progress(self) -> None:
        progress = self.annotator.progress
        self.start_button.setVisible(progress is None)
        self.cancel_button.setVisible(progress is not None)
        self.progress.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, 0 if progress.fraction is None else 100)
            self.progress.setValue(round(100 * (progress.fraction or 0)))

    def _refresh_candidates(self) -> None:
        session = self.annotator.session
        state = session.current if session else PromptState(())
        count = len(state.candidates or ())
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(count - 1, 0))
            self.slider.setValue(state.index)
        self.slider.setEnabled(count > 1)
        self.keep_button.setEnabled(count > 0)
        progress = self.annotator.progress
        self.position.setText(progress.text if progress else _position_text(session, state))


def _position_text(session: AnnotationSession | None, state: PromptState) -> str:
    if session is None:
        return HINTS["idle"]
    if session.active is None:
        return HINTS["ready"]
    if state.candidates is None:
        return HINTS["waiting"]
    if state.shown is None:
        return HINTS["nothing"]
    text = HINTS["kept"] if session.shown_is_kept else HINTS["position"]
    count = len(state.candidates)
    return text.format(position=state.index + 1, count=count, level=state.shown.level)


def _status_text(annotator: Annotator) -> str:
    if annotator.image is None or annotator.model is None:
        return ""
    model = annotator.model
    return HINTS["status"].format(
        image=annotator.image.name, model=model.checkpoint, device=model.place
    )


def _model_text(checkpoint: CheckpointInfo) -> str:
    if checkpoint.problem or (checkpoint.source == "bundled" and not checkpoint.downloaded):
        return HINTS["unusable"].format(model=checkpoint.name)
    if not checkpoint.downloaded:
        return HINTS["to download"].format(model=checkpoint.name)
    return checkpoint.name


def _description(checkpoint: CheckpointInfo) -> str:
    if checkpoint.problem or not checkpoint.experimental:
        return checkpoint.problem or checkpoint.description
    kinds = ", ".join(checkpoint.experimental)
    return HINTS["experimental"].format(description=checkpoint.description, kinds=kinds)


def _combo(name: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(CONTROLS[name].tooltip)
    # Long names must not make the panel wide.
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    return combo


def _button(name: str) -> QPushButton:
    button = QPushButton(CONTROLS[name].caption)
    button.setToolTip(CONTROLS[name].tooltip)
    return button


def _label(name: str, *, wrap: bool = False) -> QLabel:
    label = QLabel(CONTROLS[name].caption)
    label.setToolTip(CONTROLS[name].tooltip)
    label.setWordWrap(wrap)
    return label


def _row(*widgets: QWidget) -> QLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
