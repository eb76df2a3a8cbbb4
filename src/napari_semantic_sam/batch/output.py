"""How label images are written: as TIFF, or as OME-Zarr block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from napari_semantic_sam.errors import UserError

Form = Literal["auto", "tiff", "zarr"]

MOST_PIXELS = 67_000_000
"""Of a plane that is not streamed: 8192², about half a gigabyte of labels at six levels."""


@dataclass(frozen=True)
class Output:
    """The form of label images.

    Attributes
    ----------
    form : "auto", "tiff", "zarr"
        "auto" is OME-Zarr for planes that are streamed, and TIFF for others.
    most_pixels : int
        Planes with more pixels are streamed: segmented and written part by part, so that no
        label image has to fit memory. Not with "tiff".

    Raises
    ------
    UserError
        If there is no such form.
    """

    form: Form = "auto"
    most_pixels: int = MOST_PIXELS

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            forms = ", ".join(get_args(Form))
            raise UserError(f'There is no output format "{self.form}"; choose one of {forms}.')

    def is_streamed(self, shape: tuple[int, int]) -> bool:
        """Whether planes of this size are written part by part."""
        return self.form != "tiff" and math.prod(shape) > self.most_pixels


AS_TIFF = Output("tiff")
