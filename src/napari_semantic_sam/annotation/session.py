"""One picture being annotated: its prompts, their candidates, and the labels that were kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from napari_semantic_sam.annotation.acts import rewrite, write_mask
from napari_semantic_sam.annotation.changes import Choice, ChoiceChange, Step
from napari_semantic_sam.annotation.commit import (
    Planned,
    cut_to_rule,
    losses,
    refined_label,
    source_of,
)
from napari_semantic_sam.annotation.edits import Edits, row_of
from napari_semantic_sam.annotation.history import History
from napari_semantic_sam.annotation.lost import told_losses
from napari_semantic_sam.annotation.prompting import Prompting
from napari_semantic_sam.annotation.propagating import Followed, Start
from napari_semantic_sam.annotation.stepping import Label
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate, CroppedMask
from napari_semantic_sam.model.config import Kind

_LEAST_FREE = 0.05
"""Of a mask, for it to be kept around labels: of an object kept before only a rim would be left."""


class AnnotationSession(Prompting):
    """Prompts, candidates and kept labels of one picture.

    Whoever shows a session calls a method and reads the state again. Every act of the user is
    a method and one step in `history`. Parameters are those of `Prompting`.

    Attributes
    ----------
    target_level : int or None
        Where the mask on display is to be kept, whatever its own level is.
    """

    def __init__(
        self,
        levels: LevelLabels,
        kinds: Collection[Kind] = ("click", "box"),
        history: History | None = None,
    ) -> None:
        super().__init__(levels, kinds, history)
        self.target_level: int | None = None
        self._followed: dict[Label, dict[PlaneIndex, CroppedMask]] = {}
        self._tidied: WeakKeyDictionary[Candidate, tuple[CleanUp, Candidate]] = WeakKeyDictionary()

    def tidied(self, candidate: Candidate) -> Candidate:
        """Return a candidate after the clean-up of `options`; the same object every time.

        It may take a while for a large mask and may be called on a worker thread.
        """
        cleanup = self.options.cleanup
        if cleanup == CleanUp():
            return candidate
        done = self._tidied.get(candidate)
        if done is None or done[0] != cleanup:
            done = self._tidied[candidate] = (cleanup, cleanup.apply(candidate))
        return done[1]

    def preview(self) -> tuple[Planned, ...]:
        """Return what `keep` would write now, coarse to fine, apart from what is kept."""
        return tuple(self._plan(index) for index in self.current.to_keep)

    def keep(self) -> list[LabelRow]:
        """Write the candidate on display and the marked ones, each into its level.

        The one on display goes to `target_level` if that is set. If the prompts hold a label
        to refine, it takes the place of that label instead. The step's origin is ``{"act":
        "keep", "group", "prompts", "rule", "cleanup", "labels"}``; each of the labels has
        ``{"candidate", "level", "index"}``.

        Returns
        -------
        list of LabelRow
            Of the labels written, coarse to fine.

        Raises
        ------
        UserError
            If nothing is on display, or nothing under the masks may be written.
        """
        if not self.current.candidates:
            raise UserError("There is no mask to keep; click on a structure first.")
        written: dict[int, Label] = {}
        notices: list[str] = []
        with self._edits() as edits:
            for index in self.current.to_keep:
                plan = self._plan(index)
                if plan.mask.area:
                    notices.append(losses(plan.mask, self.levels, plan.level, plan.refines))
                    row = write_mask(edits, plan, source_of(self._prompts))
                    written[index] = (row.level, row.index)
                else:
                    notices.append(
                        f"In level {plan.level} (nearly) nothing under the mask was free."
                    )
        if not edits.changes:
            raise UserError(self._refusal())
        self._finish_keep(edits, written, " ".join(filter(None, notices)))
        return [row for row in (self.levels.row(*label) for label in written.values()) if row]

    def begin_following(self, level: int, index: int) -> Start:
        """Return from what a label of this plane is to be followed through the stack.

        Its masks in other planes hold, except for those that following it wrote and that are
        still as they were written.

        Raises
        ------
        UserError
            If the picture is no stack, or the label is not in this plane.
        """
        if self.levels.stack[-1:] in ((), (1,)):
            raise UserError("There is only one slice; choose a stack to propagate an object.")
        self.mask_of(level, index)
        return Start(level, index, self.plane, self._known(level, index, self.plane))

    def take_followed(self, followed: Followed) -> None:
        """Write where a label was found in other planes, as one step.

        The commit rule decides what it may cover. Where an earlier run had found the label
        and this one does not, it is removed.

        Raises
        ------
        UserError
            If there is no such label any more, it is another one where it was followed from,
            or nothing would change.
        """
        self.settle()
        start, levels = followed.start, self.levels
        level, index = start.level, start.index
        row = row_of(levels, level, index)
        known, begun = self._known(level, index, start.plane), start.plane[-1]
        if not _is_same(start.known[begun], known.get(begun)):
            raise UserError(
                f"Label {index} of level {level} was changed while it was propagated; propagate it "
                "again."
            )
        written: dict[PlaneIndex, CroppedMask] = {}
        with self._edits() as edits:
            for plane in sorted({*followed.masks, *levels.planes_of(level, index)}):
                if plane[:-1] != start.plane[:-1] or plane[-1] in {*start.known, *known}:
                    continue
                with levels.at(plane):
                    mask = followed.masks.get(plane)
                    if mask is not None:
                        rule = self.options.rule
                        mask = cut_to_rule(mask, levels, level, rule, own=index)
                    rewrite(edits, level, replace(row, source="propagated"), mask)
                    if index in levels.areas(level):
                        written[plane] = self.mask_of(level, index)
        if not edits.changes:
            raise UserError(
                f"Label {index} of level {level} is the same as before. {followed.text}"
            )
        self._followed[level, index] = written
        lost = told_losses(edits.changes, {(level, index)})
        notice = f"{followed.text} {lost}".strip()
        self._finish(f"propagate label {index} of level {level}", edits, notice=notice)

    def _known(self, level: int, index: int, begin: PlaneIndex) -> dict[int, CroppedMask]:
        """Return the masks of a label, by slice, that no run wrote and that of where one begins."""
        known, written = {}, self._followed.get((level, index), {})
        for plane in self.levels.planes_of(level, index):
            if plane[:-1] == begin[:-1]:
                with self.levels.at(plane):
                    mask = self.mask_of(level, index)
                if plane == begin or not _is_same(mask, written.get(plane)):
                    known[plane[-1]] = mask
        return known

    def _plan(self, index: int) -> Planned:
        """Work out what would be written for a candidate of the active group."""
        state, prompts = self.current, self._prompts
        mask = self.tidied((state.candidates or ())[index])
        level, refines = mask.level, 0
        if index == state.index:
            refined = refined_label(prompts, self.levels) or (level, 0)
            level = self.target_level or refined[0]
            refines = refined[1] if refined[0] == level else 0
        rule = self.options.rule
        free = cut_to_rule(mask, self.levels, level, rule, prompts, refines)
        if rule == "keep" and free.area < _LEAST_FREE * mask.area:
            free = replace(free, crop=np.zeros_like(free.crop))
        return Planned(index, level, free, refines)

    def _refusal(self) -> str:
        state = self.current
        if state.shown_is_kept:
            row = state.kept[state.index]
            return f"This mask is kept already: it is label {row.index} of level {row.level}."
        plans = self.preview()
        if any(plan.refines and plan.mask.area for plan in plans):
            return "The label would stay as it is; click on what to add to it or to take away."
        levels = _levels(plan.level for plan in plans)
        return (
            f"Nothing was kept: (nearly) all that the mask covers in {levels} has labels already; "
            "choose the rule “Replace what is covered”, or another level."
        )

    def _finish_keep(self, edits: Edits, written: Mapping[int, Label], notice: str) -> None:
        group, state = self.active or 0, self.current
        follow = self._follow(edits.changes, {})
        before = self._choices.get(group, Choice())
        after = Choice(state.index, frozenset(), {**before.kept, **written})
        self._choices[group] = after
        origin = {
            "act": "keep",
            "group": group,
            "prompts": self._prompts,
            "rule": self.options.rule,
            "cleanup": self.options.cleanup,
            "labels": tuple(
                {"candidate": index, "level": level, "index": label}
                for index, (level, label) in written.items()
            ),
        }
        text = f"keep {_levels(level for level, _ in written.values())}"
        changes = (*edits.changes, *follow, ChoiceChange(group, before, after))
        self._record(Step(text, changes, origin), notice)


def _is_same(mask: CroppedMask, other: CroppedMask | None) -> bool:
    return other is not None and mask.box == other.box and np.array_equal(mask.crop, other.crop)


def _levels(numbers: Iterable[int]) -> str:
    """Return "level 2" or "levels 2, 3 and 5", each only once."""
    *first, last = dict.fromkeys(map(str, numbers))
    return f"levels {', '.join(first)} and {last}" if first else f"level {last}"
