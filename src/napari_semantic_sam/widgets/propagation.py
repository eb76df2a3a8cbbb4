"""A label on its way through a stack, beside the user interface."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_semantic_sam.annotation.engine import OpenPicture
from napari_semantic_sam.annotation.propagating import Followed, Start, follow
from napari_semantic_sam.widgets.controls import button, explained, row
from napari_semantic_sam.widgets.opening import tell
from napari_semantic_sam.widgets.worker import Job, Progress


class Propagation:
    """Follows one label at a time.

    Parameters
    ----------
    on_change : bound method
        Called when `progress` may have changed.
    on_followed : bound method
        Called with a `Followed` when the label has reached its ends.
    """

    def __init__(
        self, on_change: Callable[[], None], on_followed: Callable[[Followed], None]
    ) -> None:
        self._on_change = on_change
        self._on_followed = on_followed
        self._job: Job | None = None

    @property
    def progress(self) -> Progress | None:
        """How far it is; None while no label is followed."""
        return None if self._job is None else self._job.progress or Progress("")

    def begin(self, opened: OpenPicture, start: Start) -> None:
        """Follow a label, unless one is being followed."""
        if self._job is None:
            self._job = Job(
                lambda job: follow(opened, start, job.report, job.is_cancelled),
                self._on_end,
                self._on_progress,
            )
            self._job.start()
            self._on_change()

    def cancel(self) -> None:
        """Stop; nothing is written."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._on_change()

    def _on_progress(self, job: Job) -> None:
        self._on_change()

    def _on_end(self, job: Job) -> None:
        self._job = None
        if job.error is None:
            self._on_followed(job.result)
        self._on_change()
        tell(job.error)


class PropagationForm(QWidget):
    """The button that follows an object through a stack; of use for stacks only."""

    propagate = Signal()
    cancel = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.button = button("propagate")
        self.cancel_button = button("cancel_propagation")
        self.progress = explained(QProgressBar(), "progress")
        self.progress.setTextVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addLayout(row(self.progress, self.cancel_button))
        self.button.clicked.connect(self.propagate)
        self.cancel_button.clicked.connect(self.cancel)
        self.show_state(is_stack=False, progress=None)

    def show_state(self, *, is_stack: bool, progress: Progress | None) -> None:
        """Show whether there is a stack, and how far an object was followed."""
        self.setVisible(is_stack)
        self.button.setVisible(progress is None)
        self.progress.setVisible(progress is not None)
        self.cancel_button.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, 0 if progress.fraction is None else 100)
            self.progress.setValue(round(100 * (progress.fraction or 0)))
