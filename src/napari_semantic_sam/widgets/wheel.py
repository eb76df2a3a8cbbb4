"""Shift and the mouse wheel, to walk through the candidates over the canvas."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import napari.viewer
from napari.utils.events import Event


class LevelWheel:
    """Steps through the granularities while Shift is held; up is finer, as it is nearer.

    napari's camera ignores the wheel while a key such as Shift is held, so nothing zooms.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    coarser, finer : bound methods
        Called once for every notch of the wheel.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        coarser: Callable[[], None],
        finer: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._coarser = weakref.WeakMethod(coarser)
        self._finer = weakref.WeakMethod(finer)
        self._turned = 0.0

    def attach(self) -> None:
        """Listen to the wheel."""
        if self._on_wheel not in self._viewer.mouse_wheel_callbacks:
            self._viewer.mouse_wheel_callbacks.append(self._on_wheel)

    def detach(self) -> None:
        """Leave the wheel alone."""
        if self._on_wheel in self._viewer.mouse_wheel_callbacks:
            self._viewer.mouse_wheel_callbacks.remove(self._on_wheel)

    def _on_wheel(self, viewer: object, event: Event) -> None:
        if list(event.modifiers) != ["Shift"]:
            return
        event.handled = True
        # With Shift, macOS turns the wheel sideways. A touch pad sends parts of a notch, and a
        # swift wheel several at once, which would skip candidates.
        self._turned += max(-1.0, min(1.0, float(sum(event.delta))))
        if abs(self._turned) < 1:
            return
        step = self._finer() if self._turned > 0 else self._coarser()
        self._turned = 0.0
        if step:
            step()
