"""Undo and redo on the layers of a session, in place of what napari undoes there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari.layers import Layer

from napari_semantic_sam.widgets.shortcuts import SHORTCUTS

Undo = Callable[[Any], None]
"""What napari calls with the layer on which a key was pressed."""


class HistoryKeys:
    """Binds the keys of acts that concern the whole session to some layers only.

    Elsewhere the same keys undo other things, such as the strokes on a user's own Labels layer.

    Parameters
    ----------
    acts : mapping of str to callable
        By their name in the table of shortcuts.
    """

    def __init__(self, acts: Mapping[str, Undo]) -> None:
        self._acts = {SHORTCUTS[name].key: act for name, act in acts.items()}
        self._before: dict[Layer, dict[str, Any]] = {}

    def bind(self, layer: Layer) -> None:
        """Give a layer the keys, unless it has them."""
        if layer not in self._before:
            self._before[layer] = {
                key: layer.bind_key(key, act, overwrite=True) for key, act in self._acts.items()
            }

    def unbind(self, layer: Layer) -> None:
        """Give a layer the keys back that it had before."""
        for key, act in self._before.pop(layer, {}).items():
            layer.bind_key(key, act, overwrite=True)  # None takes ours away

    def close(self) -> None:
        """Give all layers their keys back."""
        for layer in list(self._before):
            self.unbind(layer)
