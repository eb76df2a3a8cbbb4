"""What a user does, and what he is told."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from napari.utils import interactions
from napari.utils.key_bindings import KeymapHandler
from napari.utils.notifications import notification_manager

from napari_semantic_sam.inference.automatic import plane as automatic_plane

CELLS = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)


def shown(panel, qtbot):
    """Wait for the candidates of the newest prompt."""
    qtbot.waitUntil(lambda: panel.annotator.session.current.candidates is not None)


def click(panel, qtbot, y, x):
    """Click, and wait for the candidates."""
    panel.annotator.clicks.add([y, x])
    shown(panel, qtbot)


def automatic_answers(monkeypatch, predictor, engine):
    """Have an engine answer for automatic segmentation, of a model with three levels."""
    predictor.levels = range(1, 4)
    predictor.model.automatic = {"predicted_iou": 0.6, "stability": 0.4}
    predictor.model.config.decoder = None
    monkeypatch.setattr(automatic_plane, "segment_plane", engine)


def draw_box(layer, start, end):
    """Draw a rectangle with the mouse, in pixels."""
    event = SimpleNamespace(
        type="mouse_press",
        pos=np.array(start),
        position=start,
        modifiers=(),
        handled=False,
        is_dragging=False,
    )
    interactions.mouse_press_callbacks(layer, event)
    event.type, event.pos, event.position = "mouse_move", np.array(end), end
    event.is_dragging = True
    interactions.mouse_move_callbacks(layer, event)
    event.type = "mouse_release"
    interactions.mouse_release_callbacks(layer, event)


def draw_shape(layer, places):
    """Draw a line or an outline free-hand, with the button held down, in pixels."""
    event = SimpleNamespace(
        type="mouse_press",
        pos=np.array(places[0]),
        position=places[0],
        modifiers=(),
        handled=False,
        is_dragging=False,
    )
    interactions.mouse_press_callbacks(layer, event)
    event.type, event.is_dragging = "mouse_move", True
    for place in places[1:]:
        event.pos, event.position = 10 * np.array(place), place
        interactions.mouse_move_callbacks(layer, event)
    event.type = "mouse_release"
    interactions.mouse_release_callbacks(layer, event)


def press(viewer, key):
    """Press a key, as the canvas hands it on: to the active layer first, then the viewer."""
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [viewer] if active is None else [active, viewer]
    assert handler.press_key(key)


def messages():
    """Return what napari notified of so far in this test."""
    return [str(record.message) for record in notification_manager.records]
