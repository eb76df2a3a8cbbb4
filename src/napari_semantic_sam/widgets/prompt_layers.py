"""The prompts of a session as two napari layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from napari.components import LayerList
from napari.layers import Image, Points, Shapes
from napari.layers.base import ActionType
from napari.utils.events import Event

from napari_semantic_sam.annotation.changes import Groups
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets import prompt_marks as marks
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.quiet import Quiet
from napari_semantic_sam.widgets.tables import BOXES, CLICKS

_FINISHED = (ActionType.ADDED, ActionType.CHANGED, ActionType.REMOVED)
_SELECTING = ("select", "direct")
_AS_POINTS = ("click", "label")


class PromptLayers:
    """A Points layer for clicks and a Shapes layer for all else, ready to draw on.

    Those of an earlier session on the image are used again, with the prompts in them.

    Parameters
    ----------
    layers : LayerList
        Where they are added, clicks on top; clicks become active.
    image : Image
    frame : Frame
        Its axes.
    on_change : callable
        Called after the user changed prompts.
    """

    def __init__(
        self,
        layers: LayerList,
        image: Image,
        frame: Frame,
        on_change: Callable[[], None],
    ) -> None:
        self.positive = True
        self._layers = layers
        self._on_change = on_change
        self._quietly = Quiet()
        self._frame = frame
        self.boxes: Shapes = make.find_tool(layers, image, BOXES) or marks.boxes_layer(image, frame)
        self.clicks: Points = make.find_tool(layers, image, CLICKS) or marks.clicks_layer(
            image, frame
        )
        self._present = {self.boxes, self.clicks}
        self.choose(positive=True)
        for layer in (self.boxes, self.clicks):
            make.put_on_top(layers, layer)
            layer.visible = True
        self.place(image)
        # Not before: the controls of a layer show the mode it is given once it is in the viewer.
        self.boxes.mode = "add_rectangle"
        self.clicks.mode = "add"
        layers.selection.active = self.clicks
        self._counts = {layer: len(layer.data) for layer in (self.boxes, self.clicks)}
        for layer in (self.boxes, self.clicks):
            layer.events.data.connect(self._on_data)

    @property
    def planes(self) -> set[PlaneIndex]:
        """The planes of a stack that have prompts in the layers."""
        return {
            mark.plane
            for layer in (self.clicks, self.boxes)
            for mark in self._finished(layer)
            if mark.plane is not None
        }

    def groups(self, plane: PlaneIndex) -> Groups:
        """Return the prompts of every object of a plane, as they are in the layers."""
        groups: dict[int, tuple[Prompt, ...]] = defaultdict(tuple)
        for layer in (self.clicks, self.boxes):
            if layer in self._layers:
                for mark in self._finished(layer):
                    if mark.plane == plane:
                        groups[mark.group] += (mark.prompt,)
        return dict(sorted(groups.items()))

    def choose(self, *, positive: bool) -> None:
        """Choose the sign of the next prompt."""
        self.positive = positive
        for layer in (self.boxes, self.clicks):
            marks.set_next(layer, positive=positive)

    def flip_selected(self) -> bool:
        """Switch the sign of selected prompts; False if none is being selected."""
        layer = self._layers.selection.active
        if layer not in (self.boxes, self.clicks) or layer.mode not in _SELECTING:
            return False
        selected = set(layer.selected_data)
        flipped = [
            mark._replace(
                prompt=replace(mark.prompt, positive=mark.prompt.positive != (row in selected))
            )
            for row, mark in enumerate(marks.read(layer, self._frame))
        ]
        marks.write_features(layer, flipped)
        return bool(selected)

    def refuse(self, check: Callable[[marks.Mark], None]) -> list[str]:
        """Take prompts out that cannot be used, and say why.

        Parameters
        ----------
        check : callable
            Raises `UserError` for a prompt that cannot.
        """
        reasons: dict[str, None] = {}
        for layer in (self.clicks, self.boxes):
            refused = []
            for row, mark in enumerate(self._finished(layer)):
                try:
                    check(mark)
                except UserError as error:
                    reasons[str(error)] = None
                    refused.append(row)
            if refused:
                with self._quietly():
                    layer.remove(refused)
                self._counts[layer] -= len(refused)
        return list(reasons)

    def number(
        self,
        plane: PlaneIndex,
        next_group: Callable[[bool], int],
        place_of: Callable[[int], PlaneIndex | None],
        *,
        separate: bool,
    ) -> None:
        """Give an object to prompts that the user has just drawn in a plane.

        Parameters
        ----------
        plane : tuple of int
        next_group : callable
            Called with the sign of a prompt, returns its object.
        place_of : callable
            Returns the plane of an object that exists already; prompts of another plane,
            which were copied or moved from there, get another object.
        separate : bool
            Whether each gets an object of its own.
        """
        both = {layer: self._finished(layer) for layer in (self.clicks, self.boxes)}
        everything = [mark for found in both.values() for mark in found]
        taken = {mark.group for mark in everything}
        elsewhere = {mark.group for mark in everything if mark.plane != plane}
        for layer, found in both.items():
            numbered: list[marks.Mark] = []
            for mark in found:
                group = mark.group
                is_new = group == marks.NEW or place_of(group) not in (None, plane)
                if mark.plane == plane and is_new:
                    group = next_group(mark.prompt.positive)
                    if group in (taken if separate else elsewhere):
                        group = max(taken) + 1
                    taken.add(group)
                numbered.append(mark._replace(group=group))
            if numbered != found:
                marks.write_features(layer, numbered)

    def finish_drawing(self) -> None:
        """Finish a shape with several corners that the user has begun."""
        if len(self.boxes.data) != self._counts[self.boxes]:
            mode = self.boxes.mode
            self.boxes.mode = "pan_zoom"
            self.boxes.mode = mode

    def write(self, everywhere: Mapping[PlaneIndex, Groups]) -> None:
        """Make prompts the contents of the layers; a deleted one that is needed comes back."""
        if everywhere == {plane: self.groups(plane) for plane in self.planes}:
            return
        everything = [
            marks.Mark(group, prompt, plane)
            for plane, groups in everywhere.items()
            for group, prompts in groups.items()
            for prompt in prompts
        ]
        for layer in (self.boxes, self.clicks):
            points = layer is self.clicks
            wanted = [mark for mark in everything if (mark.prompt.kind in _AS_POINTS) == points]
            if layer not in self._layers and wanted:
                make.put_on_top(self._layers, layer)
                self._present.add(layer)
            if self._finished(layer) != wanted:
                with self._quietly():
                    marks.write(layer, wanted, self._frame)
                self._counts[layer] = len(wanted)

    def place(self, image: Image) -> None:
        """Follow the image to where it is now."""
        make.place(self.clicks, image, self._frame)
        make.place(self.boxes, image, self._frame)

    def newly_deleted(self) -> list[Points | Shapes]:
        """Return the layers that the user deleted since the last call."""
        gone = [layer for layer in self._present if layer not in self._layers]
        self._present -= set(gone)
        return gone

    def close(self) -> None:
        """Hide the layers, for a later session on the image."""
        for layer in (self.clicks, self.boxes):
            layer.events.data.disconnect(self._on_data)
            layer.visible = False

    def _finished(self, layer: Points | Shapes) -> list[marks.Mark]:
        """Return the prompts of a layer without one that is still being drawn."""
        return marks.read(layer, self._frame)[: self._counts[layer]]

    def _on_data(self, event: Event) -> None:
        if event.action in _FINISHED and not self._quietly.is_on:
            self._note_new(event)
            self._counts[event.source] = len(event.source.data)
            self._on_change()

    def _note_new(self, event: Event) -> None:
        """Give new prompts the sign that was chosen; napari copies facts of what is selected."""
        layer = event.source
        if isinstance(layer, Points) and self._frame.ndim > 2:
            with self._quietly():  # what is drawn between two planes is not shown in either
                layer.data = self._frame.snapped(layer.data)
        found = marks.read(layer, self._frame)
        new = set(range(self._counts[layer], len(found)))
        if event.action is ActionType.ADDED:
            new = {index % len(found) for index in event.data_indices}
        noted = [
            mark._replace(group=marks.NEW, prompt=replace(mark.prompt, positive=self.positive))
            if row in new
            else mark
            for row, mark in enumerate(found)
        ]
        # An emptied Shapes layer keeps its features, for shapes drawn later.
        if new or len(layer.features) != len(found):
            marks.write_features(layer, noted)
