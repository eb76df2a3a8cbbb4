"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest


class Outcome(NamedTuple):
    """What a command left on the terminal."""

    code: int
    out: str
    err: str


@pytest.fixture
def command_line(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run ``napari-semantic-sam`` with arguments, in this process."""
    from napari_semantic_sam.cli import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["napari-semantic-sam", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Outcome(end.value.code or 0, *capsys.readouterr())

    return run
