"""Work beside the user interface of which only the newest request matters."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from napari_semantic_sam.annotation.hover import LatestRequest
from napari_semantic_sam.widgets.worker import Job

Request = TypeVar("Request")


class LatestJob(Generic[Request]):
    """Answers requests one after the other on a worker thread, leaving out overtaken ones.

    Parameters
    ----------
    work : callable
        Called with a request on a worker thread.
    on_end : bound method
        Called on the main thread with each request that was worked at and its `Job`, unless
        its object is gone by then.
    """

    def __init__(
        self, work: Callable[[Request], Any], on_end: Callable[[Request, Job], None]
    ) -> None:
        self._work = work
        self._on_end = weakref.WeakMethod(on_end)
        self._mailbox: LatestRequest[Request] = LatestRequest()
        self._running: tuple[Request, Job] | None = None

    def ask(self, request: Request) -> None:
        """Have a request answered, at once or after the one at work."""
        ready = self._mailbox.put(request)
        if ready is not None:
            self._start(ready)

    def clear(self) -> None:
        """Forget the request that waits; the one at work is still heard of."""
        self._mailbox.clear()

    def cancel(self) -> None:
        """Forget every request; nothing more is heard of them."""
        if self._running:
            self._running[1].cancel()
        self._running, self._mailbox = None, LatestRequest()

    def _start(self, request: Request) -> None:
        work = self._work  # not this object, which the thread must not keep alive
        job = Job(lambda job: work(request), self._on_job)
        self._running = (request, job)
        job.start()

    def _on_job(self, job: Job) -> None:
        if self._running is None:
            return
        request = self._running[0]
        self._running = None
        following = self._mailbox.done()
        if following is not None:
            self._start(following)  # first, so that the thread works while the answer is drawn
        on_end = self._on_end()
        if on_end:
            on_end(request, job)
