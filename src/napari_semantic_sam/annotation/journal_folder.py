"""The folder of the journals: which are unfinished, which are old."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_semantic_sam.annotation.journal import END_LINE, lock_journal, unlock_journal
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.errors import UserError

CLOSED_JOURNALS_KEPT = 50
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Unfinished:
    """A journal that was not ended, as after a crash.

    Attributes
    ----------
    path : Path
    header : Header
    steps : int
        How many were made.
    """

    path: Path
    header: Header
    steps: int

    @property
    def text(self) -> str:
        """What the user reads about it."""
        when = datetime.fromisoformat(self.header.started)
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        return (
            f"Annotating “{self.header.image}”, begun on {when:%d.%m.%Y at %H:%M}, was interrupted "
            f"after {steps}."
        )


def new_journal(folder: Path, image: str) -> Path:
    """Return a path for a new journal of an image, ``<image>-<time>.jsonl``."""
    stem = re.sub(r"[^\w.-]+", "_", image).strip("._")[:_LONGEST_NAME] or "image"
    time = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    return folder / f"{stem}-{time}.jsonl"


def unfinished_journals(folder: Path) -> list[Unfinished]:
    """Return the journals with steps that were not ended and that nobody writes, newest first."""
    found = [_unfinished(path) for path in sorted(folder.glob("*.jsonl"))]
    return sorted(
        (each for each in found if each is not None),
        key=lambda each: each.header.started,
        reverse=True,
    )


def discard_journal(path: Path) -> None:
    """Remove a journal.

    Raises
    ------
    UserError
        If it is in use or cannot be removed.
    """
    lock = lock_journal(path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"The journal {path} cannot be removed ({error.strerror}).") from error
    finally:
        unlock_journal(lock)


def remove_old_journals(folder: Path, keep: int = CLOSED_JOURNALS_KEPT) -> None:
    """Remove ended journals beyond the newest `keep`."""
    ended = [path for path in folder.glob("*.jsonl") if _is_ended(path)]
    for path in sorted(ended, key=lambda path: path.stat().st_mtime, reverse=True)[keep:]:
        with suppress(OSError):
            path.unlink()


def _unfinished(path: Path) -> Unfinished | None:
    if _is_ended(path):
        return None
    try:
        unlock_journal(lock_journal(path))
        first, *events, _ = path.read_bytes().split(b"\n")
        header = Header.from_plain(json.loads(first))
    except (OSError, UserError, KeyError, TypeError, ValueError):
        return None  # in use, of a later version, or cut off before anything happened
    steps = sum(event.startswith(b'{"event": "step"') for event in events)
    return Unfinished(path, header, steps) if steps else None


def _is_ended(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - len(END_LINE)))
            return file.read() == END_LINE
    except OSError:
        return False
