"""Prompt groups: what an object in the making is asked with, and where the user is in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from napari_semantic_sam.annotation.changes import PromptsChange
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.evidence import read_evidence
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.model.config import Kind

_NOT_TAKEN = {
    "click": "This model takes no clicks; draw a box, or choose another model.",
    "box": "This model takes no boxes; click on the structure, or choose another model.",
}
_CLICKS = ("click", "scribble")
"""Prompts for which the network is asked clicks, whatever their sign.

For the others it is asked a box, and if they are negative nothing.
"""


@dataclass(frozen=True)
class GroupState:
    """What the prompts of an object gave, and where the user is in it.

    Attributes
    ----------
    candidates : tuple of Candidate, or None
        Distinct, coarse to fine; None while they are being computed.
    index : int
        Of the candidate on display, 0 for the coarsest.
    marked : frozenset of int
        Candidates to be kept along with the one on display.
    kept : mapping of int to LabelRow
        The labels that candidates were written to, as they are now.
    """

    candidates: tuple[Candidate, ...] | None = ()
    index: int = 0
    marked: frozenset[int] = frozenset()
    kept: Mapping[int, LabelRow] = field(default_factory=dict)

    @property
    def shown(self) -> Candidate | None:
        """The candidate on display."""
        return self.candidates[self.index] if self.candidates else None

    @property
    def shown_is_kept(self) -> bool:
        """Whether the candidate on display was kept, and its label still exists."""
        return self.index in self.kept

    @property
    def to_keep(self) -> list[int]:
        """The candidate on display and the marked ones that are not kept yet."""
        present = range(len(self.candidates or ()))
        return [
            index
            for index in present
            if (index == self.index or index in self.marked) and index not in self.kept
        ]


def check_prompt(prompt: Prompt, kinds: Collection[Kind], shape: tuple[int, int]) -> None:
    """Say whether a prompt other than a label can be used.

    Parameters
    ----------
    prompt : Prompt
    kinds : collection of "click", "box"
        What the model takes.
    shape : (H, W)
        Of the picture.

    Raises
    ------
    UserError
        If it is outside of the picture or without area in it, or nothing that the model takes.
    """
    check_kind(prompt, kinds)
    if prompt.kind in ("scribble", "lasso"):
        read_evidence(prompt, shape)
        return
    # Late, because it needs torch, which a worker has imported long before any prompt.
    from napari_semantic_sam.inference.prompts import checked_prompts

    points = [prompt.coordinates] if prompt.kind == "click" else []
    boxes = [prompt.coordinates] if prompt.kind == "box" else []
    checked_prompts(points, boxes, shape)


def check_kind(prompt: Prompt, kinds: Collection[Kind]) -> None:
    """Refuse a prompt for which the model would have to be asked what it does not take."""
    asks: Kind = "click" if prompt.kind in _CLICKS else "box"
    if asks not in kinds and (prompt.positive or asks == "click"):
        raise UserError(_NOT_TAKEN[asks])


def describe_prompts(change: PromptsChange) -> str:
    """Say in few words what a change does to prompts, as "add click"."""
    before, after = (
        [(group, prompt) for group, prompts in side.items() for prompt in prompts]
        for side in (change.before, change.after)
    )
    added = [prompt for group, prompt in after if (group, prompt) not in before]
    removed = [prompt for group, prompt in before if (group, prompt) not in after]
    match len(added), len(removed):
        case 1, 0:
            return f"add {_name(added[0])}"
        case 0, 1:
            return f"remove {_name(removed[0])}"
        case 1, 1 if added[0].kind == removed[0].kind:
            verb = "flip" if added[0].coordinates == removed[0].coordinates else "move"
            return f"{verb} {_name(removed[0])}"
        case 0, count if count:
            return f"remove {count} prompts"
    return "change prompts"


def _name(prompt: Prompt) -> str:
    return prompt.kind if prompt.positive else f"negative {prompt.kind}"
