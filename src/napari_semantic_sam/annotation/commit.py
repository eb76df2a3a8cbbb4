"""Which pixels of a mask are written into a level, and as which label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.cleanup import CleanUp, Mask
from napari_semantic_sam.inference.label_runs import measure
from napari_semantic_sam.inference.level_labels import LevelLabels, Source
from napari_semantic_sam.inference.pieces import BoolArray, largest_piece, pieces_of
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask, tight

CommitRule = Literal["keep", "replace", "fill"]
"""What happens to labels under a mask, in the level it is written to.

- keep: they stay, the mask gets what is free.
- replace: the mask gets all its pixels.
- fill: as keep, but of the free part only the connected pieces that hold the prompt; the
  largest piece if the prompt has no pixel of its own, like a box.
"""

_SOURCES: dict[str, Source] = {"box": "box", "lasso": "box", "label": "box"}


@dataclass(frozen=True)
class KeepOptions:
    """How masks are kept.

    Attributes
    ----------
    rule : "keep", "replace" or "fill"
        See `CommitRule`.
    cleanup : CleanUp
        Done to each mask before.
    """

    rule: CommitRule = "keep"
    cleanup: CleanUp = field(default_factory=CleanUp)


@dataclass(frozen=True, eq=False)
class Planned:
    """A candidate as it would be written.

    Attributes
    ----------
    candidate : int
        Index among the candidates of its group.
    level : int
        Where it goes.
    mask : Candidate
        After clean-up, only the pixels that would be written; may be empty.
    refines : int
        The label that it takes the place of; 0 for a new one.
    """

    candidate: int
    level: int
    mask: Candidate
    refines: int = 0


def cut_to_rule(
    mask: Mask,
    levels: LevelLabels,
    level: int,
    rule: CommitRule,
    prompts: Iterable[Prompt] = (),
    own: int = 0,
) -> Mask:
    """Return the part of a mask that may be written.

    Parameters
    ----------
    mask : CroppedMask or Candidate
    levels : LevelLabels
    level : int
        Where it goes; may be new.
    rule : CommitRule
    prompts : iterable of Prompt
        That gave the mask.
    own : int
        A label whose pixels count as free.
    """
    if rule == "replace" or not mask.area:
        return mask
    labels, (y0, x0) = levels.pixels(level, mask.box), mask.box[:2]
    free = mask.crop & ((labels == 0) | (labels == own))
    if rule == "fill":
        free = _around_prompts(free, (y0, x0), prompts)
    box, crop = tight(free, y0, x0)
    return replace(mask, box=box, crop=crop)


def refined_label(prompts: Iterable[Prompt], levels: LevelLabels) -> tuple[int, int] | None:
    """Return level and number of the label that prompts ask to refine; None for none."""
    for prompt in prompts:
        if prompt.kind == "label" and prompt.positive:
            level, index = (int(value) for value in prompt.coordinates[:2])
            if levels.row(level, index):
                return level, index
    return None


def source_of(prompts: Sequence[Prompt]) -> Source:
    """Return what is noted as the origin of a label: what the network was asked with."""
    asked = {_SOURCES.get(prompt.kind, "click") for prompt in prompts if prompt.positive}
    return "click" if "click" in asked else "box"


def losses(mask: CroppedMask, levels: LevelLabels, level: int, own: int = 0) -> str:
    """Say what labels would lose to a mask that is written over them; "" for nothing.

    Parameters
    ----------
    mask : CroppedMask
    levels : LevelLabels
    level : int
        Where the mask goes.
    own : int
        A label that may lose pixels without a word.
    """
    taken = measure(np.where(mask.crop, levels.pixels(level, mask.box), 0), (0, 0))
    told = []
    for index, (pixels, _) in sorted(taken.items()):
        row = levels.row(level, index)
        if row and index != own:
            gone = pixels == row.area
            told.append(f"{index} is gone" if gone else f"{index} lost {pixels} pixels")
    return f"In level {level}, label {', label '.join(told)}." if told else ""


def _around_prompts(
    free: BoolArray, origin: tuple[int, int], prompts: Iterable[Prompt]
) -> BoolArray:
    """Return the connected pieces that hold a prompt."""
    pixels = [pixel for prompt in prompts if prompt.positive for pixel in _pixels(prompt)]
    if not pixels:
        return largest_piece(free)
    pieces, count = pieces_of(free)
    held = {_at(pieces, y - origin[0], x - origin[1]) for y, x in pixels} - {0}
    is_held = np.zeros(count + 1, dtype=bool)
    is_held[list(held)] = True
    return is_held[pieces]


def _pixels(prompt: Prompt) -> list[tuple[int, int]]:
    """Return the pixels that a prompt points at; none for one that surrounds."""
    where = prompt.coordinates[2:] if prompt.kind == "label" else prompt.coordinates
    if prompt.kind in ("box", "lasso"):
        return []
    rounded = [math.floor(value + 0.5) for value in where]
    return list(zip(rounded[::2], rounded[1::2], strict=True))


def _at(pieces: npt.NDArray[Any], y: int, x: int) -> int:
    inside = 0 <= y < pieces.shape[0] and 0 <= x < pieces.shape[1]
    return int(pieces[y, x]) if inside else 0
