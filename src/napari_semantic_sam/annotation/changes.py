"""What an annotation step changed: plain data, enough to apply it again or to take it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Box

Groups = Mapping[int, tuple[Prompt, ...]]
"""The prompts of each object in the making."""

_BYTES_PER_ROW = 400
_BYTES_PER_PROMPT = 200
_BYTES_PER_ITEM = 100


@dataclass(frozen=True, eq=False)
class LabelsChange:
    """Other pixels, other rows or both in one level; equal only to itself.

    Parents are not part of it: they follow from the pixels of all levels.

    Attributes
    ----------
    level : int
    window : (y0, x0, y1, x1) ints, or None
        Smallest box around the pixels that differ; None if only rows differ.
    before, after : (y1 - y0, x1 - x0) integer arrays, or None
        The level's pixels in `window`, read-only in the smallest type that holds them. With a
        window, None on one side says that the level does not exist there.
    rows_before, rows_after : tuple of LabelRow
        Of the labels that gained or lost pixels or whose facts differ, where they exist.
    plane : tuple of int
        Of a stack, the plane that `window` lies in.
    """

    level: int
    window: Box | None
    before: LabelArray | None
    after: LabelArray | None
    rows_before: tuple[LabelRow, ...]
    rows_after: tuple[LabelRow, ...]
    plane: PlaneIndex = ()

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            pixels = getattr(self, name)
            if pixels is not None:
                object.__setattr__(self, name, compact(pixels))

    @property
    def nbytes(self) -> int:
        """Memory it takes, roughly."""
        pixels = sum(_bytes_of(each) for each in (self.before, self.after) if each is not None)
        return pixels + _BYTES_PER_ROW * (len(self.rows_before) + len(self.rows_after))

    @property
    def vanished(self) -> set[int]:
        """The labels that exist before, but not after."""
        return _indices(self.rows_before) - _indices(self.rows_after)

    def reversed(self) -> LabelsChange:
        """Return the change that takes this one back."""
        return LabelsChange(
            self.level,
            self.window,
            self.after,
            self.before,
            self.rows_after,
            self.rows_before,
            self.plane,
        )


@dataclass(frozen=True)
class PromptsChange:
    """Other prompts.

    Attributes
    ----------
    before, after : mapping of int to tuple of Prompt
        Only the groups that differ, both with the same keys; ``()`` for a group that does
        not exist.
    plane : tuple of int
        Of a stack, the plane that these groups belong to.
    """

    before: Groups
    after: Groups
    plane: PlaneIndex = ()

    @property
    def nbytes(self) -> int:
        """Memory it takes, roughly."""
        prompts = [each for side in (self.before, self.after) for each in side.values()]
        return _BYTES_PER_ITEM * len(prompts) + sum(_prompt_bytes(each) for each in prompts)

    def reversed(self) -> PromptsChange:
        """Return the change that takes this one back."""
        return PromptsChange(self.after, self.before, self.plane)


@dataclass(frozen=True)
class Choice:
    """Where the user is among the candidates of a group.

    Attributes
    ----------
    index : int, or None
        Of the candidate on display, 0 for the coarsest; None until the user picks one,
        which stands for the most promising.
    marked : frozenset of int
        Candidates that are to be kept along with the one on display.
    kept : mapping of int to (level, index)
        The labels that candidates were written to.
    level : int, or None
        Near which level to stay as long as no candidate is picked, because the user was there
        before the prompts changed; None for the most promising candidate.
    """

    index: int | None = None
    marked: frozenset[int] = frozenset()
    kept: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    level: int | None = None


@dataclass(frozen=True)
class ChoiceChange:
    """Another choice among the candidates of a group."""

    group: int
    before: Choice
    after: Choice

    @property
    def nbytes(self) -> int:
        """Memory it takes, roughly."""
        choices = (self.before, self.after)
        return _BYTES_PER_ITEM * (2 + sum(len(each.marked) + len(each.kept) for each in choices))

    def reversed(self) -> ChoiceChange:
        """Return the change that takes this one back."""
        return ChoiceChange(self.group, self.after, self.before)


Change = LabelsChange | PromptsChange | ChoiceChange


@dataclass(frozen=True, eq=False)
class Step:
    """One act of the user, which is undone and redone as a whole; equal only to itself.

    Attributes
    ----------
    text : str
        What was done, as "keep level 3".
    changes : tuple of Change
        In the order in which they were made.
    origin : mapping, or None
        How kept labels were computed, so that it can be repeated: plain values, `Prompt` and
        `CleanUp`. See `AnnotationSession.keep`.
    """

    text: str
    changes: tuple[Change, ...]
    origin: Mapping[str, Any] | None = None

    @property
    def nbytes(self) -> int:
        """Memory it takes, roughly."""
        return _BYTES_PER_ITEM + sum(change.nbytes for change in self.changes)

    @property
    def planes(self) -> list[PlaneIndex]:
        """The planes of a stack with other pixels or prompts, in the order of the changes."""
        places = [
            change.plane
            for change in self.changes
            if isinstance(change, PromptsChange)
            or (isinstance(change, LabelsChange) and change.window is not None)
        ]
        return list(dict.fromkeys(places))

    def reversed(self) -> Step:
        """Return the step that takes this one back."""
        changes = tuple(change.reversed() for change in reversed(self.changes))
        return Step(self.text, changes, self.origin)


def compact(pixels: LabelArray) -> LabelArray:
    """Return a read-only copy in the smallest type, the same wherever the pixels come from."""
    smallest, largest = (int(pixels.min()), int(pixels.max())) if pixels.size else (0, 0)
    wanted = np.promote_types(np.min_scalar_type(smallest), np.min_scalar_type(largest))
    if wanted.kind not in "iu":  # int64 and uint64 have no common integer type
        wanted = pixels.dtype
    if smallest == largest:  # as the background that a run fills: one value is enough
        return np.broadcast_to(np.array(smallest, dtype=wanted), pixels.shape)
    if pixels.dtype == wanted and pixels.flags.owndata and not pixels.flags.writeable:
        return pixels  # it is one already
    copy = np.array(pixels, dtype=wanted)
    copy.flags.writeable = False
    return copy


def _bytes_of(pixels: LabelArray) -> int:
    """Return the memory that an array takes; one of a single value may be that value alone."""
    return pixels.nbytes if any(pixels.strides) else pixels.itemsize


def _indices(rows: tuple[LabelRow, ...]) -> set[int]:
    return {row.index for row in rows}


def _prompt_bytes(prompts: tuple[Prompt, ...]) -> int:
    return sum(_BYTES_PER_PROMPT + 32 * len(prompt.coordinates) for prompt in prompts)
