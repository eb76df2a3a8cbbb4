"""Downloads against a server on this computer: whole, verified, or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.download import DownloadCancelled, download
from napari_semantic_sam.model.registry import RegistryEntry

BODY = bytes(range(256)) * 2000  # several pieces of the download
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers ``/name`` as the server's behaviour of that name does."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        self.server.requests.append(self.path)
        getattr(self, f"answer_{self.path.strip('/')}")()

    def answer_whole(self):
        self.start(len(BODY))
        self.wfile.write(BODY)

    def answer_cut(self):
        self.start(len(BODY))
        self.wfile.write(BODY[: len(BODY) // 2])
        self.close_connection = True

    def answer_chunked(self):
        """Slow: every piece after the first waits until the test lets it go."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(BODY), 1 << 16):
            piece = BODY[start : start + (1 << 16)]
            try:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            except OSError:  # the client has gone
                self.close_connection = True
                return
            self.server.next_piece.acquire(timeout=10)
        self.wfile.write(b"0\r\n\r\n")

    def answer_missing(self):
        self.send_error(404)

    def answer_page(self):
        self.start(4, "text/html; charset=utf-8")
        self.wfile.write(b"Hi!\n")

    def start(self, length: int, kind: str = "application/octet-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.next_piece = threading.Semaphore(0)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # clients that leave are wanted here
            super().handle_error(request, client_address)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def entry(server) -> Callable[..., RegistryEntry]:
    def make(behaviour: str, sha256: str | None = SHA256) -> RegistryEntry:
        url = f"http://127.0.0.1:{server.server_port}/{behaviour}"
        return RegistryEntry("net", "net.pth", url, "licence", "a network", sha256=sha256)

    return make


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []


def test_a_file_arrives_whole_and_is_fetched_once(entry, server, tmp_path):
    seen = []
    for _ in range(2):
        path = download(entry("whole"), tmp_path / "new", lambda *args: seen.append(args))
        assert path == tmp_path / "new" / "net.pth"
        assert path.read_bytes() == BODY
    assert server.requests == ["/whole"]
    assert seen[-1] == (len(BODY), len(BODY))
    assert names(tmp_path / "new") == ["net.pth"]


def test_a_slow_transfer_reports_progress(entry, server, tmp_path):
    seen = []

    def progress(done: int, total: int | None) -> None:
        seen.append((done, total))
        server.next_piece.release()

    server.next_piece.release()
    download(entry("chunked"), tmp_path, progress)
    done = [amount for amount, _ in seen]
    assert len(done) >= len(BODY) // (1 << 16)
    assert done == sorted(set(done))
    assert done[-1] == len(BODY)
    assert {total for _, total in seen} == {None}


def test_cancelling_in_the_middle_leaves_nothing(entry, server, tmp_path):
    seen = []

    def progress(done: int, total: int | None) -> None:
        seen.append(done)
        server.next_piece.release()

    with pytest.raises(DownloadCancelled, match="net was cancelled"):
        download(entry("chunked"), tmp_path, progress, lambda: len(seen) == 2)
    assert 0 < seen[-1] < len(BODY)
    assert names(tmp_path) == []
    server.next_piece.release(20)


@pytest.mark.parametrize(
    ("behaviour", "sha256", "sentence"),
    [
        ("cut", SHA256, "download of net broke off"),
        ("cut", None, "download of net broke off"),
        ("missing", SHA256, "server answered 404 Not Found for http"),
        ("whole", "0" * 64, "not the one expected"),
        ("page", None, "web page instead of a checkpoint"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(
    entry, tmp_path, behaviour, sha256, sentence
):
    with pytest.raises(UserError, match=sentence):
        download(entry(behaviour, sha256), tmp_path)
    assert names(tmp_path) == []


def test_a_server_that_does_not_answer_is_named(entry, server, tmp_path):
    gone = replace(entry("whole"), url="http://127.0.0.1:1/net.pth")
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 does not answer.*net\.pth"):
        download(gone, tmp_path)
    assert names(tmp_path) == []


def test_a_full_disk_leaves_nothing(entry, tmp_path, monkeypatch):
    class FullDisk(io.FileIO):
        def write(self, data):
            if self.tell() > 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *args, **kwargs: FullDisk(self, "w"))
        with pytest.raises(UserError, match=r"disk is full.*net\.pth"):
            download(entry("whole"), tmp_path)
    assert names(tmp_path) == []


def test_an_unknown_hash_is_recorded_and_enforced(entry, server, tmp_path):
    path = download(entry("whole", sha256=None), tmp_path)
    assert names(tmp_path) == ["net.pth", "net.pth.json"]
    path.unlink()
    download(entry("whole", sha256=None), tmp_path)

    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(UserError, match=r"net\.pth is not the file that was downloaded"):
        download(entry("whole", sha256=None), tmp_path)
    assert server.requests == ["/whole", "/whole"]

    path.unlink()
    (tmp_path / "net.pth.json").write_text('{"sha256": "' + "0" * 64 + '"}')
    with pytest.raises(UserError, match="not the one expected"):
        download(entry("whole", sha256=None), tmp_path)


def test_a_file_tampered_with_is_detected(entry, tmp_path):
    path = download(entry("whole"), tmp_path)
    path.write_bytes(b"other")
    with pytest.raises(UserError, match="delete it and download it again"):
        download(entry("whole"), tmp_path)


def test_a_file_put_there_by_hand_needs_no_network(entry, server, tmp_path):
    (tmp_path / "net.pth").write_bytes(BODY)
    assert download(entry("whole"), tmp_path).read_bytes() == BODY
    assert server.requests == []
