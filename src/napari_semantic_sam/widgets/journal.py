"""The journal of the session in progress, and the offer to restore an interrupted one."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Thread

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal

from napari_semantic_sam.annotation.engine import OpenPicture, Request
from napari_semantic_sam.annotation.journal import Journal
from napari_semantic_sam.annotation.journal_folder import (
    Unfinished,
    discard_journal,
    new_journal,
    remove_old_journals,
    unfinished_journals,
)
from napari_semantic_sam.annotation.journal_header import describe
from napari_semantic_sam.annotation.picture_hash import Recogniser
from napari_semantic_sam.annotation.recording import (
    Recording,
    WholeLevel,
    read_journal,
    restore,
)
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_chunks import hold_the_same
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets.preferences import journal_folder
from napari_semantic_sam.widgets.worker import Job

_UNKNOWN_LABELS = (
    "“{image}” has labels that the interrupted annotation does not know; save its level layers, "
    "remove them, and restore again."
)


@dataclass(frozen=True)
class _Recorded:
    """A session and where it is recorded."""

    session: AnnotationSession
    request: Request
    opened: OpenPicture
    journal: Journal


@dataclass(frozen=True)
class _Restored:
    """A session made from a journal."""

    session: AnnotationSession
    recording: Recording
    opened: OpenPicture

    @property
    def path(self) -> Path:
        """The journal."""
        return self.recording.path


_SECONDS_TO_CLOSE = 0.05
"""So long the window may stand still while a journal is finished."""


class JournalKeeper(QObject):
    """Records one session at a time, and restores what a crash interrupted.

    Parameters
    ----------
    on_change : bound method
        Called, as long as its object lives, when `offer` changes.
    on_restored : bound method
        Called likewise with the session that `restore` made, and the picture at the scale at
        which it was annotated. Whoever shows it calls `end` for the session so far and `begin`
        with the new one, which goes on with its journal.
    """

    _problem = Signal(str)

    def __init__(
        self,
        on_change: Callable[[], None],
        on_restored: Callable[[AnnotationSession, OpenPicture], None],
    ) -> None:
        super().__init__()
        self._on_change = weakref.WeakMethod(on_change)
        self._on_restored = weakref.WeakMethod(on_restored)
        self._recorded: _Recorded | None = None
        self._restored: _Restored | None = None
        self._offer: Unfinished | None = None
        self._job: Job | None = None
        self._problem.connect(self._tell_problem)

    @property
    def offer(self) -> Unfinished | None:
        """An interrupted annotation of the picture in session; its `text` is for people."""
        return self._offer

    def begin(self, session: AnnotationSession, request: Request, opened: OpenPicture) -> None:
        """Record a session from now on: first the labels it has, then every step."""
        self.end()
        restored, self._restored = self._restored, None
        folder = journal_folder()
        if folder is None:
            return
        goes_on = restored is not None and restored.session is session
        path = restored.path if restored and goes_on else new_journal(folder, request.name)
        try:
            journal = Journal(
                path, session.levels, lambda: describe(request, opened), self._problem.emit
            )
        except UserError as error:
            show_warning(str(error))
            return
        session.listeners.append(journal.write)
        self._recorded = _Recorded(session, request, opened, journal)
        if not goes_on:
            self._look(folder)

    def end(self) -> None:
        """Mark the journal of the session as ended, if there is one."""
        recorded, self._recorded = self._recorded, None
        if self._job:
            self._job.cancel()
            self._job = None
        if recorded:
            recorded.session.listeners.remove(recorded.journal.write)
            # Its first line may wait for a slow file; then the thread goes on by itself.
            closing = Thread(target=recorded.journal.close, name="end of a journal")
            closing.start()
            closing.join(_SECONDS_TO_CLOSE)
        self._set_offer(None)

    def restore(self) -> None:
        """Read what is on offer and make a session of it, beside the user interface."""
        if self._recorded is None or self._offer is None or self._job:
            return
        path, opened = self._offer.path, self._recorded.opened
        present = self._recorded.session.levels
        levels = LevelLabels(present.shape, present.stack)
        self._job = Job(lambda job: _restored_session(path, levels, opened), self._on_read)
        self._job.start()

    def discard(self) -> None:
        """Remove the journal on offer, and offer an older one if there is one."""
        if self._recorded is None or self._offer is None or self._job:
            return
        try:
            discard_journal(self._offer.path)
        except UserError as error:
            show_error(str(error))
        self._look(self._offer.path.parent)
        self._set_offer(None)

    def _look(self, folder: Path) -> None:
        assert self._recorded
        request = self._recorded.request
        self._job = Job(lambda job: _find(folder, request), self._on_found)
        self._job.start()

    def _on_found(self, job: Job) -> None:
        self._job = None
        if job.error:
            raise job.error
        self._set_offer(job.result)

    def _on_read(self, job: Job) -> None:
        self._job = None
        try:
            if job.error:
                raise job.error
            self._check_labels(job.result)
        except UserError as error:
            show_error(str(error))
            return
        self._restored = job.result
        restored = self._on_restored()
        if restored:
            restored(job.result.session, job.result.opened)

    def _check_labels(self, restored: _Restored) -> None:
        """Refuse to put aside labels that are on the screen and not in the journal."""
        assert self._recorded
        present, wanted = self._recorded.session.levels, restored.session.levels
        for level in present.levels:
            if not present.occupied(level):
                continue
            # What it ends with first: to unpack the others takes time.
            known = [wanted.store(level)] if level in wanted.levels else []
            begun = (each.array for each in _whole_levels(restored.recording, level))
            store = present.store(level)
            if not any(hold_the_same(store, each) for each in chain(known, begun)):
                raise UserError(_UNKNOWN_LABELS.format(image=self._recorded.request.name))

    def _set_offer(self, offer: Unfinished | None) -> None:
        if offer == self._offer:
            return
        self._offer = offer
        changed = self._on_change()
        if changed:
            changed()

    def _tell_problem(self, sentence: str) -> None:
        show_warning(sentence)


def _find(folder: Path, request: Request) -> Unfinished | None:
    """Return the newest interrupted annotation of a picture; runs on a worker thread."""
    remove_old_journals(folder)
    wanted = (request.source.shape, request.source.plane_counts)
    found = [
        each
        for each in unfinished_journals(folder)
        if (each.header.shape, each.header.stack) == wanted
    ]
    recogniser = Recogniser(request.source)
    return next((each for each in found if recogniser.knows(each.header)), None)


def _restored_session(path: Path, levels: LevelLabels, opened: OpenPicture) -> _Restored:
    """Read a journal into a session of its own; runs on a worker thread."""
    recording = read_journal(path)
    session = AnnotationSession(levels, opened.model.prompt_kinds)
    restore(recording, session)
    return _Restored(session, recording, opened.at_scale(recording.header.scale))


def _whole_levels(recording: Recording, level: int) -> list[WholeLevel]:
    return [
        each for each in recording.events if isinstance(each, WholeLevel) and each.level == level
    ]
