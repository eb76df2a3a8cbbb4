"""Fetching a checkpoint: whole, verified, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path, read_json, write_json
from napari_semantic_sam.model.registry import RegistryEntry

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes to come in all, None if unknown."""

_CHUNK = 1 << 16  # small, so that a slow line still reports progress and can be cancelled
_TIMEOUT = (10, 30)  # seconds to connect, seconds without a byte


class DownloadCancelled(UserError):  # noqa: N818  # it is what the user wanted, not a fault
    """The user stopped a download."""


def download(
    entry: RegistryEntry,
    folder: str | Path,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Return the verified file of a registry entry, fetching it where it is not there yet.

    The sha256 of the entry is enforced. Where the entry has none, that of the first
    download is recorded beside the file and enforced from then on.

    Parameters
    ----------
    entry : RegistryEntry
        With a URL.
    folder : str or Path
    progress : callable, optional
        See `Progress`.
    cancelled : callable, optional
        Asked before every piece; return True to stop.

    Raises
    ------
    DownloadCancelled
        If `cancelled` returned True; nothing is left behind.
    UserError
        If the server cannot be reached or answers with an error, the transfer breaks off,
        the disk is full, or the file is not the one expected. Nothing half-written is left.
    """
    if entry.url is None:
        raise ValueError(f"{entry.name} comes with the package and has nothing to download")
    path = Path(folder) / entry.file_name
    expected = entry.sha256 or _recorded_hash(path)
    if path.is_file():
        digest = file_hash(path)
        if expected not in (None, digest):
            raise UserError(
                f"{path} is not the file that was downloaded (its sha256 has changed); "
                "delete it and download it again."
            )
    else:
        digest = _fetch(entry, path, expected, progress, cancelled)
    if expected is None:
        write_json(_record(path), {"sha256": digest, "url": entry.url})
    return path


def file_hash(path: str | Path) -> str:
    """Return the sha256 of a file, as 64 hexadecimal digits.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror}).") from error
    return digest


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _recorded_hash(path: Path) -> str | None:
    record = _record(path)
    return str(read_json(record)["sha256"]) if record.is_file() else None


def _fetch(
    entry: RegistryEntry,
    path: Path,
    expected: str | None,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> str:
    with atomic_path(path) as temporary:
        try:
            digest = _transfer(entry, temporary, progress, cancelled)
        except requests.RequestException as error:
            raise UserError(_what_went_wrong(entry, path, error)) from error
        if expected not in (None, digest):
            raise UserError(
                f"The file at {entry.url} is not the one expected (its sha256 is {digest}, not "
                f"{expected}); it was not kept."
            )
    return digest


def _transfer(
    entry: RegistryEntry,
    temporary: Path,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> str:
    digest, done = hashlib.sha256(), 0
    _stop_if(cancelled, entry)
    with _get(str(entry.url)) as response, temporary.open("wb") as file:
        total = _total(response, entry)
        for chunk in response.iter_content(_CHUNK):
            _stop_if(cancelled, entry)
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    # Not every version of the HTTP library notices that a transfer ended early.
    if total is not None and done != total:
        raise requests.exceptions.ChunkedEncodingError(f"{done} of {total} bytes")
    return digest.hexdigest()


def _stop_if(cancelled: Callable[[], bool] | None, entry: RegistryEntry) -> None:
    if cancelled is not None and cancelled():
        raise DownloadCancelled(f"The download of {entry.name} was cancelled.")


def _get(url: str) -> requests.Response:
    # Compressed on the way, the bytes would not add up to the announced length.
    response = requests.get(
        url, stream=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
    )
    try:
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise UserError(
                f"{url} answered with a web page instead of a checkpoint; "
                "check whether your network asks you to log in."
            )
    except Exception:
        response.close()
        raise
    return response


def _total(response: requests.Response, entry: RegistryEntry) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else entry.size


def _what_went_wrong(entry: RegistryEntry, path: Path, error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        answer = f"{error.response.status_code} {error.response.reason}"
        return f"{entry.name} was not downloaded: the server answered {answer} for {entry.url}."
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"The download of {entry.name} broke off; check the connection and try again."
    host = urlsplit(str(entry.url)).netloc
    return (
        f"{entry.name} was not downloaded because {host} does not answer; check the connection "
        f"and try again, or put the file from {entry.url} at {path}."
    )
