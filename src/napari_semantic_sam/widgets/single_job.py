"""Work beside the user interface of which there is one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_semantic_sam.widgets.opening import tell
from napari_semantic_sam.widgets.worker import Job, Progress


class SingleJob:
    """Runs one `Job` at a time; what a user can mend of its errors is told him.

    Parameters
    ----------
    on_change : callable
        Called whenever `progress` may have changed.
    on_result : callable
        Called with what the work returned.
    """

    def __init__(self, on_change: Callable[[], None], on_result: Callable[[Any], None]) -> None:
        self._on_change = on_change
        self._on_result = on_result
        self._job: Job | None = None

    @property
    def progress(self) -> Progress | None:
        """How far it is; None while nothing is at work."""
        return None if self._job is None else self._job.progress or Progress("")

    def start(self, work: Callable[[Job], Any]) -> None:
        """Start some work, see `Job`, unless some is under way."""
        if self._job is None:
            self._job = Job(work, self._on_end, self._on_progress)
            self._job.start()
            self._on_change()

    def cancel(self) -> None:
        """Stop, and hear nothing more of it."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._on_change()

    def _on_progress(self, job: Job) -> None:
        self._on_change()

    def _on_end(self, job: Job) -> None:
        self._job = None
        if job.error is None:
            self._on_result(job.result)
        self._on_change()
        tell(job.error)
