"""How large the network sees the objects of a run's pictures, as a user gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.inference.preparation import check_scale
from napari_semantic_sam.inference.tiles.scale import choose_scale
from napari_semantic_sam.model.config import ModelConfig

_SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(px|[uµμ]m)?\s*")


@dataclass(frozen=True)
class ObjectScale:
    """A scale, or the size of objects that it follows from; neither leaves it to the network.

    Attributes
    ----------
    object_size : str
        How large objects are across: ``"30"`` in pixels, or ``"12um"`` in micrometres.
    scale : float, optional
        Pixels of the network's input per pixel of the pictures; see `choose_scale`.
    """

    object_size: str = ""
    scale: float | None = None

    def check(self) -> None:
        """Raise UserError if both are given, or one cannot be read."""
        if self.object_size and self.scale is not None:
            raise UserError("--object-size sets the scale; leave out --scale or --object-size.")
        if self.scale is not None:
            check_scale(self.scale)
        if self.object_size:
            self._pixels(pixel_size=1.0)

    def of(self, plane: Plane, config: ModelConfig) -> float | None:
        """Return the scale for a plane; None for the network's own rule.

        Raises
        ------
        UserError
            If a number is not possible, or micrometres are given and the size of a pixel is
            not known.
        """
        if self.scale is None and not self.object_size:
            return None
        size = self._pixels(plane.pixel_size) if self.object_size else None
        return choose_scale(plane.shape, config, scale=self.scale, object_size=size).scale

    def _pixels(self, pixel_size: float | None) -> float:
        match = _SIZE.fullmatch(self.object_size)
        if match is None:
            raise UserError(
                f'--object-size "{self.object_size}" cannot be read; write "30" in pixels or '
                '"12um" in micrometres.'
            )
        number, unit = match.groups()
        if unit in (None, "px"):
            return float(number)
        if pixel_size is None:
            raise UserError(
                f"The object size {self.object_size} is in micrometres, but the size of a pixel is "
                "not known; give it, or the object size in pixels."
            )
        return float(number) / pixel_size
