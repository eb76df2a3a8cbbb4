"""What every data set becomes: an image with its masks, and names where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError

Granularity = Literal["multi", "object", "object+part"]

NO_NAME = -1
"""Id of a mask without an object or part name."""


@dataclass(frozen=True)
class Record:
    """One annotated image.

    Parameters
    ----------
    image : (H, W, 3) uint8 or float32 array
        RGB, 0..255.
    masks : (M, H, W) bool array
        May overlap and nest; none of them empty (see `make_record`).
    granularity : {"multi", "object", "object+part"}
        Which losses apply: many unnamed masks per pixel, whole objects, or objects with
        parts (arXiv 2307.04767, section 3.3). All have the same as long as no names are trained.
    object_ids, part_ids : (M,) int64 arrays or None
        Index into the vocabularies, -1 for a mask without that name.
    name : str
        What error messages call this image.

    Raises
    ------
    UserError
        If the arrays do not fit together.
    """

    image: npt.NDArray[Any]
    masks: npt.NDArray[np.bool_]
    granularity: Granularity = "multi"
    object_ids: npt.NDArray[np.int64] | None = None
    part_ids: npt.NDArray[np.int64] | None = None
    name: str = "the image"

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3:
            raise UserError(f"{self.name} has shape {self.image.shape}; give (height, width, 3).")
        if self.image.dtype not in (np.uint8, np.float32):
            raise UserError(
                f"{self.name} holds {self.image.dtype}; convert it to uint8 or float32, 0 to 255."
            )
        if self.masks.dtype != np.bool_ or self.masks.shape[1:] != self.image.shape[:2]:
            raise UserError(
                f"The masks of {self.name} are {self.masks.dtype} of shape {self.masks.shape}; "
                f"give true/false masks of its size, {self.image.shape[:2]}."
            )
        for kind, ids in (("object", self.object_ids), ("part", self.part_ids)):
            if ids is not None and ids.shape != (len(self.masks),):
                raise UserError(
                    f"{self.name} has {len(self.masks)} masks but {ids.size} {kind} names; "
                    "give one per mask."
                )


def make_record(
    image: npt.NDArray[Any],
    masks: npt.NDArray[Any],
    granularity: Granularity = "multi",
    object_ids: npt.NDArray[np.int64] | None = None,
    part_ids: npt.NDArray[np.int64] | None = None,
    name: str = "the image",
) -> Record:
    """Return a `Record` without the masks that are empty, which no prompt can point at."""
    masks = np.asarray(masks, dtype=bool)
    kept = masks.any(axis=(1, 2))
    return Record(
        image,
        masks[kept],
        granularity,
        None if object_ids is None else np.asarray(object_ids, np.int64)[kept],
        None if part_ids is None else np.asarray(part_ids, np.int64)[kept],
        name,
    )


def mask_boxes(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Bounding boxes of non-empty masks.

    Parameters
    ----------
    masks : (M, H, W) bool array

    Returns
    -------
    (M, 4) float32 array
        ``(x0, y0, x1, y1)`` in pixels; the right and lower edges lie behind the last pixel.
    """
    left, right = _extent(np.any(masks, axis=1))
    top, bottom = _extent(np.any(masks, axis=2))
    return np.stack([left, top, right, bottom], axis=1).astype(np.float32)


def _extent(profile: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """First and one-behind-last true position of each row of an (M, L) array."""
    return profile.argmax(axis=1), profile.shape[1] - profile[:, ::-1].argmax(axis=1)
