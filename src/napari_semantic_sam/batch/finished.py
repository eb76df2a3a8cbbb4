"""Which pictures are done in an output folder: nothing is done twice, or lost."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import napari_semantic_sam
from napari_semantic_sam.batch.files import SegmentReport
from napari_semantic_sam.errors import UserError

JOURNAL = "segmented.jsonl"
"""In the output folder: a line for each finished picture, how it was segmented and its masks."""

_Facts = tuple[int, ...]


@dataclass(frozen=True)
class _Done:
    """How a picture was segmented, the number of its masks, and its files as they were written."""

    fingerprint: str = ""
    masks: int = 0
    files: Mapping[str, _Facts] = field(default_factory=dict)


class FinishedPictures:
    """The results of an output folder, of whatever run.

    Parameters
    ----------
    folder : Path
        It exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = folder / JOURNAL
        self._done = dict(_read(self._journal))

    def segment(
        self, stem: str, path: Path, fingerprint: str, segment: Callable[[], SegmentReport]
    ) -> SegmentReport:
        """Segment a picture, or find out that it is done.

        Parameters
        ----------
        stem : str
            Name of its results.
        path : Path
        fingerprint : str
            From `fingerprint_of`.
        segment : callable
            Writes results into the folder.

        Raises
        ------
        UserError
            If results would be written over that somebody changed, or what `segment` raises.
        """
        before = self._done.get(stem, _Done())
        facts = {name: self._facts(name) for name in before.files}
        changed = [name for name in facts if facts[name] and facts[name] != before.files[name]]
        if before.fingerprint == fingerprint != "" and all(facts.values()):
            targets = tuple(self._folder / name for name in before.files)
            notices = tuple(f"{self._folder / name} was changed and stays so." for name in changed)
            return SegmentReport(path, targets, before.masks, done_before=True, notices=notices)
        if changed:
            raise UserError(
                f"{path} is not segmented again, because {self._folder / changed[0]} was changed "
                "since; rename it, or give another output folder."
            )
        report = segment()
        files = {file.name: self._facts(file.name) for file in report.files}
        for name in facts.keys() - files.keys():  # beside the new ones they would contradict them
            _remove(self._folder / name)
        # What was left out is tried anew, into files that are known to be ours.
        self._add(stem, _Done("" if report.skipped else fingerprint, report.masks, files))
        return report

    def _facts(self, name: str) -> _Facts:
        """Return what tells whether a written file is still the same; nothing if it is gone."""
        path = self._folder / name
        try:
            found = [each.stat() for each in (path, *path.rglob("*"))]
        except OSError:
            return ()
        return (sum(each.st_size for each in found), max(each.st_mtime_ns for each in found))

    def _add(self, stem: str, done: _Done) -> None:
        self._done[stem] = done
        entry = {"picture": stem, **asdict(done)}
        try:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write("\n" * _ends_within_a_line(self._journal) + json.dumps(entry) + "\n")
        except OSError as error:
            raise UserError(f"{self._journal} could not be written ({error.strerror}).") from error


def fingerprint_of(path: Path, beside: Iterable[Path], how: Iterable[Any]) -> str:
    """Return a text that is the same for the same picture, segmented in the same way.

    Parameters
    ----------
    path : Path
        A file, or a folder that is one.
    beside : iterable of Path
        Other files that decide about the result.
    how : iterable
        Plain data.

    Returns
    -------
    str
        "" if a file cannot be looked at; reading it will say why.
    """
    try:
        files = [*([path] if path.is_file() else sorted(path.rglob("*"))), *beside]
        facts = [(each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    except OSError:
        return ""
    what = [napari_semantic_sam.__version__, str(path.resolve()), facts, *how]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _read(journal: Path) -> Iterator[tuple[str, _Done]]:
    """Yield the entries; lines that cannot be read count for nothing."""
    if not journal.is_file():
        return
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        # A run that was cut off ends within a line.
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            entry = json.loads(line)
            files = {name: tuple(facts) for name, facts in entry["files"].items()}
            yield entry["picture"], _Done(entry["fingerprint"], int(entry["masks"]), files)


def _remove(path: Path) -> None:
    """Remove a file, or a folder that is one; what cannot be removed stays."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


def _ends_within_a_line(path: Path) -> bool:
    content = path.read_bytes()
    return bool(content) and not content.endswith(b"\n")
