"""Folders are written whole or not at all, all of them or none."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.folders import atomic_folders


@pytest.fixture
def earlier(tmp_path) -> list[Path]:
    """Two folders with earlier results, and the name of one without."""
    paths = [tmp_path / f"level{level}.zarr" for level in (1, 2, 3)]
    for path in paths[:2]:
        path.mkdir()
        (path / "chunk").write_text("earlier")
    return paths


def contents(folder: Path) -> dict[str, str]:
    """Return the files below a folder, hidden ones too, and what they hold."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


def write(paths: list[Path], **options) -> None:
    with atomic_folders(paths, **options) as folders:
        for folder in folders:
            folder.mkdir()
            (folder / "chunk").write_text("new")


def failing_rename(monkeypatch, *failing: int) -> None:
    """Let some renames fail, counted from 1, as a network drive might."""
    rename, calls = Path.rename, []

    def perhaps(self, target):
        calls.append(self)
        if len(calls) in failing:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", perhaps)


def test_all_appear_or_are_replaced_and_nothing_else_is_left(tmp_path, earlier):
    write([*earlier, tmp_path / "deep" / "er.zarr"])
    names = ["level1.zarr", "level2.zarr", "level3.zarr", "deep/er.zarr"]
    assert contents(tmp_path) == {f"{name}/chunk": "new" for name in names}
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("failing", [1, 2, 3, 4, 5])
def test_earlier_folders_are_as_they_were_whichever_rename_fails(
    tmp_path, earlier, monkeypatch, failing
):
    before = contents(tmp_path)
    failing_rename(monkeypatch, failing)
    level = (failing + 1) // 2  # two renames for each that is replaced
    with pytest.raises(UserError, match=rf"level{level}\.zarr could not be written \(Input"):
        write(earlier)
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_put_back_is_kept_and_named(tmp_path, earlier, monkeypatch):
    failing_rename(monkeypatch, 2, 3)  # the new folder is not named, nor the earlier one again
    with pytest.raises(UserError, match=r"level1\.zarr could not be replaced nor put back") as told:
        write(earlier)
    (kept,) = (path for path in tmp_path.iterdir() if path.name.startswith("."))
    assert kept.name in str(told.value)
    assert contents(kept) == {"chunk": "earlier"}


def test_files_that_cannot_be_written_alongside_take_all_back(tmp_path, earlier):
    def fail():
        raise UserError("the table could not be written")

    before = contents(tmp_path)
    with pytest.raises(UserError, match="the table"):
        write(earlier, alongside=fail)
    assert contents(tmp_path) == before


def fail_inside(paths: list[Path], error: BaseException) -> None:
    with atomic_folders(paths) as folders:
        folders[0].mkdir()
        raise error


@pytest.mark.parametrize("error", [OSError("cannot read input.tif tile 7"), KeyboardInterrupt()])
def test_an_error_about_something_else_is_not_blamed_on_the_folders(tmp_path, earlier, error):
    before = contents(tmp_path)
    with pytest.raises(type(error)) as raised:
        fail_inside(earlier, error)
    assert raised.value is error
    assert contents(tmp_path) == before


def test_what_a_body_could_not_read_is_not_blamed_on_the_folders(tmp_path, earlier):
    with pytest.raises(FileNotFoundError), atomic_folders(earlier):
        (tmp_path / "absent.tif").read_bytes()


def test_the_folder_in_which_a_file_cannot_be_written_is_named(earlier):
    with (
        pytest.raises(UserError, match=r"level2\.zarr could not be written \(No such file"),
        atomic_folders(earlier) as folders,
    ):
        (folders[1] / "0.0").write_text("chunk")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_however_it_shows(tmp_path, code):
    with pytest.raises(UserError, match=r"a\.zarr could not be written \(the disk is full\)"):
        fail_inside([tmp_path / "a.zarr"], OSError(code, "no more"))
    assert not list(tmp_path.iterdir())
