"""Candidates of prompts, looked for beside the user interface."""

from __future__ import annotations

from collections.abc import Callable

from napari_semantic_sam.annotation.engine import OpenPicture, find_candidates
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.combination import Combined
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.widgets.opening import tell
from napari_semantic_sam.widgets.worker import Job


class Finder:
    """Answers the objects of a session that wait, one at a time, the active one first.

    Prompts that change while they are being answered are answered anew.

    Parameters
    ----------
    session : AnnotationSession
    opened : callable
        Returns the plane that the session is at.
    on_found : callable
        Called after the session received candidates.
    """

    def __init__(
        self,
        session: AnnotationSession,
        opened: Callable[[], OpenPicture],
        on_found: Callable[[], None],
    ) -> None:
        self._session = session
        self._opened = opened
        self._on_found = on_found
        self._job: Job | None = None
        self._asked: tuple[int, tuple[Prompt, ...]] = (0, ())

    def find(self) -> None:
        """Begin with what waits, unless something is being looked for."""
        session = self._session
        if self._job is not None or not session.waiting:
            return
        waiting = list(session.waiting)
        group = session.active if session.active in waiting else waiting[-1]
        prompts = session.groups[group]
        self._asked = (group, prompts)
        try:
            labels = _masks(session, prompts)
        except UserError as error:  # the label is gone
            session.receive(group, prompts, Combined())
            tell(error)
            self.find()
            return
        opened = self._opened()
        self._job = Job(lambda job: find_candidates(opened, prompts, labels), self._on_end)
        self._job.start()

    def cancel(self) -> None:
        """Stop; nothing more is heard."""
        if self._job:
            self._job.cancel()
        self._job = None

    def _on_end(self, job: Job) -> None:
        self._job = None
        self._session.receive(*self._asked, job.result if job.error is None else Combined())
        self.find()
        self._on_found()
        tell(job.error)


def _masks(session: AnnotationSession, prompts: tuple[Prompt, ...]) -> dict[Prompt, CroppedMask]:
    labels = [prompt for prompt in prompts if prompt.kind == "label"]
    return {each: session.mask_of(*map(int, each.coordinates[:2])) for each in labels}
