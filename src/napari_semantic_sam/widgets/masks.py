"""The masks of the active object: walk through them, mark some, keep them."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QSlider, QVBoxLayout, QWidget

from napari_semantic_sam.annotation.groups import GroupState
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.candidate_list import CandidateList, CandidateRow
from napari_semantic_sam.widgets.controls import (
    button,
    compact,
    explained,
    label,
    plain_text,
    row,
)
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.worker import Progress


class MaskChooser(QWidget):
    """Slider, list and button; it shows what it is told and says what the user wants."""

    chosen = Signal(int)
    """Emitted with the index of the candidate that the user wants to see."""
    marked = Signal(int, bool)
    """Emitted with the index of a candidate and whether it is to be kept, too."""
    keep = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._candidates: tuple[Candidate, ...] = ()
        self._areas: list[int] = []
        self.position = plain_text("position")
        self.slider = explained(QSlider(Qt.Orientation.Horizontal), "slider")
        self.slider.setPageStep(1)
        self.list = CandidateList()
        self.keep_button = button("keep")
        layout = QVBoxLayout(self)
        compact(layout)
        layout.addWidget(self.position)
        layout.addLayout(row(label("coarse"), self.slider, label("fine")))
        layout.addWidget(self.list)
        layout.addWidget(self.keep_button)
        self.slider.valueChanged.connect(self.chosen)
        self.list.chosen.connect(self.chosen)
        self.list.marked.connect(self.marked)
        self.keep_button.clicked.connect(self.keep)

    def show_session(self, session: AnnotationSession | None, progress: Progress | None) -> None:
        """Show the candidates of the active object, or what has to happen first."""
        state = session.current if session else GroupState()
        count = len(state.candidates or ())
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(count - 1, 0))
            self.slider.setValue(state.index)
        self.slider.setEnabled(count > 1)
        self.list.setEnabled(count > 0)
        self.list.show_rows(self._rows(state), state.index)
        self.keep_button.setEnabled(bool(state.to_keep))
        self.position.setText(progress.text if progress else _position_text(session, state))

    def _rows(self, state: GroupState) -> list[CandidateRow]:
        candidates = state.candidates or ()
        if candidates is not self._candidates:  # counting pixels takes a while
            self._candidates = candidates
            self._areas = [candidate.area for candidate in candidates]
        return [
            CandidateRow(
                candidate.level,
                area,
                candidate.predicted_iou,
                state.kept[index].object if index in state.kept else "",
                index in state.marked,
                index in state.kept,
            )
            for index, (candidate, area) in enumerate(zip(candidates, self._areas, strict=True))
        ]


def _position_text(session: AnnotationSession | None, state: GroupState) -> str:
    if session is None:
        return HINTS["idle"]
    prompts = () if session.active is None else session.groups.get(session.active, ())
    if not prompts:
        return HINTS["ready"]
    if not any(prompt.positive for prompt in prompts):
        return HINTS["only negative"]
    if state.candidates is None:
        return HINTS["waiting"]
    if state.shown is None:
        return HINTS["nothing"]
    text = HINTS["kept" if state.shown_is_kept else "position"]
    count = len(state.candidates)
    return text.format(position=state.index + 1, count=count, level=state.shown.level)
