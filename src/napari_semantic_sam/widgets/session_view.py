"""One annotation session and the layers that show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from napari.components import LayerList
from napari.layers import Image, Points, Shapes
from napari.utils.notifications import show_error, show_warning

from napari_semantic_sam.annotation.engine import OpenPicture
from napari_semantic_sam.annotation.session import AnnotationSession, Prompt
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.level_layers import LevelLayers
from napari_semantic_sam.widgets.preview import Preview
from napari_semantic_sam.widgets.prompt_layers import PromptLayers
from napari_semantic_sam.widgets.tables import MESSAGES


class SessionView:
    """Shows an `AnnotationSession` as layers, and feeds it what the user does to them.

    Parameters
    ----------
    layers : LayerList
    image : Image
    opened : OpenPicture
        The image, embedded.
    on_change : callable
        Called after the user changed a prompt or a label.
    """

    def __init__(
        self, layers: LayerList, image: Image, opened: OpenPicture, on_change: Callable[[], None]
    ) -> None:
        self.image = image
        self.opened = opened
        self._layers = layers
        self._on_change = on_change
        shape, model = opened.embedding.shape, opened.model
        record = {"checkpoint": model.checkpoint, "level_order": model.level_order}
        self._levels = LevelLayers(layers, image, shape, record, self._on_stroke)
        self.session = AnnotationSession(self._levels.labels, model.prompt_kinds)
        self._preview = Preview(layers, image)
        self._prompts = PromptLayers(layers, image, shape, self._on_prompts)
        for emitter in make.placement_events(image):
            emitter.connect(self._on_placement)
        for kind in ("box", "click"):
            self._on_prompts(kind)

    @property
    def clicks(self) -> Points:
        """The layer for clicks."""
        return self._prompts.clicks

    @property
    def boxes(self) -> Shapes:
        """The layer for boxes."""
        return self._prompts.boxes

    def show(self, index: int) -> None:
        """Display the candidate at `index`, or the nearest there is."""
        self.session.current.show(index)
        self._draw()

    def receive(self, found: Mapping[Prompt, Sequence[Candidate]]) -> None:
        """Take the candidates of prompts and display those of the active one."""
        self.session.receive(found)
        self._draw()

    def keep(self) -> None:
        """Write the candidate on display into its level layer.

        Raises
        ------
        UserError
            If nothing is on display, or nothing under it is free.
        """
        self._levels.reconcile()
        row = self.session.keep()
        self._levels.show(row.level)
        self._draw()

    def reconcile(self) -> None:
        """Notice which layers the user deleted."""
        self._levels.reconcile()
        for kind in self._prompts.newly_deleted():
            self.session.set_prompts(kind, ())
            name = self._prompts.layer(kind).name
            show_warning(MESSAGES["prompts gone"].format(layer=name))
        self._draw()

    def close(self) -> None:
        """Hide clicks, boxes and preview; the levels stay."""
        for emitter in make.placement_events(self.image):
            emitter.disconnect(self._on_placement)
        self._levels.disconnect()
        self._prompts.close()
        self._preview.close()

    def _on_prompts(self, kind: Kind) -> None:
        coordinates = self._prompts.read(kind)
        refused = {}
        for index, where in enumerate(coordinates):
            try:
                self.session.check(Prompt(kind, where))
            except UserError as error:
                refused[index] = str(error)
        if refused:
            show_error("\n".join(dict.fromkeys(refused.values())))
            self._prompts.drop(kind, list(refused))  # which calls this method again
            return
        self.session.set_prompts(kind, coordinates)
        self._draw()
        self._on_change()

    def _on_stroke(self) -> None:
        self._draw()
        self._on_change()

    def _on_placement(self) -> None:
        self._prompts.place(self.image)
        self._levels.place()
        self._preview.place()

    def _draw(self) -> None:
        self._preview.show(self.session.current.shown, kept=self.session.shown_is_kept)
