"""``napari-semantic-sam models``: list, download, convert, describe."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_semantic_sam.model.checkpoint import load_checkpoint, load_published, save_checkpoint
from napari_semantic_sam.model.registry import REGISTRY


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user's folder that is not the one of whoever runs the tests."""
    monkeypatch.setenv("NAPARI_SEMANTIC_SAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path, monkeypatch) -> Iterator[str]:
    """A server of the files in ``tmp_path``."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = partial(QuietHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_list_names_the_known_and_the_users_own(command_line, home, small_model, small_metadata):
    (home / "checkpoints").mkdir(parents=True)
    save_checkpoint(home / "checkpoints" / "mine.safetensors", small_model, small_metadata)
    (home / "checkpoints" / "broken.safetensors").write_text("nothing")
    code, out, err = command_line("models", "list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert {"tiny", "swin-t", "swin-l", "mine", "broken"} <= set(lines)
    assert "to download, 212 MB" in lines["swin-t"]
    assert "Random weights." in lines["mine"]
    assert "broken.safetensors cannot be read" in lines["broken"]


def test_download_fetches_verifies_and_says_where(
    command_line, home, address, tmp_path, monkeypatch
):
    (tmp_path / "weights.pth").write_bytes(b"weights")
    entry = replace(REGISTRY["swin-t"], url=f"{address}/weights.pth")
    monkeypatch.setitem(REGISTRY, "swin-t", entry)
    code, out, _ = command_line("models", "download", "swin-t")
    assert (code, out.strip()) == (0, str(entry.path()))
    assert entry.path().read_bytes() == b"weights"
    entry.path().write_bytes(b"changed")
    code, _, err = command_line("models", "download", "swin-t")
    assert code == 1
    assert err.startswith(f"Error: {entry.path()} is not the file that was downloaded")


def test_convert_keeps_the_numbers(command_line, published_file, tmp_path):
    target = tmp_path / "new" / "converted.safetensors"
    code, out, _ = command_line("models", "convert", published_file, "--output", target)
    assert (code, str(target) in out) == (0, True)
    before, after = load_published(published_file)[0], load_checkpoint(target)[0]
    weights = after.state_dict()
    assert all(tensor.equal(weights[key]) for key, tensor in before.state_dict().items())


def test_convert_refuses_another_file(command_line, tmp_path):
    (tmp_path / "notes.pth").write_text("not a checkpoint")
    target = tmp_path / "converted.safetensors"
    code, _, err = command_line("models", "convert", tmp_path / "notes.pth", "--output", target)
    assert code == 1
    assert err.startswith("Error: ")
    assert "notes.pth" in err
    assert not target.exists()


def test_describe_prints_the_record(command_line, small_model, small_metadata, tmp_path):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, small_model, small_metadata)
    code, out, _ = command_line("models", "describe", path)
    assert code == 0
    assert json.loads(out)["level_order"] == [5, 4, 3, 2, 1, 0]
    assert json.loads(command_line("models", "describe", "swin-l").out)["experimental"] == ["box"]


def test_an_unknown_model_is_one_line(command_line):
    code, out, err = command_line("models", "describe", "swin-xxl")
    assert (code, out) == (1, "")
    assert err.startswith("Error: There is no checkpoint 'swin-xxl'; choose one of tiny, swin-t")
    assert err.count("\n") == 1
