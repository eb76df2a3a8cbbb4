"""Segments the whole image beside the user interface, and brings the labels in bit by bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event

import napari.viewer
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_semantic_sam.annotation.automatic import AutomaticRequest, Found, find_everything
from napari_semantic_sam.annotation.engine import OpenPicture
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.automatic.draft import DraftLayer
from napari_semantic_sam.widgets.automatic.stack_search import Part, StackRequest, find_in_stack
from napari_semantic_sam.widgets.hints import HINTS
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.opening import tell
from napari_semantic_sam.widgets.session_view import SessionView
from napari_semantic_sam.widgets.worker import Job, Progress

_SECONDS_AT_ONCE = 0.03
"""So long labels are written before the user interface has its turn."""
_MOST_TOLD = 5
"""Slices without labels that are named one by one."""


class AutomaticRun:
    """One run at a time, on the image of the session in progress.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    on_change : bound method
        Called when `progress` or `text` may have changed.

    Attributes
    ----------
    text : str
        What the last run found, for the panel; "" before the first.
    """

    def __init__(self, viewer: napari.viewer.Viewer, on_change: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_change = on_change
        self._view: SessionView | None = None
        self._draft: DraftLayer | None = None
        self._job: Job | None = None
        self._stopped = Event()
        self._is_preview = False
        self._is_writing = False
        self._last_level: int | None = None
        self.text = ""
        self._is_busy = False  # the timer cannot be asked: in the end Qt deletes it before us
        self._timer = QTimer()
        self._timer.timeout.connect(self._write_some)

    @property
    def progress(self) -> Progress | None:
        """How far a run is; None while there is none."""
        if self._is_busy:
            return Progress(HINTS["writing"])
        if self._job is None:
            return None
        if self._stopped.is_set():
            return Progress(HINTS["stopping"])
        return self._job.progress or Progress(HINTS["segmenting"])

    def start(
        self,
        view: SessionView,
        opened: OpenPicture,
        request: AutomaticRequest | StackRequest,
        *,
        is_preview: bool,
    ) -> None:
        """Begin a run, unless there is one.

        Parameters
        ----------
        view : SessionView
            Of the session in progress.
        opened : OpenPicture
            The plane on display.
        request : AutomaticRequest or StackRequest
            What to look for in this plane, or in all of them.
        is_preview : bool
            Whether to show what is found without keeping it.

        Raises
        ------
        UserError
            If the model takes no clicks, or there is no room for what is found.
        """
        if self.progress is not None:
            return
        if "click" not in opened.model.prompt_kinds:
            raise UserError(MESSAGES["no automatic"])
        self.end()
        self._view, self._is_preview = view, is_preview
        is_stopped = self._stopped.is_set
        plane = None if isinstance(request, StackRequest) else opened.plane
        self._draft = DraftLayer(self._viewer.layers, view.image, view.frame, plane)
        self._job = Job(
            lambda job: _find(opened, request, job, is_stopped),
            self._on_found,
            self._on_progress,
            self._on_draft,
        )
        self._job.start()
        self._on_change()

    def stop(self) -> None:
        """Stop looking; what was found until now is kept."""
        self._stopped.set()
        self._on_change()

    def write(self, view: SessionView) -> None:
        """Go on with labels that a session is writing, of a run or of one that is undone."""
        self._view, self._is_writing = view, True
        if not self._is_busy:
            self._is_busy, self._last_level = True, None
            self._timer.start()

    def end(self) -> None:
        """Forget the run and what it found, and write what was begun to be written."""
        self._stopped.set()
        self._stopped = Event()
        if self._job is not None:
            self._job.cancel()
        if self._is_busy:
            self._finish()
        if self._draft is not None:
            self._draft.remove()
        self._job = self._draft = self._view = None
        self.text = ""

    def _on_progress(self, job: Job) -> None:
        self._on_change()

    def _on_draft(self, part: Part) -> None:
        if self._draft is not None and self._job is not None:
            self._draft.draw(*part)

    def _on_found(self, job: Job) -> None:
        self._job = None
        if job.error is not None:
            self.end()
            self._on_change()
            tell(job.error)
            return
        if self._is_preview:
            self._show_preview(job.result)
        else:
            self._begin_writing(job.result)
        if job.result.skipped:
            show_warning(_skipped_text(job.result.skipped))
        self._on_change()

    def _show_preview(self, found: Found) -> None:
        self.text = _summary(found, "drafted")
        if self._draft is not None and not found.counts:
            self._draft.remove()

    def _begin_writing(self, found: Found) -> None:
        assert self._view
        if self._is_busy:
            self._finish()
        self.text = _summary(found, "found")
        self._view.session.begin_adding(found.patches)
        self.write(self._view)

    def _write_some(self) -> None:
        """Write labels for an instant; each level appears as soon as it is complete."""
        assert self._view
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            return  # a stroke is being drawn
        end = time.monotonic() + _SECONDS_AT_ONCE
        while time.monotonic() < end:
            level = self._write_next()
            finished = self._last_level if level != self._last_level else None
            self._last_level = level
            if finished is not None:
                self._view.levels.show([finished])
                return
            if level is None:
                self._finish()
                self._on_change()
                return

    def _write_next(self) -> int | None:
        """Write a few labels, and return their level; None if nothing is left."""
        assert self._view
        session, level = self._view.session, None
        try:
            if self._is_writing and not session.is_writing:  # another act has written the rest
                self._view.levels.show_all()
            level = session.write_some()
        except UserError as error:  # there are more objects than a layer can count
            self._view.levels.show_all()  # what was written is taken back
            tell(error)
        self._is_writing = session.is_writing
        return level

    def _finish(self) -> None:
        """Write what is left, and show it."""
        assert self._view
        self._is_busy = False
        self._timer.stop()
        session, levels = self._view.session, {self._last_level, self._write_next()}
        while session.is_writing:
            levels.add(self._write_next())
        self._view.levels.show(level for level in levels if level is not None)
        self._view.reconcile()
        if self._draft is not None and self._job is None and not self._is_preview:
            self._draft.remove()
            self._draft = None
        if session.notice:
            show_info(session.notice)


def _find(
    opened: OpenPicture,
    request: AutomaticRequest | StackRequest,
    job: Job,
    stopped: Callable[[], bool],
) -> Found:
    if isinstance(request, StackRequest):
        return find_in_stack(opened, request, job.report, stopped, job.hand_over)

    def draft(masks: Sequence[Candidate]) -> None:
        job.hand_over((opened.plane, masks))

    return find_everything(opened, request, job.report, stopped, draft)


def _skipped_text(skipped: Sequence[str]) -> str:
    lines = [MESSAGES["slice skipped"].format(problem=each) for each in skipped[:_MOST_TOLD]]
    if len(skipped) > _MOST_TOLD:
        lines.append(MESSAGES["more skipped"].format(count=len(skipped) - _MOST_TOLD))
    return "\n".join(lines)


def _summary(found: Found, hint: str) -> str:
    if not found.counts:
        return HINTS["found nothing"]
    parts = [
        HINTS["found level"].format(count=count, level=level)
        for level, count in found.counts.items()
    ]
    return HINTS[hint].format(objects=", ".join(parts))
