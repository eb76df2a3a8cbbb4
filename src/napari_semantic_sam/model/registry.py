"""Which checkpoints there are: one table of those with a name, and the user's own folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import PRESETS, PUBLISHED_LEVEL_ORDER
from napari_semantic_sam.model.metadata import CheckpointMetadata, read_metadata

HOME_VARIABLE = "NAPARI_SEMANTIC_SAM_HOME"

_RELEASE = "https://github.com/UX-Decoder/Semantic-SAM/releases/download/checkpoint"
# The official repository has no licence file and its model zoo names no terms.
_PUBLISHED_LICENCE = (
    "none stated by the authors (github.com/UX-Decoder/Semantic-SAM); ask them before you "
    "use the weights beyond research or pass them on"
)


@dataclass(frozen=True)
class RegistryEntry:
    """A checkpoint with a name.

    Attributes
    ----------
    name : str
        Also the preset of its architecture.
    file_name : str
    url : str or None
        None: the file comes with this package.
    licence, description : str
    capabilities, experimental : tuple of str
        See `CheckpointMetadata`.
    size : int or None
        Bytes; of a download about, from the number of its weights. None for a packaged file.
    sha256 : str or None
        Where None, the hash of the first download is recorded and enforced from then on.
    """

    name: str
    file_name: str
    url: str | None
    licence: str
    description: str
    capabilities: tuple[str, ...] = ("click", "box")
    experimental: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None

    def path(self) -> Path:
        """Where the file is, or will be once it is downloaded."""
        if self.url is None:
            return Path(str(resources.files("napari_semantic_sam"))) / "weights" / self.file_name
        return downloads_folder() / self.file_name

    def published_metadata(self) -> CheckpointMetadata:
        """Record of the published file, which has none of its own."""
        return CheckpointMetadata(
            name=self.name,
            config=PRESETS[self.name],
            level_order=PUBLISHED_LEVEL_ORDER,
            capabilities=self.capabilities,
            licence=self.licence,
            description=self.description,
            experimental=self.experimental,
            provenance={"source": self.url, "data": "SA-1B"},
        )


REGISTRY: dict[str, RegistryEntry] = {
    entry.name: entry
    for entry in (
        RegistryEntry(
            name="tiny",
            file_name="tiny.safetensors",
            url=None,
            licence="BSD-3-Clause",
            description="Bundled, small and quick on any computer; for microscopy and everyday "
            "photographs.",
        ),
        RegistryEntry(
            name="swin-t",
            file_name="swint_only_sam_many2many.pth",
            url=f"{_RELEASE}/swint_only_sam_many2many.pth",
            licence=_PUBLISHED_LICENCE,
            description="Published Semantic-SAM, Swin-T backbone, trained on SA-1B photographs.",
            experimental=("box",),
            size=212_000_000,
        ),
        RegistryEntry(
            name="swin-l",
            file_name="swinl_only_sam_many2many.pth",
            url=f"{_RELEASE}/swinl_only_sam_many2many.pth",
            licence=_PUBLISHED_LICENCE,
            description="Published Semantic-SAM, Swin-L backbone, trained on SA-1B photographs; "
            "best with a GPU.",
            experimental=("box",),
            size=891_000_000,
        ),
    )
}
"""Every checkpoint known by name."""


@dataclass(frozen=True)
class CheckpointInfo:
    """One row of a list of models.

    Attributes
    ----------
    name : str
        What `load_model` takes.
    source : {"bundled", "published", "yours"}
    path : Path
        Where the file is, or will be.
    downloaded : bool
        Whether the file is there.
    size : int or None
        Bytes; None while unknown.
    licence, description : str
    capabilities, experimental : tuple of str
    problem : str
        Why the file cannot be used, "" if nothing is wrong.
    """

    name: str
    source: Literal["bundled", "published", "yours"]
    path: Path
    downloaded: bool
    size: int | None
    licence: str = ""
    description: str = ""
    capabilities: tuple[str, ...] = ()
    experimental: tuple[str, ...] = ()
    problem: str = ""


def home() -> Path:
    """Folder of everything kept for the user, moved by ``NAPARI_SEMANTIC_SAM_HOME``."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return user_data_path("napari-semantic-sam", appauthor=False)


def downloads_folder() -> Path:
    """Folder of downloaded checkpoints."""
    return home() / "downloads"


def checkpoints_folder() -> Path:
    """Folder of the user's own checkpoints; every ``*.safetensors`` in it is listed."""
    return home() / "checkpoints"


def list_checkpoints() -> list[CheckpointInfo]:
    """Return the table's checkpoints, then the user's own by name.

    A file that cannot be used is listed too, with its `problem`.
    """
    own = sorted(checkpoints_folder().glob("[!.]*.safetensors"))
    return [_known(entry) for entry in REGISTRY.values()] + [_own(path) for path in own]


def _known(entry: RegistryEntry) -> CheckpointInfo:
    path = entry.path()
    there = path.is_file()
    return CheckpointInfo(
        name=entry.name,
        source="bundled" if entry.url is None else "published",
        path=path,
        downloaded=there,
        size=path.stat().st_size if there else entry.size,
        licence=entry.licence,
        description=entry.description,
        capabilities=entry.capabilities,
        experimental=entry.experimental,
    )


def _own(path: Path) -> CheckpointInfo:
    # A file named like an entry of the table stays reachable, by its name with the ending.
    name = path.name if path.stem in REGISTRY else path.stem
    size = path.stat().st_size
    try:
        metadata = read_metadata(path)
    except UserError as error:
        return CheckpointInfo(name, "yours", path, True, size, problem=str(error))
    return CheckpointInfo(
        name=name,
        source="yours",
        path=path,
        downloaded=True,
        size=size,
        licence=metadata.licence,
        description=metadata.description,
        capabilities=metadata.capabilities,
        experimental=metadata.experimental,
    )
