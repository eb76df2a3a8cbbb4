from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def bootstrap(monkeypatch, tmp_path):
    """The script for a project in `tmp_path`; what it would run is noted, not run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bootstrap

    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    return bootstrap


@pytest.fixture
def commands(bootstrap, monkeypatch):
    noted = []

    def run(command):
        noted.append(command)
        bootstrap.VENV_PYTHON.parent.mkdir(parents=True, exist_ok=True)
        bootstrap.VENV_PYTHON.touch()

    monkeypatch.setattr(bootstrap, "run", run)
    monkeypatch.setattr(bootstrap, "works", bootstrap.VENV_PYTHON.exists)
    monkeypatch.setattr(bootstrap, "is_missing", lambda name: False)
    return noted


@pytest.fixture
def make(bootstrap, monkeypatch):
    """Call the script as the Makefile does."""

    def call(target):
        monkeypatch.setattr(sys, "argv", ["bootstrap.py", target])
        bootstrap.main()

    return call


@pytest.fixture
def nothing_allowed(bootstrap, monkeypatch):
    """No right to install anything."""
    monkeypatch.setattr(bootstrap, "administrator_prefix", lambda: None)


def test_the_second_call_installs_nothing(make, commands):
    make("dev")
    assert any("venv" in command for command in commands)
    assert "--group" in commands[-1]
    commands.clear()
    make("dev")
    make("demo")
    assert commands == []


def test_the_tools_are_added_to_an_environment_made_for_the_demo(make, commands):
    make("demo")
    assert "--group" not in commands[-1]
    commands.clear()
    make("dev")
    assert "--group" in commands[-1]
    assert not any("venv" in command for command in commands)


def test_a_changed_pyproject_or_a_broken_environment_is_installed_again(make, bootstrap, commands):
    make("demo")
    commands.clear()
    (bootstrap.ROOT / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    make("demo")
    assert commands != []
    commands.clear()
    bootstrap.VENV_PYTHON.unlink()
    make("demo")
    assert any("--clear" in command for command in commands)


@pytest.mark.usefixtures("nothing_allowed")
def test_what_is_needed_and_cannot_be_installed_is_named_in_one_sentence(
    make, bootstrap, commands, monkeypatch
):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "is_missing", lambda name: name == "libEGL.so.1")
    with pytest.raises(SystemExit) as stopped:
        make("dev")
    sentence = str(stopped.value)
    assert "libEGL.so.1" in sentence
    assert "apt-get install libegl1'" in sentence
    assert "\n" not in sentence
    assert commands == []


@pytest.mark.usefixtures("nothing_allowed")
def test_tests_do_without_a_virtual_display(make, bootstrap, commands, monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap, "is_missing", lambda name: name == "xvfb-run")
    make("dev")
    assert "apt-get install xvfb'" in capsys.readouterr().out
    assert commands != []
    make("dev")  # and do not ask again
    assert capsys.readouterr().out == ""


def test_what_is_there_is_found_and_needs_no_permission(bootstrap, monkeypatch):
    def refuse():
        raise AssertionError("nobody needs to ask")

    monkeypatch.setattr(bootstrap, "administrator_prefix", refuse)
    assert bootstrap.install_system_packages({"sh": "dash", "ensurepip": "python3-venv"}) == {}


def test_a_library_that_is_not_there_is_missing(bootstrap):
    assert bootstrap.is_missing("libthatisnotthere.so.7")


def test_only_a_demo_with_a_display_needs_libraries_for_windows(bootstrap, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "libEGL.so.1" not in bootstrap.system_needs("demo")
    monkeypatch.setenv("DISPLAY", ":0")
    assert "libxcb-cursor.so.0" in bootstrap.system_needs("demo")
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    assert "libxcb-cursor.so.0" not in bootstrap.system_needs("dev")
    assert "xvfb-run" in bootstrap.system_needs("screenshot")
