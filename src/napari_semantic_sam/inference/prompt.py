"""What a user says about one object: clicks, boxes, scribbles, lassos and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PromptKind = Literal["click", "box", "scribble", "lasso", "label"]


@dataclass(frozen=True)
class Prompt:
    """One thing that a user pointed at, in pixels of the picture.

    Attributes
    ----------
    kind : "click", "box", "scribble", "lasso" or "label"
    coordinates : tuple of floats
        - click: ``(y, x)``; whole numbers are centres of pixels.
        - box: ``(y0, x0, y1, x1)``, edges of pixels.
        - scribble and lasso: the vertices of the line or polygon, one after the other,
          ``(y0, x0, y1, x1, …)``; whole numbers are centres of pixels.
        - label: ``(level, index, y, x)``, the last two being the pixel of the label that is
          farthest from its outline.
    positive : bool
        Whether the object is there, rather than not there.
    """

    kind: PromptKind
    coordinates: tuple[float, ...]
    positive: bool = True
