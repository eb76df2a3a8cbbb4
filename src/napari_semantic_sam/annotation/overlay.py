"""Candidates as one small picture to lay over the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.results import Box, Candidate, CroppedMask, around

Rgba = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Mask = npt.NDArray[np.bool_]

_FILL_OPACITY = 0.35
_MARKED_FILL_OPACITY = 0.2
_FAINT_OUTLINE_OPACITY = 0.7
_PIXELS_PER_OUTLINE = 500


@dataclass(frozen=True)
class Scene:
    """What there is to see of the candidates of one object.

    Attributes
    ----------
    candidates : tuple of Candidate
        At least one, coarse to fine; two scenes are equal only if these are the same ones.
    shown : int or None
        Index of the candidate on display: filled.
    marked : frozenset of int
        Those to be kept together with it: lightly filled, with an outline twice as wide.
    kept : frozenset of int
        Those that were kept: never filled.
    """

    candidates: tuple[Candidate, ...]
    shown: int | None = None
    marked: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()

    @property
    def undecided(self) -> bool:
        """Whether a candidate is on display that was not kept."""
        return self.shown is not None and self.shown not in self.kept


@dataclass(frozen=True, eq=False)
class Overlay:
    """A picture of a part of an image.

    Attributes
    ----------
    rgba : (h, w, 4) uint8 array
        Transparent where nothing is drawn.
    box : (y0, x0, y1, x1) ints
        Where it belongs: pixels ``[y0:y1, x0:x1]`` of the image.
    """

    rgba: Rgba
    box: Box


@dataclass(frozen=True)
class _Style:
    """How one candidate is drawn: opacities 0..1, and the outline's width in pixels."""

    colour: Colour
    fill: float
    outline: float
    width: int

    def palette(self) -> list[tuple[int, int, int, int]]:
        """The colours of its inside and of its outline."""
        return [(*self.colour, int(opacity * 255)) for opacity in (self.fill, self.outline)]


def compose(scene: Scene, colours: Sequence[Colour]) -> Overlay:
    """Draw all candidates of an object as nested outlines, and tint those that were chosen.

    Finer candidates are drawn over coarser ones, the outline of the one on display over all.

    Parameters
    ----------
    scene : Scene
    colours : sequence of three ints
        RGB, 0..255, of level 1, 2 and so on; further levels begin again.

    Returns
    -------
    Overlay
        As large as the box around all candidates.
    """
    box = around(candidate.box for candidate in scene.candidates)
    styles = [_style(scene, index, colours) for index in range(len(scene.candidates))]
    # Numbers of colours first and colours at the end: a quarter of the bytes to go through.
    numbers = np.zeros((box[2] - box[0], box[3] - box[1]), dtype=np.uint8)
    for index, candidate in enumerate(scene.candidates):
        if styles[index].fill:
            np.copyto(_window(numbers, candidate, box), 1 + 2 * index, where=candidate.crop)
    for index in _in_drawing_order(scene):
        candidate = scene.candidates[index]
        outline = _outline(candidate.crop, styles[index].width)
        np.copyto(_window(numbers, candidate, box), 2 + 2 * index, where=outline)
    palette = [(0, 0, 0, 0), *(colour for style in styles for colour in style.palette())]
    return Overlay(_paint(numbers, palette), box)


def _style(scene: Scene, index: int, colours: Sequence[Colour]) -> _Style:
    candidate = scene.candidates[index]
    is_shown, is_marked, is_kept = (
        index == scene.shown,
        index in scene.marked,
        index in scene.kept,
    )
    fill = _FILL_OPACITY if is_shown else _MARKED_FILL_OPACITY if is_marked else 0.0
    # One pixel can no longer be seen once a large picture is shrunk to the screen.
    width = 1 + max(candidate.shape) // _PIXELS_PER_OUTLINE
    return _Style(
        colour=colours[(candidate.level - 1) % len(colours)],
        fill=0.0 if is_kept else fill,
        outline=1.0 if is_shown or is_marked or is_kept else _FAINT_OUTLINE_OPACITY,
        width=2 * width if is_marked else width,
    )


def _in_drawing_order(scene: Scene) -> list[int]:
    return sorted(range(len(scene.candidates)), key=lambda index: (index == scene.shown, index))


def _window(numbers: npt.NDArray[np.uint8], mask: CroppedMask, box: Box) -> npt.NDArray[np.uint8]:
    y0, x0, y1, x1 = mask.box
    return numbers[y0 - box[0] : y1 - box[0], x0 - box[1] : x1 - box[1]]


def _outline(mask: Mask, width: int) -> Mask:
    """Return the pixels of a mask that are no farther than `width` from what is outside."""
    inside = np.zeros_like(mask)
    core = _narrow(_narrow(mask, width).T, width).T
    inside[width : width + core.shape[0], width : width + core.shape[1]] = core
    return mask & ~inside


def _narrow(mask: Mask, width: int) -> Mask:
    """Erode along the first axis; the `width` rows at either end, now empty, are left out.

    Windows are doubled until they are as long as wanted, which takes few passes.
    """
    covered, wanted = 1, 2 * width + 1
    while covered < wanted:
        step = min(covered, wanted - covered)
        mask = mask[:-step] & mask[step:]
        covered += step
    return mask


def _paint(numbers: npt.NDArray[np.uint8], palette: Sequence[Sequence[int]]) -> Rgba:
    # Four bytes as one number are looked up at once.
    colours: npt.NDArray[Any] = np.array(palette, dtype=np.uint8).view(np.uint32)[:, 0]
    return colours[numbers].view(np.uint8).reshape(*numbers.shape, 4)
