"""What a synthetic picture is while it is made and when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Level:
    """One granularity of a scene.

    Parameters
    ----------
    name
        What its objects are: "tissue", "cell", "nucleus", ….
    labels
        ``(H, W)`` integer label image, 0 = background.
    """

    name: str
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Draft:
    """A scene before the camera: clean picture and label images.

    Parameters
    ----------
    image
        ``(H, W)`` grey or ``(H, W, 3)`` colour, float32, about 0..1.
    levels
        Coarse to fine. Objects of one level do not overlap.
    """

    image: NDArray[np.float32]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class SyntheticImage:
    """A picture with the nested masks of everything in it.

    Parameters
    ----------
    image
        ``(H, W, 3)`` uint8.
    masks
        ``(M, H, W)`` bool, parents before their children.
    levels
        M names of what each mask is.
    parents
        ``(M,)`` index of the smallest mask of a coarser level that holds ≥ 0.8 of this one, or −1.
    scene
        Name of the scene it was drawn by.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    levels: tuple[str, ...]
    parents: NDArray[np.int64]
    scene: str
