"""From a name or a file to a model that is ready to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.checkpoint import (
    load_checkpoint,
    load_published,
    read_published_metadata,
)
from napari_semantic_sam.model.download import Progress, download
from napari_semantic_sam.model.metadata import CheckpointMetadata, read_metadata, unreadable
from napari_semantic_sam.model.registry import REGISTRY, RegistryEntry, list_checkpoints
from napari_semantic_sam.model.semantic_sam import SemanticSAM

_PUBLISHED_ENDINGS = (".pth", ".pt")
_ENDINGS = (".safetensors", *_PUBLISHED_ENDINGS)


def load_model(
    name_or_path: str | Path,
    device: str = "auto",
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SemanticSAM:
    """Load a model in evaluation mode and float32.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `list_checkpoints`, a ``.safetensors`` checkpoint or a published ``.pth``.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for the best there is.
    progress, cancelled : callable, optional
        For a checkpoint that has to be downloaded first; see `download`.

    Raises
    ------
    UserError
        If the name is unknown, the file cannot be had or used, or the device is not there.
    """
    chosen = choose_device(device)
    path = checkpoint_path(name_or_path, progress=progress, cancelled=cancelled)
    load = load_published if path.suffix.lower() in _PUBLISHED_ENDINGS else load_checkpoint
    model, _ = load(path)
    try:
        return model.to(chosen)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"{name_or_path} does not fit into the memory of {chosen}; close other programs that "
            "use it or choose the device cpu."
        ) from error


def checkpoint_path(
    name_or_path: str | Path,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Return the file of a checkpoint, downloaded and verified where it has to be.

    Raises
    ------
    UserError
        If the name is unknown or the file cannot be had.
    """
    found = _find(name_or_path)
    if isinstance(found, Path):
        if not found.is_file():
            raise unreadable(found, FileNotFoundError())
        return found
    path = found.path()
    if found.url is not None:
        return download(found, path.parent, progress, cancelled)
    if not path.is_file():
        raise UserError(
            f"The bundled checkpoint {found.name} is missing from this installation ({path}); "
            "install napari-semantic-sam again."
        )
    return path


def describe(name_or_path: str | Path) -> CheckpointMetadata:
    """Return the record of a checkpoint; nothing is downloaded.

    Raises
    ------
    UserError
        If the name is unknown or the file cannot be used.
    """
    found = _find(name_or_path)
    if isinstance(found, RegistryEntry):
        return read_metadata(found.path()) if found.url is None else found.published_metadata()
    if found.suffix.lower() in _PUBLISHED_ENDINGS:
        return read_published_metadata(found)
    return read_metadata(found)


def choose_device(device: str = "auto") -> torch.device:
    """Return the device asked for, or the best there is: CUDA, then MPS, then the CPU.

    Raises
    ------
    UserError
        If this computer does not have it.
    """
    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    there += ["mps"] if torch.backends.mps.is_available() else []
    there += ["cpu"]
    if device == "auto":
        return torch.device(there[0])
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in there:
        raise UserError(
            f"This computer has no device {device!r}; choose auto or one of {', '.join(there)}."
        )
    return torch.device(wanted)


def _find(name_or_path: str | Path) -> RegistryEntry | Path:
    name = str(name_or_path)
    if name in REGISTRY:
        return REGISTRY[name]
    listed = {info.name: info.path for info in list_checkpoints()}
    if name in listed:
        return listed[name]
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() in _ENDINGS:
        return path
    raise UserError(
        f"There is no checkpoint {name!r}; choose one of {', '.join(listed)}, or give the path "
        f"of a file that ends in {', '.join(_ENDINGS)}."
    )
