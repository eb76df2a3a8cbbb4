"""Weights on disk: safetensors with a record, and the published files. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.model.download import file_hash
from napari_semantic_sam.model.metadata import (
    RECORD_KEY,
    CheckpointMetadata,
    read_metadata,
    unreadable,
)
from napari_semantic_sam.model.misfits import few, refuse_misfits
from napari_semantic_sam.model.published import from_published, guess_preset, is_published
from napari_semantic_sam.model.registry import REGISTRY, RegistryEntry
from napari_semantic_sam.model.semantic_sam import SemanticSAM

ENDING = ".safetensors"
_HASH_DIGITS = 16


def save_checkpoint(
    path: str | Path, model: SemanticSAM, metadata: CheckpointMetadata, *, half: bool = True
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``.
    model : SemanticSAM
    metadata : CheckpointMetadata
        Its config must be the model's.
    half : bool
        Store floating-point weights as float16. They are float32 again when loaded.

    Raises
    ------
    UserError
        If a weight is not finite (or too large for float16), or the file cannot be written.
    """
    if metadata.config != model.config:
        raise ValueError("the metadata describe another network than the model's")
    _check_ending(path)
    tensors = {key: _stored(tensor, half) for key, tensor in model.state_dict().items()}
    broken = [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise UserError(
            f"{path} was not written because the model's weights are not finite "
            f"({few(broken)}); train again with a lower learning rate."
        )
    # One entry only: the library writes several in random order, and the file's hash with it.
    header = {RECORD_KEY: metadata.to_json()}
    with atomic_path(path) as temporary:
        # As bytes: the library's own writer makes files that only their owner can read.
        temporary.write_bytes(save(tensors, header))


def load_checkpoint(path: str | Path) -> tuple[SemanticSAM, CheckpointMetadata]:
    """Load a safetensors checkpoint onto the CPU, in evaluation mode and float32.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another kind, or does not fit its network.
    """
    metadata = read_metadata(path)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from error
    return _filled(path, metadata, tensors, file_hash(path)), metadata


def load_published(path: str | Path) -> tuple[SemanticSAM, CheckpointMetadata]:
    """Load one of the published ``.pth`` files as `load_checkpoint` loads ours.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another kind, or does not fit its network.
    """
    tensors, metadata = _read_published(path)
    try:
        converted = from_published(tensors, metadata.config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return _filled(path, metadata, converted, metadata.provenance["source_sha256"]), metadata


def read_published_metadata(path: str | Path) -> CheckpointMetadata:
    """Return the record a published ``.pth`` file gets, from a look at its tensors.

    Raises
    ------
    UserError
        If the file is missing, damaged or of another kind.
    """
    return _read_published(path)[1]


def convert_published(source: str | Path, destination: str | Path) -> CheckpointMetadata:
    """Rewrite a published ``.pth`` file as a safetensors checkpoint with the same numbers.

    Raises
    ------
    UserError
        If the source cannot be used or the destination cannot be written.
    """
    _check_ending(destination)
    model, metadata = load_published(source)
    save_checkpoint(destination, model, metadata, half=False)
    return metadata


def _check_ending(path: str | Path) -> None:
    if Path(path).suffix.lower() != ENDING:
        raise UserError(f"{path} must end in {ENDING}, by which checkpoints are recognised.")


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() else tensor


def _filled(
    path: str | Path, metadata: CheckpointMetadata, tensors: Mapping[str, Tensor], digest: str
) -> SemanticSAM:
    try:
        model = SemanticSAM(
            metadata.config, metadata.level_order, digest[:_HASH_DIGITS], metadata.automatic
        )
    except (UserError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} describes a network that cannot be built ({error}); "
            "update napari-semantic-sam or choose another checkpoint."
        ) from error
    _check_fit(path, model.state_dict(), tensors)
    model.load_state_dict(tensors)
    return model.eval()


def _check_fit(
    path: str | Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> None:
    complaints = {
        "missing": [key for key in expected if key not in found],
        "unknown": [key for key in found if key not in expected],
        "of the wrong shape": [
            f"{key} {tuple(found[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in expected.items()
            if key in found and found[key].shape != tensor.shape
        ],
    }
    refuse_misfits(str(path), complaints)


def _read_published(path: str | Path) -> tuple[dict[str, Tensor], CheckpointMetadata]:
    tensors = _read_pth(path)
    try:
        entry = REGISTRY[guess_preset(tensors)]
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return tensors, _published_record(entry, Path(path))


def _published_record(entry: RegistryEntry, path: Path) -> CheckpointMetadata:
    """Record of a file in the published layout; only our own download is the authors' file."""
    record = entry.published_metadata()
    source = {"source_sha256": file_hash(path)}
    if path.resolve() == entry.path().resolve():
        return replace(record, provenance={**record.provenance, **source})
    return replace(
        record,
        name=path.stem,
        licence="not recorded in the file; ask whoever made it",
        description=f"A file in the layout of the published {entry.name}.",
        provenance={"source": path.name, **source},
    )


def _read_pth(path: str | Path) -> dict[str, Tensor]:
    try:
        # Only files in the zip format can be mapped into memory.
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # the reader has no error of its own: a text file is a KeyError
        raise unreadable(path, error) from error
    if isinstance(content, dict):
        content = content.get("model", content)
    items = content.items() if isinstance(content, dict) else ()
    tensors = {str(key): value for key, value in items if isinstance(value, Tensor)}
    if not is_published(tensors):
        raise UserError(
            f"{path} is not a published Semantic-SAM checkpoint; choose one of its .pth files "
            "or a .safetensors file made by this package."
        )
    return tensors
