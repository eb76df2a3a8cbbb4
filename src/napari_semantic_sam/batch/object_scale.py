"""How large the network sees the objects of a run's pictures, as a user gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.preparation import check_scale
from napari_semantic_sam.inference.tiles.scale import ObjectSize, ScaleChoice, wished_scale

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
            self._size().in_pixels(pixel_size=1.0)

    def of(self, pixel_size: float | None) -> ScaleChoice | None:
        """Return the scale for pictures of a pixel size; None for the network's own rule.

        Parameters
        ----------
        pixel_size : float, optional
            In micrometres.

        Raises
        ------
        UserError
            If a number is not possible, or micrometres are given and the size of a pixel is
            not known.
        """
        size = self._size() if self.object_size else None
        return wished_scale(self.scale, size, pixel_size)

    def _size(self) -> ObjectSize:
        match = _SIZE.fullmatch(self.object_size)
        if match is None:
            raise UserError(
                f'--object-size "{self.object_size}" cannot be read; write "30" in pixels or '
                '"12um" in micrometres.'
            )
        number, unit = match.groups()
        return ObjectSize(float(number), "px" if unit in (None, "px") else "µm")
