"""One picture being annotated: its prompts, their candidates, and the labels that were kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.model.config import Kind

Coordinates = tuple[float, ...]

_NOT_TAKEN = {
    "click": "This model takes no clicks; draw a box, or choose another model.",
    "box": "This model takes no boxes; click on the structure, or choose another model.",
}


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

    kind: Kind
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
    kept : dict of int to LabelRow
        The rows of the candidates that were kept, by index of the candidate.
    """

    candidates: tuple[Candidate, ...] | None = None
    index: int = 0
    kept: dict[int, LabelRow] = field(default_factory=dict)

    @property
    def shown(self) -> Candidate | None:
        """The candidate on display."""
        return self.candidates[self.index] if self.candidates else None

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
    kinds : collection of "click", "box"
        The prompts that the model takes.

    Attributes
    ----------
    levels : LevelLabels
    active : Prompt or None
        The prompt whose candidates are on display: the newest one.
    """

    def __init__(self, levels: LevelLabels, kinds: Collection[Kind] = ("click", "box")) -> None:
        self.levels = levels
        self._kinds = kinds
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

    @property
    def shown_is_kept(self) -> bool:
        """Whether the candidate on display was kept, and its label still exists."""
        kept = self.current.kept.get(self.current.index)
        # A number may have been given to another label meanwhile; its scores tell.
        return kept is not None and any(
            _same_mask(row, kept) for row in self.levels.rows(kept.level)
        )

    def check(self, prompt: Prompt) -> None:
        """Say whether a prompt can be used.

        Raises
        ------
        UserError
            If it is a click outside of the picture, a box without area in it, or nothing
            that the model takes.
        """
        if prompt.kind not in self._kinds:
            raise UserError(_NOT_TAKEN[prompt.kind])
        # Late, because it needs torch, which a worker has imported long before any prompt.
        from napari_semantic_sam.inference.prompts import checked_prompts

        points = [prompt.coordinates] if prompt.kind == "click" else []
        boxes = [prompt.coordinates] if prompt.kind == "box" else []
        checked_prompts(points, boxes, self.levels.shape)

    def set_prompts(self, kind: Kind, coordinates: Iterable[Coordinates]) -> None:
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
        self.current.kept[self.current.index] = row
        return row


def _same_mask(first: LabelRow, second: LabelRow) -> bool:
    def facts(row: LabelRow) -> tuple[int, float, float, str]:
        return row.index, row.predicted_iou, row.stability, row.source

    return facts(first) == facts(second)
