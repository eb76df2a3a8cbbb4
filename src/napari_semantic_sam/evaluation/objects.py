"""The annotated objects of a label image, and where a person would click on them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.io.pairs import PairedFiles

Object = TypeVar("Object")


@dataclass(frozen=True)
class TrueObject(CroppedMask):
    """One annotated object.

    Attributes
    ----------
    source : str
        Name of the masks folder it comes from.
    """

    source: str


def find_objects(labels: npt.NDArray[Any], source: str = "") -> list[TrueObject]:
    """Return the objects of a label image, by plane and then by label.

    Parameters
    ----------
    labels : (H, W) or (K, H, W) integer array
        0 is background. Each of K planes is a label image of its own.
    source : str
        Kept in the objects.
    """
    planes = labels if labels.ndim == 3 else labels[None]
    return [found for plane in planes for found in _plane_objects(plane, source)]


def _plane_objects(plane: npt.NDArray[Any], source: str) -> list[TrueObject]:
    # Consecutive numbers first: find_objects makes a list as long as the largest label.
    values, compact = np.unique(plane, return_inverse=True)
    compact = compact.reshape(plane.shape)
    if values[0] != 0:
        compact = compact + 1
    objects = []
    for number, window in enumerate(ndimage.find_objects(compact), start=1):
        rows, columns = window
        box = (rows.start, columns.start, rows.stop, columns.stop)
        objects.append(TrueObject(box, compact[window] == number, plane.shape, source))
    return objects


def random_click(mask: CroppedMask, rng: np.random.Generator) -> tuple[int, int]:
    """Return a pixel ``(y, x)`` of the mask, all of them equally likely."""
    rows, columns = np.nonzero(mask.crop)
    index = rng.integers(len(rows))
    return mask.box[0] + int(rows[index]), mask.box[1] + int(columns[index])


def without_copies(objects: Sequence[TrueObject]) -> list[TrueObject]:
    """Return the objects whose masks differ, the first of each."""
    seen = {(found.box, found.crop.tobytes()): found for found in reversed(objects)}
    kept = {id(found) for found in seen.values()}
    return [found for found in objects if id(found) in kept]


def stream_of(files: PairedFiles, seed: int) -> np.random.Generator:
    """Return random numbers of a picture's own: results do not depend on what else is there."""
    return np.random.default_rng([seed, zlib.crc32(files.stem.encode())])


def choose(
    objects: Sequence[Object], at_most: int | None, rng: np.random.Generator
) -> list[Object]:
    """Return all objects, or so many of them chosen at random, in their order."""
    if at_most is None or len(objects) <= at_most:
        return list(objects)
    chosen = rng.choice(len(objects), size=at_most, replace=False)
    return [objects[index] for index in np.sort(chosen).tolist()]


class ClickIndex:
    """Which objects hold a pixel, found without looking at every mask.

    Parameters
    ----------
    objects : sequence of TrueObject
    """

    def __init__(self, objects: Sequence[TrueObject]) -> None:
        self._objects = objects
        self._boxes = np.array([found.box for found in objects]).reshape(-1, 4)

    def at(self, y: int, x: int) -> list[TrueObject]:
        """Return the objects that hold pixel ``(y, x)``."""
        y0, x0, y1, x1 = self._boxes.T
        inside = np.flatnonzero((y0 <= y) & (y < y1) & (x0 <= x) & (x < x1)).tolist()
        near = [self._objects[index] for index in inside]
        return [found for found in near if found.crop[y - found.box[0], x - found.box[1]]]
