"""Everything the user does to one picture, written to a file while it is done."""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from napari_semantic_sam.annotation.changes import LabelsChange, Step
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.annotation.label_codec import (
    Plain,
    encode_level,
    encode_row,
    whole_level,
)
from napari_semantic_sam.annotation.line_writer import LineWriter
from napari_semantic_sam.annotation.step_codec import encode_step
from napari_semantic_sam.annotation.stepping import Event
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.io.files import is_full_disk, make_folder

END_LINE = b'{"event": "end"}\n'


class Journal:
    """Appends the steps of a session to a file: ``session.listeners.append(journal.write)``.

    One line of JSON per event: the header, ``level`` for labels that came from elsewhere,
    ``step``, ``undo`` and ``redo`` as they happen, ``resume`` with a new header when a
    journal is continued, and ``end`` for a clean end.

    Parameters
    ----------
    path : Path
        A file that does not exist yet, or a journal to go on with.
    levels : LevelLabels
        Of the session. In a new journal, what they hold now is recorded first.
    header : callable
        Returns the header; called on another thread, because it may take long.
    on_problem : callable
        Called once, on another thread, with a sentence if the file cannot be written, or what
        is to be recorded cannot be read or encoded.
        Nothing more is recorded then, and annotating may go on.

    Raises
    ------
    UserError
        If another session writes this journal, or its folder cannot be used.
    """

    def __init__(
        self,
        path: Path,
        levels: LevelLabels,
        header: Callable[[], Header],
        on_problem: Callable[[str], None],
    ) -> None:
        self.path = path
        self._levels = levels
        self._on_problem = on_problem
        self._has_failed = False
        self._lock = lock_journal(path)
        is_new = not path.exists()
        self._is_worth_keeping = not is_new
        self._writer = LineWriter(path, self._on_error)
        before: Plain = {} if is_new else {"event": "resume"}
        self._append(lambda: before | header().to_plain())
        for level in levels.levels if is_new else ():
            self._write_level(level)
        atexit.register(self.close)  # leaving the program in order is no crash

    def write(self, event: Event, step: Step) -> None:
        """Record what happened to the session; a listener of it."""
        if event == "adopt":
            for change in step.changes:
                if isinstance(change, LabelsChange):
                    self._write_level(change.level)
            return
        self._is_worth_keeping = True
        data: Plain = {"event": event}
        self._append(lambda: data | encode_step(step) if event == "step" else data)

    def close(self) -> None:
        """Mark the journal as ended; one without steps, or with gaps, is removed."""
        atexit.unregister(self.close)
        self._writer.append(END_LINE.decode().rstrip)
        self._writer.close()
        if self._has_failed or not self._is_worth_keeping:
            with suppress(OSError):
                self.path.unlink()
        unlock_journal(self._lock)

    def _write_level(self, level: int) -> None:
        """Record all labels of a level, where they came from elsewhere."""
        # Copies, because they are encoded later, when the labels may have changed.
        labels, rows = whole_level(self._levels, level), self._levels.rows(level)
        self._append(
            lambda: {
                "event": "level",
                "level": level,
                **encode_level(labels),
                "rows": [encode_row(row) for row in rows],
            }
        )

    def _append(self, data: Callable[[], Plain]) -> None:
        self._writer.append(lambda: json.dumps(data()))

    def _on_error(self, error: Exception) -> None:
        self._has_failed = True
        self._on_problem(
            f"The journal {self.path} cannot be written any more ({_reason(error)}); you can "
            "go on, but what you do from now on cannot be restored after a crash: save your labels "
            "often."
        )


def _reason(error: Exception) -> str:
    """Return in a few words why nothing can be recorded."""
    if is_full_disk(error):
        return "the disk is full"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    text = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
    return text or type(error).__name__


def lock_journal(path: Path) -> FileLock:
    """Keep other sessions, of this and other programs, from using a journal.

    Raises
    ------
    UserError
        If one does, or its folder cannot be used.
    """
    make_folder(path.parent)
    lock = FileLock(f"{path}.lock", blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"The journal {path} is in use; end the annotation it belongs to first."
        ) from error
    except OSError as error:
        raise UserError(
            f"The journal {path} cannot be written ({error.strerror}); annotating works without it."
        ) from error
    return lock


def unlock_journal(lock: FileLock) -> None:
    """Let others use a journal, and remove the sign that it is in use."""
    with suppress(OSError):  # before it is released, so that nobody loses theirs
        Path(lock.lock_file).unlink()
    lock.release()
