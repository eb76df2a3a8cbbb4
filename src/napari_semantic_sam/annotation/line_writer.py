"""Lines appended to a file beside everything else."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

_SECONDS_TO_DISK = 1.0
_BLOCK = 2**16


class LineWriter:
    """Appends lines to a file, on a thread of its own.

    A line reaches the operating system at once, where it survives the end of this process,
    and the disk within a second. After an error the thread ends, and nothing more is written.

    Parameters
    ----------
    path : Path
        Made if it does not exist. If its last line was cut off, that line is removed.
    on_error : callable
        Called once, on that thread, if the file cannot be written or a line cannot be made.
    """

    def __init__(self, path: Path, on_error: Callable[[Exception], None]) -> None:
        self._path = path
        self._on_error = on_error
        self._lines: SimpleQueue[Callable[[], str] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    def append(self, line: Callable[[], str]) -> None:
        """Append what `line` returns, without its end; it is called on the writing thread."""
        if self._thread.is_alive():  # what is lost must not pile up
            self._lines.put(line)

    def close(self) -> None:
        """Wait until everything is on the disk, or could not be written."""
        self._lines.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            with _open_whole(self._path) as file:
                self._write_all(file)
        except Exception as error:  # lines are made here too, which may fail in any way
            self._on_error(error)

    def _write_all(self, file: FileIO) -> None:
        unsafe_since: float | None = None
        while True:
            if unsafe_since is not None and _time_left(unsafe_since) <= 0:
                os.fsync(file.fileno())
                unsafe_since = None
            wait = None if unsafe_since is None else _time_left(unsafe_since)
            try:
                line = self._lines.get(timeout=wait)
            except Empty:
                continue
            if line is None:
                os.fsync(file.fileno())
                return
            _append(file, f"{line()}\n".encode())
            unsafe_since = unsafe_since or monotonic()


def _time_left(unsafe_since: float) -> float:
    return unsafe_since + _SECONDS_TO_DISK - monotonic()


def _open_whole(path: Path) -> FileIO:
    """Open a file for appending, after its last whole line."""
    file = FileIO(path, "ab+")
    try:
        size, whole = file.seek(0, os.SEEK_END), _end_of_lines(file)
        if whole < size:
            file.truncate(whole)
    except OSError:
        file.close()
        raise
    return file


def _end_of_lines(file: FileIO) -> int:
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _append(file: FileIO, data: bytes) -> None:
    """Append all of `data` or, as far as that can be had, nothing."""
    end = file.seek(0, os.SEEK_END)
    try:
        while data:
            data = data[file.write(data) :]
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise
