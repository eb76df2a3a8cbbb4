"""Prompts of several objects, their candidates, and where the user is among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.annotation.changes import (
    Change,
    Choice,
    ChoiceChange,
    Groups,
    LabelsChange,
    PromptsChange,
    Step,
)
from napari_semantic_sam.annotation.editing_several import SeveralEditing
from napari_semantic_sam.annotation.found import FoundCandidates
from napari_semantic_sam.annotation.groups import (
    GroupState,
    check_kind,
    check_prompt,
    describe_prompts,
)
from napari_semantic_sam.annotation.history import History
from napari_semantic_sam.annotation.stepping import Label
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.model.config import Kind

if TYPE_CHECKING:
    from napari_semantic_sam.inference.combination import Combined


class Prompting(SeveralEditing):
    """Labels, and the prompts and candidates of objects in the making.

    An object in the making lies in one plane of a stack. Numbers of objects hold for the
    whole stack; what is said about objects otherwise is about those of the present plane.
    What the user changes is a step in `history`; `receive`, `next_object` and `activate`
    change nothing that a user made.

    Parameters
    ----------
    levels : LevelLabels
        Where masks are kept.
    kinds : collection of "click", "box"
        The prompts that the model takes.
    history : History, optional
        An empty one.

    Attributes
    ----------
    separate : bool
        Whether every positive prompt is an object of its own.
    """

    def __init__(
        self,
        levels: LevelLabels,
        kinds: Collection[Kind] = ("click", "box"),
        history: History | None = None,
    ) -> None:
        super().__init__(levels, history)
        self.separate = False
        self._kinds = kinds
        self._groups: dict[int, tuple[Prompt, ...]] = {}
        self._place: dict[int, PlaneIndex] = {}
        self._active: dict[PlaneIndex, int | None] = {}
        self._choices: dict[int, Choice] = {}
        self._found = FoundCandidates()

    @property
    def active(self) -> int | None:
        """The group whose candidates are on display."""
        return self._active.get(self.plane)

    @property
    def groups(self) -> Groups:
        """The prompts of each object in the making of this plane, by group."""
        return self.everywhere.get(self.plane, {})

    @property
    def everywhere(self) -> dict[PlaneIndex, dict[int, tuple[Prompt, ...]]]:
        """The prompts of each object in the making, by plane and group."""
        found: dict[PlaneIndex, dict[int, tuple[Prompt, ...]]] = {}
        for group, prompts in sorted(self._groups.items()):
            found.setdefault(self._place[group], {})[group] = prompts
        return found

    def place_of(self, group: int) -> PlaneIndex | None:
        """Return the plane of a group that has prompts; None for others."""
        return self._place[group] if group in self._groups else None

    @property
    def waiting(self) -> Groups:
        """The groups whose candidates have not come yet, or were let go and are wanted again."""
        groups = self.groups
        return {group: groups[group] for group in self._found.missing(groups, self.active)}

    @property
    def current(self) -> GroupState:
        """The state of the active group; a blank one while there is none."""
        return GroupState() if self.active is None else self.state(self.active)

    def state(self, group: int) -> GroupState:
        """Return where a group is; a blank state if it has no prompts."""
        if group not in self._groups:
            return GroupState()
        found, choice = self._found.get(group), self._choices.get(group, Choice())
        kept = {index: self.levels.row(*label) for index, label in choice.kept.items()}
        present = {index: row for index, row in kept.items() if row}
        if found is None:
            return GroupState(None, 0, choice.marked, present)
        last = max(0, len(found.candidates) - 1)
        index = _nearest(found, choice.level) if choice.index is None else choice.index
        return GroupState(found.candidates, min(index, last), choice.marked, present)

    def check(self, prompt: Prompt) -> None:
        """Say whether a prompt can be used.

        Raises
        ------
        UserError
            If it is outside of the picture or without area in it, or nothing that the model
            takes.
        """
        if prompt.kind == "label":
            check_kind(prompt, self._kinds)
            level, index = (int(value) for value in prompt.coordinates[:2])
            self.mask_of(level, index)
        else:
            check_prompt(prompt, self._kinds, self.levels.shape)

    def set_prompts(self, groups: Groups) -> None:
        """Say which prompts there are in this plane; groups that differ wait for candidates anew.

        Raises
        ------
        ValueError
            If a group is one of another plane.
        """
        present = self.groups
        if any(group in self._groups and group not in present for group in groups):
            raise ValueError("a group lies in one plane")
        wanted = {group: tuple(prompts) for group, prompts in groups.items() if prompts}
        differ = [
            group
            for group in sorted(present.keys() | wanted.keys())
            if present.get(group) != wanted.get(group)
        ]
        if differ:
            before = {group: present.get(group, ()) for group in differ}
            after = {group: wanted.get(group, ()) for group in differ}
            change = PromptsChange(before, after, self.plane)
            choices = [
                ChoiceChange(group, self._choices[group], self._choice_for(group, after[group]))
                for group in differ
                if group in self._choices
            ]
            self.perform(Step(describe_prompts(change), (change, *choices)))

    def next_object(self) -> int:
        """Begin an object: a group without prompts becomes the active one."""
        group = self._active[self.plane] = self._fresh()
        return group

    def group_for_next(self, positive: bool = True) -> int:
        """Return the group that a prompt belongs to if it is made now.

        The active one; but a positive prompt begins an object if each is one of its own, or
        if a mask of the active group was kept.
        """
        if self.active is None:
            return self._fresh()
        begun = self.active in self._groups and (self.separate or bool(self.current.kept))
        return self._fresh() if positive and begun else self.active

    def activate(self, group: int) -> None:
        """Display the candidates of a group that has prompts, and its plane."""
        if group in self._groups:
            self.go(self._place[group])
            self._active[self.plane] = group

    def receive(self, group: int, prompts: Sequence[Prompt], combined: Combined) -> None:
        """Take what prompts gave, unless the group has others by now."""
        if self._groups.get(group) == tuple(prompts):
            self._found.put(group, combined, self.active)

    def show(self, index: int) -> None:
        """Display the candidate at `index` of the active group, or the nearest there is."""
        state = self.current
        index = max(0, min(index, len(state.candidates or ()) - 1))
        if state.candidates and index != state.index:
            text = f"show level {state.candidates[index].level}"
            self._choose(text, index=index)

    def mark(self, index: int, on: bool) -> None:
        """Say whether a candidate of the active group is to be kept with the one on display."""
        state = self.current
        if not state.candidates or not 0 <= index < len(state.candidates):
            return
        marked = state.marked | {index} if on else state.marked - {index}
        if marked != state.marked:
            text = f"{'mark' if on else 'unmark'} level {state.candidates[index].level}"
            self._choose(text, marked=marked)

    @property
    def _prompts(self) -> tuple[Prompt, ...]:
        return () if self.active is None else self._groups.get(self.active, ())

    def _choice_for(self, group: int, prompts: tuple[Prompt, ...]) -> Choice:
        """Return where to begin with other prompts; without any, the number may be used anew."""
        return Choice(level=self._level_of(group)) if prompts else Choice()

    def _level_of(self, group: int) -> int | None:
        """Return the level that the user went to among the candidates of a group."""
        choice, shown = self._choices[group], self.state(group).shown
        return choice.level if choice.index is None or shown is None else shown.level

    def _fresh(self) -> int:
        begun = [group for plane, group in self._active.items() if group and plane != self.plane]
        return max([*self._groups, *begun], default=0) + 1

    def _choose(self, text: str, **changes: Any) -> None:
        """Change the choice among the candidates of the active group."""
        if self.active is not None:
            choice = self._choices.get(self.active, Choice())
            # Which one was on display is noted even if the user had not picked it, so that a
            # walk that ends where it began is seen to.
            before = replace(choice, index=self.current.index)
            change = ChoiceChange(self.active, before, replace(before, **changes))
            self.perform(Step(text, (change,)))

    def _follow(
        self, changes: Sequence[LabelsChange], moved: Mapping[Label, Label]
    ) -> list[Change]:
        """Let candidates that were kept follow their labels, and forget those that are gone."""
        gone = {(change.level, index) for change in changes for index in change.vanished}
        follow: list[Change] = []
        for group, before in list(self._choices.items()):
            kept = {
                index: moved.get(label, label)
                for index, label in before.kept.items()
                if label in moved or label not in gone
            }
            if kept != before.kept:
                self._choices[group] = replace(before, kept=kept)
                follow.append(ChoiceChange(group, before, self._choices[group]))
        return follow

    def _apply(self, step: Step) -> None:
        """Make the changes of a step, and display the object that it is about."""
        super()._apply(step)
        for change in step.changes:
            if isinstance(change, PromptsChange):
                self._apply_prompts(change)
            elif isinstance(change, ChoiceChange):
                self._choices[change.group] = change.after
        if len(step.changes) == 1 and isinstance(step.changes[0], ChoiceChange):
            self.activate(step.changes[0].group)
        if step.origin:
            self.activate(step.origin["group"])

    def _apply_prompts(self, change: PromptsChange) -> None:
        for group, prompts in change.after.items():
            self._found.forget(group)
            self._groups.pop(group, None)
            if prompts:
                self._groups[group] = prompts
                self._place[group] = change.plane
        alive = [group for group, prompts in change.after.items() if prompts]
        if alive:
            self._active[change.plane] = max(alive)
        elif self._active.get(change.plane) in change.after:
            left = self.everywhere.get(change.plane, {})
            self._active[change.plane] = max(left, default=None)


def _nearest(found: Combined, level: int | None) -> int:
    """Return which candidate to display: the one nearest to a level, else the most promising."""
    if level is None or not found.candidates:
        return found.best
    distances = [abs(each.level - level) for each in found.candidates]
    return distances.index(min(distances))
