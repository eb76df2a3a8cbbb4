"""Make ``.venv`` ready for a target of the Makefile, with nothing but Python to start from.

Usage: ``python3 scripts/bootstrap.py {demo,dev,screenshot}``

Installs the package with everything it can use, for ``dev`` also the tools that check it, and
the system libraries Qt needs where it may (Debian or Ubuntu, as root or with sudo that asks
nothing). A second call finds the work done and touches neither network nor disk.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
OLDEST_PYTHON = (3, 11)

# What is looked for, and the Debian package that brings it. Looking for the thing itself
# works on every distribution, and where Debian has renamed the package.
OFFSCREEN = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
DRAWING = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-randr.so.0": "libxcb-randr0",
}
VIRTUAL_DISPLAY = {"xvfb-run": "xvfb", "xauth": "xauth"}


def main() -> None:
    """Do what the target named on the command line needs."""
    targets = ("demo", "dev", "screenshot")
    if len(sys.argv) != 2 or sys.argv[1] not in targets:
        sys.exit(f"Usage: python3 scripts/bootstrap.py {{{','.join(targets)}}}")
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"Python 3.11 or newer is needed and this is {sys.version.split()[0]}; "
            "name a newer one, for example: make PYTHON=python3.12 demo"
        )
    target = sys.argv[1]
    dev = target == "dev"
    needs, wishes = system_needs(target), {} if is_ready(dev=dev) else system_wishes(target)
    missing = install_system_packages({**needs, **wishes})
    if missing.keys() & needs.keys():
        sys.exit(ask_for(missing))
    if missing:
        print(f"Tests that draw on a virtual display are left out. {ask_for(missing)}")
    if not is_ready(dev=dev):
        install_python_packages(dev=dev)


def system_needs(target: str) -> dict[str, str]:
    """Return what `target` cannot do without: library or program to Debian package."""
    needs = {}
    if importlib.util.find_spec("ensurepip") is None:  # Debian keeps it apart from Python
        needs["ensurepip"] = "python{}.{}-venv".format(*sys.version_info)
    if sys.platform != "linux":
        return needs
    if target == "demo":  # which does not touch Qt without a display
        return {**needs, **OFFSCREEN, **DRAWING} if has_display() else needs
    if target == "screenshot" or shutil.which("xvfb-run"):
        return {**needs, **OFFSCREEN, **DRAWING, **VIRTUAL_DISPLAY}
    return {**needs, **OFFSCREEN}


def system_wishes(target: str) -> dict[str, str]:
    """Return what `target` makes use of where it can be had: as `system_needs`."""
    return {**DRAWING, **VIRTUAL_DISPLAY} if target == "dev" and sys.platform == "linux" else {}


def has_display() -> bool:
    """Tell whether windows can be opened."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def install_system_packages(wanted: dict[str, str]) -> dict[str, str]:
    """Install what is missing of `wanted` where that is allowed; return what is still missing."""
    missing = still_missing(wanted)
    prefix = administrator_prefix() if missing and shutil.which("apt-get") else None
    if prefix is not None:
        apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        install = [*apt, "install", "-y", "-qq", "--no-install-recommends", *missing.values()]
        # A stale mirror may fail the update and still have the packages.
        subprocess.run([*apt, "update", "-qq"], check=False)
        subprocess.run(install, check=False)
        missing = still_missing(missing)
    return missing


def still_missing(wanted: dict[str, str]) -> dict[str, str]:
    """Return the part of `wanted` that is not there."""
    return {name: package for name, package in wanted.items() if is_missing(name)}


def ask_for(missing: dict[str, str]) -> str:
    """Return the sentence that asks a person to install something."""
    return (
        f"Missing on this system: {', '.join(missing)}; on Debian or Ubuntu run "
        f"'sudo apt-get install {' '.join(missing.values())}', elsewhere install the packages "
        "that bring them, and call make again."
    )


def is_missing(name: str) -> bool:
    """Tell whether a shared library, a Python module or a program cannot be found."""
    if name == "ensurepip":
        importlib.invalidate_caches()
        return importlib.util.find_spec(name) is None
    if ".so." not in name:
        return shutil.which(name) is None
    try:
        ctypes.CDLL(name)
    except OSError:
        return True
    return False


def administrator_prefix() -> list[str] | None:
    """Return what to write before a command that needs root, None if there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if allowed.returncode == 0 else None


def is_ready(*, dev: bool) -> bool:
    """Tell whether ``.venv`` holds everything this pyproject.toml asks for."""
    return VENV_PYTHON.exists() and all(
        stamp.exists() and stamp.read_text(encoding="ascii") == key() for stamp in stamps(dev=dev)
    )


def key() -> str:
    """Return the fingerprint of what has to be installed, and where."""
    # A virtual environment does not survive a move, so its place is part of the key.
    content = (ROOT / "pyproject.toml").read_bytes() + os.fsencode(VENV)
    return hashlib.sha256(content).hexdigest()


def stamps(*, dev: bool) -> list[Path]:
    """Return the files that say what was installed."""
    return [VENV / ".ready-run", *([VENV / ".ready-dev"] if dev else [])]


def install_python_packages(*, dev: bool) -> None:
    """Create ``.venv`` where it is missing, and install into it."""
    print("Installing into .venv: once, some minutes and several gigabytes.", flush=True)
    if not works():
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    run([*pip, "--upgrade", "pip>=25.1"])  # the first that knows dependency groups
    run([*pip, "--editable", ".[all]", *(["--group", "dev"] if dev else [])])
    for stamp in stamps(dev=dev):
        stamp.write_text(key(), encoding="ascii")


def works() -> bool:
    """Tell whether ``.venv`` is there and whole enough to install into."""
    if not VENV_PYTHON.exists():
        return False
    check = subprocess.run([str(VENV_PYTHON), "-m", "pip", "--version"], capture_output=True)
    return check.returncode == 0


def run(command: list[str]) -> None:
    """Run a command at the root of the project; end with a sentence if it fails."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        sys.exit(f"This command failed, its messages are above: {' '.join(command)}")


if __name__ == "__main__":
    main()
