"""One annotation session and the layers that show it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import napari.viewer
from napari.layers import Image, Labels
from napari.utils.notifications import show_error, show_info, show_warning

from napari_semantic_sam.annotation.changes import LabelsChange, PromptsChange, Step
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.candidate_view import CandidateView
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.history_keys import HistoryKeys
from napari_semantic_sam.widgets.hover import Hover
from napari_semantic_sam.widgets.level_layers import LevelLayers
from napari_semantic_sam.widgets.messages import MESSAGES
from napari_semantic_sam.widgets.opening import Opened
from napari_semantic_sam.widgets.plane_slider import PlaneSlider
from napari_semantic_sam.widgets.preview import Preview
from napari_semantic_sam.widgets.prompt_layers import PromptLayers
from napari_semantic_sam.widgets.prompt_marks import Mark


class SessionView:
    """Shows an `AnnotationSession` as layers, and feeds it what the user does to them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    opened : Opened
    keys : HistoryKeys
        For the layers of the session.
    on_change : callable
        Called after the user changed a prompt or a label in its layer.
    on_hover_error : bound method
        See `Hover`.
    session : AnnotationSession, optional
        One to go on with; a new one when left out.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        opened: Opened,
        keys: HistoryKeys,
        on_change: Callable[[], None],
        on_hover_error: Callable[[Exception], None],
        session: AnnotationSession | None = None,
    ) -> None:
        self.image: Image = opened.image
        self.frame: Frame = opened.frame
        self.opened = opened
        self.picture = opened.picture
        self._pictures = {self.picture.plane: self.picture}
        model = self.picture.model
        self.session = session or AnnotationSession(
            LevelLabels(self.frame.shape, self.frame.stack), model.prompt_kinds
        )
        self.session.go(self.picture.plane)
        self._is_restored = session is not None
        self._viewer = viewer
        self._layers = viewer.layers
        self._keys = keys
        self._on_change = on_change
        self._touched: set[int] = set()
        self._renamed: set[int] = set()
        self._other_prompts = False
        self._finished: set[int] = set()  # objects of an earlier session
        record = {"checkpoint": model.checkpoint, "level_order": model.level_order}
        self.levels = LevelLayers(
            viewer.layers, self.image, self.frame, self.session, record, keys, self._on_edit
        )
        self._preview = Preview(viewer.layers, self.image, self.frame)
        self._preview.go(self.session.plane)
        self._candidates = CandidateView(self.session, self._preview)
        self.prompts = PromptLayers(viewer.layers, self.image, self.frame, self._on_prompts)
        self._on_hover_error = on_hover_error
        self.hover = Hover(viewer, self._preview, self.picture, on_hover_error)
        for layer in (self.image, self._preview.layer, self.prompts.boxes, self.prompts.clicks):
            keys.bind(layer)
        for emitter in make.placement_events(self.image):
            emitter.connect(self._on_placement)
        self.session.listeners.append(self._on_step)
        self._slider = PlaneSlider(viewer, self.image, self.frame, self._on_slider)

    def begin(self) -> None:
        """Take over prompts that are in the layers already, or show those of the session."""
        self.session.go(self._slider.plane)  # the user may have gone to another one meanwhile
        self._follow()
        if self._is_restored:
            self.prompts.write(self.session.everywhere)
            self.draw()
        else:
            self._on_prompts()
            self._finished = {
                group for groups in self.session.everywhere.values() for group in groups
            }

    def activate(self, group: int) -> None:
        """Go back to an object; the next prompt belongs to it."""
        self._finished.discard(group)
        self.session.activate(group)

    def act(self, do: Callable[[], Any]) -> None:
        """Let the user act on the session, and show what came of it.

        Raises
        ------
        UserError
            As the act does.
        """
        self._reconcile()
        try:
            do()
        finally:
            self._show_steps()
            self._follow()
            self.draw()

    def reconcile(self) -> None:
        """Notice which layers the user deleted."""
        self._reconcile()
        self.draw()
        self._on_change()  # the prompts that are left want candidates

    def undo(self) -> None:
        """Take the last step back, which may be a shape that is still being drawn."""
        self.prompts.finish_drawing()
        self.session.undo()

    def redo(self) -> None:
        """Make the step again that was taken back last, unless a shape is being drawn."""
        self.prompts.finish_drawing()
        self.session.redo()

    def draw(self) -> None:
        """Show the candidates of the active object, those to be kept as they would be."""
        self._candidates.draw()

    def flip_sign(self) -> None:
        """Switch the sign of selected prompts or, if none is being selected, of the next one."""
        if self.prompts.flip_selected():
            self._on_prompts()
        else:
            self.prompts.choose(positive=not self.prompts.positive)

    def next_object(self) -> None:
        """Let the next prompt begin an object, which needs a positive one first."""
        self.session.next_object()
        self.prompts.choose(positive=True)

    def previous_object(self) -> None:
        """Go back to the object of this plane before the active one; from the first to the last."""
        groups, active = list(self.session.groups), self.session.active
        before = [group for group in groups if active is None or group < active]
        for group in (before or groups)[-1:]:
            self.activate(group)

    def label_to_refine(self, position: tuple[float, ...]) -> tuple[int, int] | None:
        """Return level and number of the label that the user means, None if there is none.

        It is the one under the mouse, in the active level layer or the finest that has one
        there; else the one selected in the active level layer.

        Parameters
        ----------
        position : tuple of float
            Of the mouse, in world coordinates.
        """
        active = self._layers.selection.active
        chosen = self.levels.level_of(active)
        levels = self.session.levels
        for level in [chosen] if chosen else reversed(levels.levels):
            index = self.levels.label_at(level, position)
            if index:
                return level, index
        if chosen and isinstance(active, Labels) and levels.row(chosen, active.selected_label):
            return chosen, int(active.selected_label)
        return None

    def label_to_follow(self) -> tuple[int, int] | None:
        """Return the label of this slice that the user means; None if there is none.

        The one selected in the active level layer; else the one that was made of the
        candidate on display.
        """
        active, levels = self._layers.selection.active, self.session.levels
        chosen = self.levels.level_of(active)
        if chosen and isinstance(active, Labels) and active.selected_label in levels.areas(chosen):
            return chosen, int(active.selected_label)
        state = self.session.current
        kept = state.kept.get(state.index)
        return (kept.level, kept.index) if kept else None

    def refine(self, level: int, index: int) -> None:
        """Begin an object with a label as its prompt.

        Raises
        ------
        UserError
            If there is no such label.
        """
        self.prompts.finish_drawing()
        self.session.seek(level, index)
        prompt = self.session.label_prompt(level, index)
        group = self.session.next_object()
        self.session.set_prompts({**self.session.groups, group: (prompt,)})
        self.prompts.choose(positive=True)

    def close(self) -> None:
        """Hide prompts and preview; the levels stay."""
        self.session.listeners.remove(self._on_step)
        for emitter in make.placement_events(self.image):
            emitter.disconnect(self._on_placement)
        self._slider.close()
        self.hover.detach()
        self._candidates.close()
        self.levels.close()
        self.prompts.close()
        self._preview.close()
        self._keys.close()

    def _reconcile(self) -> None:
        self.levels.reconcile()
        gone = self.prompts.newly_deleted()
        if gone:
            self._read_prompts()
        for layer in gone:
            show_warning(MESSAGES["prompts gone"].format(layer=layer.name))
        for spare in self.levels.newly_spare():
            show_warning(MESSAGES["level taken"].format(layer=spare.name, image=self.image.name))
        self._forget_steps()  # the layers show them already

    def _on_step(self, event: str, step: Step) -> None:
        if event == "step" and self.session.notice:
            show_info(self.session.notice)
        for change in step.changes:
            if isinstance(change, LabelsChange) and not self.session.is_writing:
                (self._renamed if change.window is None else self._touched).add(change.level)
        self._other_prompts |= any(isinstance(each, PromptsChange) for each in step.changes)

    def _forget_steps(self) -> None:
        self._touched.clear()
        self._renamed.clear()
        self._other_prompts = False

    def _show_steps(self) -> None:
        self.levels.show(self._touched, self._renamed)
        if self._other_prompts:
            self.prompts.write(self.session.everywhere)
        self._forget_steps()

    def _on_prompts(self) -> None:
        known = {
            (plane, prompt)
            for plane, groups in self.session.everywhere.items()
            for prompts in groups.values()
            for prompt in prompts
        }
        refused = self.prompts.refuse(lambda mark: self._check(mark, known))
        if refused:
            show_error("\n".join(refused))
        self._read_prompts()
        self._finished &= {group for groups in self.session.everywhere.values() for group in groups}
        self._forget_steps()
        self.draw()
        self._on_change()

    def _read_prompts(self) -> None:
        """Tell the session which prompts the layers hold, plane by plane."""
        session, here = self.session, self.session.plane
        for plane in sorted(self.prompts.planes | session.everywhere.keys()):
            session.go(plane)
            self.prompts.number(
                plane, self._next_group, session.place_of, separate=session.separate
            )
            session.set_prompts(self.prompts.groups(plane))
        session.go(here)

    def _on_slider(self, plane: PlaneIndex) -> None:
        """Show what is known of the plane that the user has gone to."""
        self.session.go(plane)
        self._show_plane()
        self.draw()
        self._on_change()

    def _follow(self) -> None:
        """Go to the plane on the screen to which the session went."""
        if self.session.plane != self.picture.plane:
            self._slider.go(self.session.plane)
            self._show_plane()

    def _show_plane(self) -> None:
        plane = self.session.plane
        if plane not in self._pictures:
            self._pictures[plane] = self.picture.at(plane)
        self.picture = self._pictures[plane]
        self._candidates.forget()
        self._preview.go(plane)
        follows_mouse = self.hover.attached
        self.hover.detach()
        self.hover = Hover(self._viewer, self._preview, self.picture, self._on_hover_error)
        if follows_mouse:
            self.hover.attach()

    def _next_group(self, positive: bool) -> int:
        group = self.session.group_for_next(positive)
        if positive and group in self._finished:
            return max(group, *self._finished) + 1
        return group

    def _check(self, mark: Mark, known: Collection[tuple[PlaneIndex, Prompt]]) -> None:
        """Refuse a prompt that is not known yet and cannot be used."""
        if mark.plane is None:
            raise UserError(MESSAGES["not flat"])
        if (mark.plane, mark.prompt) in known:
            return
        if self._viewer.dims.ndisplay != 2:
            raise UserError(MESSAGES["3-D view"].format(image=self.image.name))
        if not self.frame.is_shown(self._viewer.dims.displayed, self._viewer.dims.ndim):
            raise UserError(MESSAGES["not flat"])  # it would go into a slice that is not seen
        with self.session.levels.at(mark.plane):
            self.session.check(mark.prompt)

    def _on_edit(self) -> None:
        self._forget_steps()
        self.draw()
        self._on_change()

    def _on_placement(self) -> None:
        self.prompts.place(self.image)
        self.levels.place()
        self._preview.place()
