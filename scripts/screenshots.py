"""What the scripts share that take pictures of the panel: a window, patience, small files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.widgets.panel import SemanticSamPanel

SIZE = (1280, 720)
PATIENCE = 300.0
"""Seconds to wait for the model before giving up."""
COLOURS = 256
"""Of the saved picture, which makes its file several times smaller."""


def open_panel(sample: str, model: str) -> tuple[napari.Viewer, SemanticSamPanel]:
    """Open napari with a sample, and embed it.

    Parameters
    ----------
    sample : str
        A name of our list of samples.
    model : str
        A name of the panel's list of models.
    """
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-semantic-sam", sample)
    _, panel = viewer.window.add_plugin_dock_widget("napari-semantic-sam", "Semantic-SAM")
    panel.model.setCurrentText(model)
    panel.start()
    wait(lambda: panel.annotator.session is not None, "the image to be embedded")
    return viewer, panel


def click(panel: SemanticSamPanel, place: tuple[float, float]) -> None:
    """Click on the image, ``(y, x)`` in pixels, and wait for the masks."""
    annotator = panel.annotator
    annotator.clicks.add(place)
    wait(lambda: annotator.session.current.candidates is not None, "the masks of a click")


def unfold(panel: SemanticSamPanel, *sections: str) -> None:
    """Open some sections of the panel, and fold all others away."""
    for name, section in panel.sections.items():
        section.set_open(name in sections)
    settle()


def save(viewer: napari.Viewer, output: Path) -> None:
    """Save a picture of the window."""
    settle()
    picture = Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False))
    small = picture.convert("RGB").quantize(
        COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
    )
    with atomic_path(output) as temporary:
        small.save(temporary, optimize=True)


def wait(condition: Callable[[], bool], for_what: str) -> None:
    """Let Qt work until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {for_what}")
        QApplication.processEvents()


def settle() -> None:
    """Let Qt lay out and draw."""
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.02)
