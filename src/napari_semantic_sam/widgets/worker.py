"""Work beside the user interface, on a thread of Qt's pool."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

from qtpy.QtCore import QCoreApplication, QObject, QThreadPool, Signal

_FEWEST_THREADS = 6
"""A run on the whole image, one along a stack, and the short jobs of a click beside them."""


@dataclass(frozen=True)
class Progress:
    """What a job is doing, and the share that is done (None if unknown)."""

    text: str
    fraction: float | None = None


class Job(QObject):
    """One call on a worker thread; its owner hears of it on the main thread.

    Errors of every kind arrive in `error`, and warnings stay as they are; the workers of
    superqt swallow any `RuntimeError` of a generator, which is what torch raises.

    Parameters
    ----------
    work : callable
        Called with this job on the worker thread; it may call `report`, `hand_over` and
        `is_cancelled`.
    on_end : bound method
        Called with this job on the main thread, unless its object is gone by then.
    on_progress : bound method, optional
        Called likewise whenever the work reports.
    on_part : bound method, optional
        Called likewise with each part of the result that the work hands over early.

    Attributes
    ----------
    result : object
        What the work returned.
    error : Exception or None
        What it raised.
    progress : Progress or None
        The last report.
    """

    _reported = Signal(object)
    _handed_over = Signal(object)
    _ended = Signal()

    def __init__(
        self,
        work: Callable[[Job], Any],
        on_end: Callable[[Job], None],
        on_progress: Callable[[Job], None] | None = None,
        on_part: Callable[[Any], None] | None = None,
    ) -> None:
        # A child of the application: the thread must not be the one that deletes it.
        super().__init__(QCoreApplication.instance())
        self.result: Any = None
        self.error: Exception | None = None
        self.progress: Progress | None = None
        self._work = work
        self._on_end = weakref.WeakMethod(on_end)
        self._on_progress = weakref.WeakMethod(on_progress) if on_progress else None
        self._on_part = weakref.WeakMethod(on_part) if on_part else None
        self._cancelled = Event()
        self._reported.connect(self._tell_progress)
        self._handed_over.connect(self._tell_part)
        self._ended.connect(self._tell_end)

    def start(self) -> None:
        """Run on the next free thread."""
        pool = QThreadPool.globalInstance()
        # Qt has one thread per core: a long run on a small computer would keep clicks waiting.
        pool.setMaxThreadCount(max(_FEWEST_THREADS, pool.maxThreadCount()))
        pool.start(self._run)

    def cancel(self) -> None:
        """Ask the work to stop, and say nothing more to the owner."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Whether the work should stop; for the work to ask."""
        return self._cancelled.is_set()

    def report(self, text: str, fraction: float | None = None) -> None:
        """Say how far the work is; for the work to call."""
        self._reported.emit(Progress(text, fraction))

    def hand_over(self, part: Any) -> None:
        """Give a part of the result before the end; for the work to call."""
        self._handed_over.emit(part)

    def _run(self) -> None:
        try:
            self.result = self._work(self)
        except Exception as error:  # every kind, to be raised again where the owner is
            self.error = error
        self._ended.emit()

    def _tell_progress(self, progress: Progress) -> None:
        self.progress = progress
        self._tell(self._on_progress)

    def _tell_part(self, part: Any) -> None:
        method = self._on_part() if self._on_part else None
        if method and not self.is_cancelled():
            method(part)

    def _tell_end(self) -> None:
        self.deleteLater()
        self._tell(self._on_end)

    def _tell(self, listener: weakref.WeakMethod[Callable[[Job], None]] | None) -> None:
        method = listener() if listener else None
        if method and not self.is_cancelled():
            method(self)


def weakly(method: Callable[..., None], *given: Any) -> Callable[[], None]:
    """Return a call of a method that does nothing once the method's object is gone.

    Qt may keep what it is to call later for long, and with it all that this refers to.
    """
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive(*given)

    return call
