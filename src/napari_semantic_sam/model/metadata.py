"""The record inside a checkpoint: what the weights are, what they can do, where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import ModelConfig

FORMAT_VERSION = 1
RECORD_KEY = "napari_semantic_sam"
"""Key of the record in the header of a safetensors file."""


@dataclass(frozen=True)
class CheckpointMetadata:
    """Everything about a checkpoint but its weights.

    Attributes
    ----------
    name : str
    config : ModelConfig
    level_order : tuple of K ints
        Token of level 1 (coarsest), 2, …, K.
    capabilities : tuple of str
        What it can do: ``"click"``, ``"box"``.
    experimental : tuple of str
        The capabilities nobody has measured yet.
    licence, description : str
    object_vocabulary, part_vocabulary : tuple of str
        Names it was trained with; empty when it has no names.
    provenance : mapping
        Plain data: data sets, recipe, seed, numbers, hash of a source file.
    automatic : mapping of str to number
        What suits automatic segmentation, found on training images: ``"level"``, the level
        to score, and any of ``"level_step"``, ``"predicted_iou"``, ``"stability"``,
        ``"spacing"`` and ``"closer_below"``, the diameter in pixels below which objects are
        looked at again at twice the scale; empty when nobody has looked.
    format_version : int

    Raises
    ------
    ValueError
        If `level_order` is not a permutation of the tokens, or something experimental is
        not a capability.
    """

    name: str
    config: ModelConfig
    level_order: tuple[int, ...]
    capabilities: tuple[str, ...]
    licence: str
    description: str = ""
    experimental: tuple[str, ...] = ()
    object_vocabulary: tuple[str, ...] = ()
    part_vocabulary: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    automatic: Mapping[str, float] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if sorted(self.level_order) != list(range(self.config.num_tokens)):
            raise ValueError(
                f"level_order {self.level_order} must name each of the "
                f"{self.config.num_tokens} tokens once"
            )
        if not set(self.experimental) <= set(self.capabilities):
            raise ValueError(f"experimental {self.experimental} must be among the capabilities")
        if self.automatic.get("level", 1) not in range(1, self.config.num_tokens + 1):
            raise ValueError(f"automatic {self.automatic} names a level that does not exist")

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> CheckpointMetadata:
        """Read what `to_json` wrote.

        Raises
        ------
        UserError
            If the text is not such a record, or one of a later version of this package.
        """
        try:
            data = json.loads(text)
            _refuse_the_future(data, {item.name for item in fields(cls)})
            data["config"] = ModelConfig.from_dict(data["config"])
            return cls(**{key: _tuple(value) for key, value in data.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"The checkpoint's record is damaged ({error}); get the checkpoint again."
            ) from error


def read_metadata(path: str | Path) -> CheckpointMetadata:
    """Read the record of a safetensors checkpoint, without its tensors.

    Raises
    ------
    UserError
        If the file is missing, damaged, or not a checkpoint of this package.
    """
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from error
    if RECORD_KEY not in header:
        raise UserError(
            f"{path} has no napari-semantic-sam record; choose a checkpoint made by this package."
        )
    try:
        return CheckpointMetadata.from_json(header[RECORD_KEY])
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def unreadable(path: str | Path, error: Exception) -> UserError:
    """Return the error to raise for a file that cannot be read as a checkpoint."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"There is no checkpoint {path}; check the path.")
    return UserError(
        f"{path} cannot be read as a checkpoint: it is damaged, cut off or another kind of file; "
        "get it again."
    )


def _refuse_the_future(data: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(data.keys() - known)
    if data["format_version"] > FORMAT_VERSION or unknown:
        fields_named = f", fields {', '.join(unknown)}" if unknown else ""
        raise UserError(
            "The checkpoint was made by a later version of napari-semantic-sam (record version "
            f"{data['format_version']}{fields_named}); update napari-semantic-sam."
        )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
