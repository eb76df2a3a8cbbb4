"""Folders written whole or not at all, several of them together."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import is_full_disk, make_folder


@contextmanager
def atomic_folders(
    paths: Iterable[Path], alongside: Callable[[], None] | None = None
) -> Iterator[list[Path]]:
    """Yield temporary folders that all become `paths` if the body succeeds.

    After any error the temporary folders are removed and earlier folders at `paths` are as
    they were. Missing parent folders are made.

    Parameters
    ----------
    paths : iterable of Path
        The folders to write or replace.
    alongside : callable, optional
        Writes other files of the same results, when the folders have their names. If it
        fails, so does all.

    Yields
    ------
    list of Path
        Where to make the folders; they do not exist.

    Raises
    ------
    UserError
        If the disk is full or a folder cannot be written.
    """
    swaps = [_Swap.to(path) for path in paths]
    try:
        yield [swap.new for swap in swaps]
        _replace(swaps, alongside)
    except OSError as error:
        # Errors about any other file are the caller's, who knows what they mean.
        blamed = [swap for swap in swaps if swap.is_about(error)]
        if blamed or is_full_disk(error):
            raise _not_written((blamed or swaps)[0].path, error) from error
        raise
    finally:
        for swap in swaps:
            shutil.rmtree(swap.new, ignore_errors=True)


@dataclass(frozen=True)
class _Swap:
    """A folder and the names beside it of what replaces it and of what it was."""

    path: Path
    new: Path
    old: Path

    @classmethod
    def to(cls, path: Path) -> _Swap:
        make_folder(path.parent)
        unique = uuid.uuid4().hex[:12]
        new, old = (
            path.with_name(f".{unique}-{each}-{path.name[-40:]}") for each in ("new", "old")
        )
        return cls(path, new, old)

    def make(self, undo: ExitStack) -> None:
        """Give the new folder its name, and tell what takes that back."""
        try:
            if self.path.exists():
                self.path.rename(self.old)
                undo.callback(self._put_back)
            self.new.rename(self.path)
            undo.callback(self.path.rename, self.new)
        except OSError as error:
            raise _not_written(self.path, error) from error

    def is_about(self, error: OSError) -> bool:
        """Tell whether something in the new folder failed."""
        name = error.filename
        return isinstance(name, str | os.PathLike) and self.new.name in Path(name).parts

    def _put_back(self) -> None:
        try:
            self.old.rename(self.path)
        except OSError as error:
            raise UserError(
                f"{self.path} could not be replaced nor put back ({error.strerror}); what it was "
                f"is in {self.old}, which you can rename."
            ) from error


def _replace(swaps: Sequence[_Swap], alongside: Callable[[], None] | None) -> None:
    with ExitStack() as undo:
        for swap in swaps:
            swap.make(undo)
        if alongside is not None:
            alongside()
        undo.pop_all()  # nothing can fail any more
    for swap in swaps:
        shutil.rmtree(swap.old, ignore_errors=True)


def _not_written(path: Path, error: OSError) -> UserError:
    if is_full_disk(error):
        return UserError(f"{path} could not be written (the disk is full); free some space.")
    return UserError(f"{path} could not be written ({error.strerror}).")
