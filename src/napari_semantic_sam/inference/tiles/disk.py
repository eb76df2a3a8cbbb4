"""Features on disk: what was embedded once is not embedded again by later runs."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import Geometry, ImageEmbedding

_ENDING = ".features.npz"
_RECORD = "record"
_UNUSABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile)
"""What numpy raises about files that are missing, cut off, changed, or something else."""


class DiskCache:
    """A folder with a file of features per tile; several processes may share it.

    Files are written whole or not at all, and checked when they are read: a damaged one
    counts as missing. A folder that cannot be written to costs a warning, nothing else.

    Parameters
    ----------
    folder : str or Path
        Made where missing.
    limit_bytes : int
        Of all files together. Beyond it, the files that were not used for the longest time
        are deleted.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = 20 * 10**9) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self._is_writable = True

    def load(self, key: str, model: SemanticSAM) -> PictureEmbedding | None:
        """Return the embedding with this key, its projections computed anew, or None.

        Parameters
        ----------
        key : str
        model : SemanticSAM
            The one whose features they are.
        """
        path = self._path(key)
        try:
            # Opened here, because numpy leaves damaged files open.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                record = json.loads(str(file[_RECORD]))
                arrays = {name: file[name] for name in record["features"]}
            # Shows that it is in use.
            os.utime(path)
        except _UNUSABLE:
            return None
        features = {
            name: _tensor(array, name in record["channels_last"]).to(model.device)
            for name, array in arrays.items()
        }
        image = ImageEmbedding(
            features=features,
            projections=model.mask_decoder.project(features),
            geometry=Geometry(tuple(record["image_size"]), tuple(record["padded_size"])),
            mask_stride=record["mask_stride"],
            checkpoint_hash=model.checkpoint_hash,
            preparation_hash=record["preparation_hash"],
        )
        return PictureEmbedding(image, tuple(record["shape"]))

    def save(self, key: str, embedding: PictureEmbedding) -> None:
        """Keep the features of an embedding."""
        if not self._is_writable:
            return
        image = embedding.image
        record = {
            "features": list(image.features),
            "channels_last": [name for name, map_ in image.features.items() if _is_last(map_)],
            "image_size": image.geometry.image_size,
            "padded_size": image.geometry.padded_size,
            "mask_stride": image.mask_stride,
            "preparation_hash": image.preparation_hash,
            "shape": embedding.shape,
        }
        arrays = {name: _array(feature) for name, feature in image.features.items()}
        try:
            with atomic_path(self._path(key)) as temporary:
                np.savez(temporary, allow_pickle=False, **{_RECORD: json.dumps(record)}, **arrays)
            self._make_room()
        except (OSError, UserError) as error:
            self._is_writable = False
            warnings.warn(f"Features are not kept on disk: {error}", stacklevel=2)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"

    def _make_room(self) -> None:
        """Delete the files that were used longest ago."""
        files = sorted(self._files())
        excess = sum(size for _, size, _ in files) - self.limit_bytes
        for _, size, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.glob(f"[!.]*{_ENDING}"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process was quicker
                continue
            yield status.st_mtime, status.st_size, path


def _array(feature: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = feature.cpu().contiguous().numpy()
    return array


def _tensor(array: npt.NDArray[Any], channels_last: bool) -> Tensor:
    # The order in memory decides how quickly prompts are answered.
    tensor = torch.from_numpy(array)
    return tensor.contiguous(memory_format=torch.channels_last) if channels_last else tensor


def _is_last(feature: Tensor) -> bool:
    return feature.is_contiguous(memory_format=torch.channels_last)
