"""One picture being annotated: its prompts, their candidates, and the labels that were kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate

PromptKind = Literal["click", "box"]
Coordinates = tuple[float, ...]


@dataclass(frozen=True)
class Prompt:
    """A click or a box.

    Attributes
    ----------
    kind : "click" or "box"
    coordinates : tuple of floats
        As `Predictor.predict` takes them: ``(y, x)`` of a click, whole numbers are centres
        of pixels; ``(y0, x0, y1, x1)`` of a box, edges of pixels.
    """

    kind: PromptKind
    coordinates: Coordinates


@dataclass
class PromptState:
    """What a prompt gave, and where the user is in it.

    Attributes
    ----------
    candidates : tuple of Candidate, or None
        Distinct, coarse to fine; None while they are being computed.
    index : int
        Of the candidate on display, 0 for the coarsest.
    kept : set of int
        Indices of the candidates that were kept.
    """

    candidates: tuple[Candidate, ...] | None = None
    index: int = 0
    kept: set[int] = field(default_factory=set)

    @property
    def shown(self) -> Candidate | None:
        """The candidate on display."""
        return self.candidates[self.index] if self.candidates else None

    @property
    def shown_is_kept(self) -> bool:
        """Whether the candidate on display was kept."""
        return self.index in self.kept

    def show(self, index: int) -> None:
        """Display the candidate at `index`, or the nearest there is."""
        self.index = max(0, min(index, len(self.candidates or ()) - 1))


class AnnotationSession:
    """Prompts, candidates and kept labels of one picture.

    Whoever shows a session calls a method and reads the state again: there are no events.

    Parameters
    ----------
    levels : LevelLabels
        Where masks are kept.

    Attributes
    ----------
    levels : LevelLabels
    active : Prompt or None
        The prompt whose candidates are on display: the newest one.
    """

    def __init__(self, levels: LevelLabels) -> None:
        self.levels = levels
        self.active: Prompt | None = None
        self._states: dict[Prompt, PromptState] = {}

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts, the oldest first."""
        return tuple(self._states)

    @property
    def waiting(self) -> tuple[Prompt, ...]:
        """Prompts whose candidates have not come yet, the oldest first."""
        return tuple(each for each, state in self._states.items() if state.candidates is None)

    @property
    def current(self) -> PromptState:
        """The state of the active prompt; a blank one while there is none."""
        return PromptState(()) if self.active is None else self._states[self.active]

    def check(self, prompt: Prompt) -> None:
        """Say whether a prompt can be used.

        Raises
        ------
        UserError
            If it is a click outside of the picture, or a box without area in it.
        """
        # Late, because it needs torch, which a worker has imported long before any prompt.
        from napari_semantic_sam.inference.prompts import checked_prompts

        points = [prompt.coordinates] if prompt.kind == "click" else []
        boxes = [prompt.coordinates] if prompt.kind == "box" else []
        checked_prompts(points, boxes, self.levels.shape)

    def set_prompts(self, kind: PromptKind, coordinates: Iterable[Coordinates]) -> None:
        """Say which prompts of a kind there are; those that were there keep their state.

        The last new one becomes the active prompt.
        """
        wanted = [Prompt(kind, where) for where in coordinates]
        for gone in [each for each in self._states if each.kind == kind and each not in wanted]:
            del self._states[gone]
        new = [prompt for prompt in wanted if prompt not in self._states]
        self._states |= {prompt: PromptState() for prompt in new}
        if new:
            self.active = new[-1]
        elif self.active not in self._states:
            self.active = next(reversed(self._states), None)

    def receive(self, found: Mapping[Prompt, Sequence[Candidate]]) -> None:
        """Take the distinct candidates of prompts; those of prompts that are gone are dropped.

        The candidate with the highest predicted IoU is on display first.
        """
        for prompt, candidates in found.items():
            if prompt in self._states:
                scores = [candidate.predicted_iou for candidate in candidates]
                best = scores.index(max(scores)) if scores else 0
                self._states[prompt] = PromptState(tuple(candidates), best)

    def keep(self) -> LabelRow:
        """Write the candidate on display into its level, where nothing is labelled yet.

        Raises
        ------
        UserError
            If nothing is on display, or every pixel under the mask is labelled already.
        """
        candidate = self.current.shown
        if candidate is None or self.active is None:
            raise UserError("There is no mask to keep; click on a structure first.")
        row = self.levels.add(candidate, candidate.level, self.active.kind)
        if row is None:
            raise UserError(
                f"Nothing was kept: under this mask, level {candidate.level} has labels already."
            )
        self.current.kept.add(self.current.index)
        return row
