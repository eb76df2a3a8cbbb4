"""What is annotated, and with which model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_semantic_sam.inference.tiles.scale import ObjectSize, Unit
from napari_semantic_sam.model.registry import CheckpointInfo, list_checkpoints
from napari_semantic_sam.widgets.channels import ChannelPicker
from napari_semantic_sam.widgets.controls import (
    add_row,
    button,
    check_box,
    choose,
    combo,
    compact,
    explained,
    label,
    plain_text,
    row,
)
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.names import Vocabulary, vocabulary_of
from napari_semantic_sam.widgets.tables import DEVICES, KINDS
from napari_semantic_sam.widgets.worker import Progress

_LARGEST = 99_999
"""Pixels or micrometres."""


class SourceForm(QWidget):
    """Chooses an image, a checkpoint and a device, and starts with them."""

    start = Signal()
    cancel = Signal()
    measure_shape = Signal()
    changed = Signal()
    """Emitted when the user chose another model, device or contrast."""

    def __init__(self) -> None:
        super().__init__()
        self._images: list[Image] = []
        self._checkpoints: list[CheckpointInfo] = []
        self._vocabularies: dict[str, Vocabulary] = {}
        self._limits: dict[str, str] = {}
        self._in_use = ""
        self.image = combo("image")
        self.model = combo("model")
        self.device = combo("device")
        for value, text in DEVICES:
            self.device.addItem(text, value)
        self.contrast = check_box("contrast")
        self.channels = ChannelPicker()
        self.object_size = explained(QDoubleSpinBox(), "object_size")
        self.object_size.setRange(0, _LARGEST)
        self.object_size.setDecimals(1)
        self.object_size.setSpecialValueText(HINTS["automatic size"])
        self.size_unit = explained(QComboBox(), "size_unit")
        self.size_unit.addItems(get_args(Unit))
        self.shape_button = button("shape_size")
        self.description = plain_text("description")
        self.start_button = button("start")
        self.cancel_button = button("cancel")
        self.progress = explained(QProgressBar(), "progress")
        self.progress.setTextVisible(False)  # a bar that only says "busy" has no text
        self.progress.setFixedHeight(self.start_button.sizeHint().height())
        self._lay_out()
        self.list_checkpoints()
        self._connect()

    @property
    def chosen_image(self) -> Image | None:
        """The image to annotate."""
        index = self.image.currentIndex()
        return self._images[index] if index >= 0 else None

    @property
    def checkpoint(self) -> CheckpointInfo:
        """The model to find masks with."""
        index: int = self.model.currentIndex()
        return self._checkpoints[index]

    @property
    def chosen_object_size(self) -> ObjectSize | None:
        """How large typical objects are; None if the user does not say."""
        number = float(self.object_size.value())
        unit: Unit = "px" if self.size_unit.currentText() == "px" else "µm"
        return ObjectSize(number, unit) if number else None

    def choose_object_size(self, size: ObjectSize) -> None:
        """Show a size, as if the user had typed it."""
        self.size_unit.setCurrentText(size.unit)
        self.object_size.setValue(size.number)

    def show_in_use(self, name: str) -> None:
        """Say which checkpoint a session works with, "" for none: no need to describe it here."""
        if name != self._in_use:
            self._in_use = name
            self._describe()

    def limits_of(self, name: str) -> str:
        """Say what a checkpoint cannot do, or nobody has measured yet; "" for one not listed."""
        return self._limits.get(name, "")

    def vocabulary_of(self, name: str) -> Vocabulary:
        """Return the names a checkpoint knows; none for one not listed."""
        return self._vocabularies.get(name, {})

    def choose_checkpoint(self, name: str) -> None:
        """Choose a checkpoint, if it is in the list, without telling anybody."""
        choose(self.model, name)
        self._describe()

    def list_checkpoints(self) -> None:
        """List checkpoints anew, which may have been downloaded or trained meanwhile."""
        chosen = self.model.currentData()
        self._checkpoints = list_checkpoints()
        self._vocabularies = {each.name: vocabulary_of(each) for each in self._checkpoints}
        self._limits = {
            each.name: _limits_of(each, self._vocabularies[each.name]) for each in self._checkpoints
        }
        with QSignalBlocker(self.model):
            self.model.clear()
            for each in self._checkpoints:
                self.model.addItem(_model_text(each), each.name)
        self.choose_checkpoint(chosen)

    def show_images(self, images: Sequence[Image]) -> None:
        """Offer images; the chosen one stays chosen as long as it is there."""
        chosen = self.chosen_image
        self._images = list(images)
        names = [each.name for each in images]
        if names != [self.image.itemText(index) for index in range(self.image.count())]:
            self.image.clear()
            self.image.addItems(names)
        if chosen in self._images:
            self.image.setCurrentIndex(self._images.index(chosen))
        self._show_channels()

    def show_progress(self, progress: Progress | None) -> None:
        """Show how far opening an image is; None while none is being opened."""
        self.start_button.setVisible(progress is None)
        self.cancel_button.setVisible(progress is not None)
        self.progress.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, 0 if progress.fraction is None else 100)
            self.progress.setValue(round(100 * (progress.fraction or 0)))

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        compact(layout)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setVerticalSpacing(0)
        for name in ("image", "model", "device"):
            add_row(form, name, getattr(self, name))
        add_row(form, "channels", self.channels)
        self._channels_caption = form.labelForField(self.channels)
        caption = label("object_size")
        caption.setBuddy(self.object_size)
        form.addRow(caption, row(self.object_size, self.size_unit))
        form.setWidget(form.rowCount(), QFormLayout.ItemRole.FieldRole, self.shape_button)
        layout.addLayout(form)
        layout.addWidget(self.description)
        layout.addLayout(row(self.contrast, self.start_button))
        layout.addLayout(row(self.progress, self.cancel_button))

    def _connect(self) -> None:
        self.image.currentIndexChanged.connect(self._show_channels)
        self.model.currentIndexChanged.connect(self._describe)
        self.model.currentIndexChanged.connect(self._tell)
        self.device.currentIndexChanged.connect(self._tell)
        self.contrast.toggled.connect(self._tell)
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.shape_button.clicked.connect(self.measure_shape)

    def _show_channels(self) -> None:
        self.channels.show_image(self.chosen_image)
        for each in (self.channels, self._channels_caption):
            each.setVisible(self.channels.is_of_use)

    def _tell(self) -> None:
        self.changed.emit()

    def _describe(self) -> None:
        checkpoint = self.checkpoint
        limits = self.limits_of(checkpoint.name)
        self.description.setText(checkpoint.problem or f"{checkpoint.description} {limits}")
        self.description.setVisible(checkpoint.name != self._in_use)


def _model_text(checkpoint: CheckpointInfo) -> str:
    if checkpoint.problem or (checkpoint.source == "bundled" and not checkpoint.downloaded):
        return HINTS["unusable"].format(model=checkpoint.name)
    if not checkpoint.downloaded:
        return HINTS["to download"].format(model=checkpoint.name)
    return checkpoint.name


def _limits_of(checkpoint: CheckpointInfo, vocabulary: Vocabulary) -> str:
    names = sum(len(each) for each in vocabulary.values())
    sentences = [HINTS["names"].format(count=names) if names else HINTS["no names"]]
    lacking = [text for kind, text in KINDS.items() if kind not in checkpoint.capabilities]
    if lacking:
        sentences.append(HINTS["lacks"].format(kinds=", ".join(lacking)))
    if checkpoint.experimental:
        kinds = ", ".join(KINDS.get(each, each) for each in checkpoint.experimental)
        sentences.append(HINTS["experimental"].format(kinds=kinds))
    return " ".join(sentences)
