from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from napari_semantic_sam.evaluation import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A git checkout with one commit of a file that stands for the running code."""

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    (tmp_path / "code.py").write_text("first")
    git("init")
    git("add", "code.py")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "code.py"))
    return tmp_path


def test_the_commit_of_the_running_code(checkout):
    head = (checkout / ".git" / "HEAD").read_text().split()[-1]
    commit = (checkout / ".git" / head).read_text().strip()
    assert provenance.commit() == commit
    (checkout / "code.py").write_text("changed")
    assert provenance.commit() == f"{commit}-dirty"


def test_code_that_git_does_not_know_has_no_commit(checkout, monkeypatch):
    installed = checkout / "site-packages" / "code.py"
    installed.parent.mkdir()
    installed.write_text("installed into a virtual environment inside the checkout")
    monkeypatch.setattr(provenance, "__file__", str(installed))
    assert provenance.commit() is None


def test_no_commit_without_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.commit() is None
