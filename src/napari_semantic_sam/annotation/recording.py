"""Reading a journal, and doing again what it says, without the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_semantic_sam.annotation.changes import Step
from napari_semantic_sam.annotation.exchange.rows import MALFORMED
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.annotation.label_codec import LevelPixels, decode_level, decode_row
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.annotation.step_codec import decode_step
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_chunks import Stored
from napari_semantic_sam.inference.level_labels import LabelRow


@dataclass(frozen=True, eq=False)
class WholeLevel:
    """All labels of a level, as they came from elsewhere."""

    level: int
    pixels: LevelPixels
    rows: tuple[LabelRow, ...]

    @property
    def array(self) -> Stored:
        """Return the labels in a new array."""
        return self.pixels.array()

    def apply(self, session: AnnotationSession) -> None:
        """Put them into a session."""
        session.levels.attach(self.level, self.array, self.rows)


@dataclass(frozen=True, eq=False)
class Made:
    """A step that was made."""

    step: Step

    def apply(self, session: AnnotationSession) -> None:
        """Make it in a session."""
        session.perform(self.step)


@dataclass(frozen=True)
class Undone:
    """The newest step was taken back."""

    def apply(self, session: AnnotationSession) -> None:
        """Take it back in a session."""
        session.undo()


@dataclass(frozen=True)
class Redone:
    """The step that was taken back last was made again."""

    def apply(self, session: AnnotationSession) -> None:
        """Make it again in a session."""
        session.redo()


Event = WholeLevel | Made | Undone | Redone


@dataclass(frozen=True, eq=False)
class Recording:
    """What a journal says.

    Attributes
    ----------
    path : Path
    headers : tuple of Header
        The first one, and one for each time the journal was continued.
    events : tuple of Event
        In the order in which they happened.
    """

    path: Path
    headers: tuple[Header, ...]
    events: tuple[Event, ...]

    @property
    def header(self) -> Header:
        """What the journal began with."""
        return self.headers[0]


def read_journal(path: str | Path) -> Recording:
    """Read a journal; a last line that was cut off is left out.

    Raises
    ------
    UserError
        If it cannot be read, is no journal, is damaged, or comes from a later version.
    """
    path = Path(path)
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(
            f"The journal {path} could not be read ({error.strerror}); check its name."
        ) from error
    headers, events = [], []
    for number, line in enumerate(lines, 1):
        entry = _parsed(line, path, number)
        if isinstance(entry, Header):
            headers.append(entry)
        elif entry is not None:
            events.append(entry)
    if not headers:
        raise UserError(f"{path} is not a journal of napari-semantic-sam; choose another file.")
    return Recording(path, tuple(headers), tuple(events))


def restore(journal: str | Path | Recording, session: AnnotationSession) -> None:
    """Bring a fresh session to where the recorded one was: labels, prompts and undo.

    Parameters
    ----------
    journal : path or Recording
    session : AnnotationSession
        Of a picture of the same shape, with nothing in it.

    Raises
    ------
    UserError
        See `read_journal`; also if the shape is another one, or the steps do not fit together.
    """
    recording = journal if isinstance(journal, Recording) else read_journal(journal)
    present = (session.levels.shape, session.levels.stack)
    if (recording.header.shape, recording.header.stack) != present:
        raise UserError(
            f"The journal {recording.path} belongs to a picture of another size; open "
            f"“{recording.header.image}” to restore it."
        )
    for number, event in enumerate(recording.events, 1):
        try:
            event.apply(session)
            session.settle()
        except MALFORMED as error:
            raise UserError(
                f"{recording.path} is damaged: its event {number} does not fit those before it."
            ) from error


def _parsed(line: bytes, path: Path, number: int) -> Header | Event | None:
    try:
        data = json.loads(line)
        if number == 1 or data["event"] == "resume":
            return Header.from_plain(data)
        return _event(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except MALFORMED as error:
        if number == 1:
            what = "is not a journal of napari-semantic-sam; choose another file"
        else:
            what = f"is damaged: its line {number} cannot be read"
        raise UserError(f"{path} {what}.") from error


def _event(data: Mapping[str, Any]) -> Event | None:
    """Return what happened; None for the end."""
    if data["event"] == "level":
        rows = tuple(map(decode_row, data["rows"]))
        return WholeLevel(data["level"], decode_level(data), rows)
    if data["event"] == "step":
        return Made(decode_step(data))
    events: dict[str, Event | None] = {"undo": Undone(), "redo": Redone(), "end": None}
    return events[data["event"]]
