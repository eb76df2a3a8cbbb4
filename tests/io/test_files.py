"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path, make_folder, read_json, write_json


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_the_file_appears_when_the_body_is_done(tmp_path):
    target = tmp_path / "labels.ome.tif"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".ome.tif")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["labels.ome.tif"]


def test_missing_folders_are_made(tmp_path):
    with atomic_path(tmp_path / "a" / "b" / "c.txt") as temporary:
        temporary.write_text("here")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "here"


def test_very_long_names_can_be_written(tmp_path):
    target = tmp_path / ("n" * 246 + ".json")
    write_json(target, 1)
    assert names(tmp_path) == [target.name]


def write_half(target: Path, error: BaseException) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path, error):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(type(error)):
        write_half(target, error)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_a_full_disk_is_one_sentence_that_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"disk is full.*table\.csv.*free"):
        write_half(tmp_path / "table.csv", OSError(errno.ENOSPC, "No space left on device"))
    assert names(tmp_path) == []


def test_the_file_a_body_could_not_read_is_not_blamed_on_the_target(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt") as temporary:
        temporary.write_text((tmp_path / "absent.txt").read_text())


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "out.json").mkdir()
    with pytest.raises(UserError, match=r"out\.json could not be written"):
        write_json(tmp_path / "out.json", {})
    assert names(tmp_path) == ["out.json"]


@pytest.mark.skipif(os.name == "nt" or not os.getuid(), reason="root may write everywhere")
def test_a_protected_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"out\.json could not be written"):
        write_json(tmp_path / "out.json", {})


def test_a_path_is_recognised_however_the_writer_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(UserError, match=r"^out\.tif could not be written \(Permission denied\)"),
        atomic_path("out.tif") as temporary,
    ):
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary.resolve()))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="below could not be made"):
        make_folder(tmp_path / "file" / "below")
    with pytest.raises(UserError, match="choose another"):
        write_json(tmp_path / "file" / "data.json", {})


def test_json_comes_back_as_it_went(tmp_path):
    data = {"µm": [1, 2.5, None], "nested": {"a": True}}
    write_json(tmp_path / "data.json", data)
    assert read_json(tmp_path / "data.json") == data


@pytest.mark.parametrize("content", [b"", b"not json", b"\xff\xfe\x00"])
def test_what_is_not_json_is_named(tmp_path, content):
    path = tmp_path / "data.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"data\.json is not a JSON file"):
        read_json(path)


def test_absent_json_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.json could not be read"):
        read_json(tmp_path / "absent.json")
