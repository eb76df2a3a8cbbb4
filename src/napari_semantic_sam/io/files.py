"""Files written whole or not at all, and JSON on top of that."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` if the body succeeds.

    Whoever looks at `path` sees the old file or the whole new one, even after a crash or
    a power cut. Missing parent folders are made. After any error the temporary file is
    removed and an earlier file at `path` is as it was.

    Parameters
    ----------
    path : str or Path
        The file to write or replace.

    Yields
    ------
    Path
        In the same folder, and with the same ending, for writers that choose by it.

    Raises
    ------
    UserError
        If the folder cannot be made, the disk is full, or the file cannot be written.
    """
    path = Path(path)
    make_folder(path.parent)
    # The end of the name is kept whole because some endings have two parts (".ome.tif").
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}-{path.name[-40:]}")
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if is_full_disk(error):
            raise UserError(
                f"The disk is full: {path} could not be written; free some space and try again."
            ) from error
        # Errors about any other file are the caller's, who knows what they mean.
        if _is_about(error, temporary):
            raise UserError(
                f"{path} could not be written ({error.strerror}); choose another folder."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | Path) -> Path:
    """Make a folder and its parents where missing, and return it.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {folder} could not be made ({error.strerror}); choose another one."
        ) from error
    return folder


def writable_folder(folder: str | Path) -> Path:
    """Make a folder where missing, see that it takes files, and return it.

    Raises
    ------
    UserError
        If it cannot be made or written to.
    """
    folder = make_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"Nothing can be written to the folder {folder} ({error.strerror}); choose another one."
        ) from error
    return folder


def write_json(path: str | Path, data: Any) -> None:
    """Write plain data as readable JSON, atomically.

    Raises
    ------
    UserError
        See `atomic_path`.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    UserError
        If it is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror}).") from error
    except ValueError as error:  # covers text that is not UTF-8, too
        raise UserError(f"{path} is not a JSON file ({error}).") from error


def is_full_disk(error: BaseException) -> bool:
    """Tell whether something failed because a disk, or what a user may have of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL_DISK


def _is_about(error: OSError, temporary: Path) -> bool:
    # Its name is unique; the folder may be given in another way, as libraries resolve paths.
    name = error.filename
    return isinstance(name, str | os.PathLike) and Path(name).name == temporary.name


def _flush_to_disk(path: Path) -> None:
    # Opened for writing: Windows refuses to flush a file that is open for reading only.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
