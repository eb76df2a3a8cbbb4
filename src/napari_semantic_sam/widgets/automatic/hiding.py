"""Labels that are not drawn for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from napari.layers import Labels
from napari.utils import DirectLabelColormap
from napari.utils.colormaps.colormap import LabelColormapBase

from napari_semantic_sam.inference.automatic.tree import Node
from napari_semantic_sam.inference.level_labels import LevelLabels

_TRANSPARENT = np.zeros(4)
_OTHERS = np.array([0.5, 0.5, 0.5, 1.0])
"""Colour of a label that is being drawn and has no row yet."""


class HiddenObjects:
    """Takes the colour from labels in their layers, and gives it back.

    A matter of display: nothing of it is a step of the session.

    Parameters
    ----------
    layer_of : callable
        Returns the layer of a level; None if there is none.

    Attributes
    ----------
    nodes : set of Node
        Level and number of what is hidden; read only.
    """

    def __init__(self, layer_of: Callable[[int], Labels | None]) -> None:
        self._layer_of = layer_of
        self._original: dict[Labels, LabelColormapBase] = {}
        self._shown: dict[Labels, tuple[DirectLabelColormap, set[int], list[int]]] = {}
        self.nodes: set[Node] = set()

    def hide(self, nodes: Iterable[Node], levels: LevelLabels) -> None:
        """Hide labels."""
        self.nodes |= set(nodes)
        self.refresh(levels)

    def show(self, nodes: Iterable[Node], levels: LevelLabels) -> None:
        """Show labels again."""
        self.nodes -= set(nodes)
        self.refresh(levels)

    def refresh(self, levels: LevelLabels | None) -> None:
        """Forget labels that are gone, all of them without a session, and colour the others."""
        present = levels.levels if levels else []
        self.nodes = {
            (level, index)
            for level, index in self.nodes
            if levels is not None and levels.row(level, index) is not None
        }
        colored = {}
        for level in present:
            layer = self._layer_of(level)
            hidden = {index for each, index in self.nodes if each == level}
            if layer is not None and hidden and levels is not None:
                colored[layer] = (hidden, [row.index for row in levels.rows(level)])
        for layer in self._shown.keys() - colored.keys():
            self._restore(layer)
        for layer, (hidden, indices) in colored.items():
            self._color(layer, hidden, indices)

    def _color(self, layer: Labels, hidden: set[int], indices: list[int]) -> None:
        shown = self._shown.get(layer)
        if shown is None or layer.colormap is not shown[0]:  # the user may have chosen others
            self._original[layer] = layer.colormap
        elif shown[1:] == (hidden, indices):
            return
        colours = self._original[layer].map(np.array(indices, dtype=layer.data.dtype))
        table = {None: _OTHERS, 0: _TRANSPARENT} | dict(zip(indices, colours, strict=True))
        table |= dict.fromkeys(hidden, _TRANSPARENT)
        layer.colormap = DirectLabelColormap(color_dict=table)
        self._shown[layer] = (layer.colormap, hidden, indices)

    def _restore(self, layer: Labels) -> None:
        ours, original = self._shown.pop(layer)[0], self._original.pop(layer)
        if layer.colormap is ours:
            layer.colormap = original
