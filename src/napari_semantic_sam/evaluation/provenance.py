"""Where numbers come from: enough to get them again."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam import __version__

if TYPE_CHECKING:
    import torch

_PACKAGES = ("torch", "timm", "numpy", "scipy", "scikit-image")


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of what decides about numbers."""
    found = {"napari-semantic-sam": __version__}
    found |= {name: metadata.version(name) for name in _PACKAGES}
    return found | {"python": platform.python_version()}


def machine() -> dict[str, Any]:
    """Return the operating system, the processor, and the cores this process may use."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": _cores(),
    }


def device_name(device: torch.device) -> str:
    """Return ``"cpu"``, ``"mps"``, or the name of a graphics card."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def commit() -> str | None:
    """Return the git commit of the running code, or None if it is not in a checkout.

    ``-dirty`` is added if tracked files have changed since.
    """
    here = Path(__file__)
    try:
        # Only if git knows this file: a package installed into some checkout's virtual
        # environment must not report that checkout's commit.
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
