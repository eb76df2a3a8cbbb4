"""Take the picture of the panel in the documentation: a click, two levels kept.

Needs a display; ``make screenshot`` gives it a virtual one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.widgets.panel import SemanticSamPanel

CLICKS = ((352.0, 266.0), (427.0, 353.0), (112.0, 424.0), (180.0, 307.0), (269.0, 62.0))
LEVELS = (3, 5)
"""Where the masks of every click are kept."""
SIZE = (1280, 720)
PATIENCE = 120.0
"""Seconds to wait for the model before giving up."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Open napari, annotate the sample, save the window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="a name of the panel's list of models")
    parser.add_argument("--output", type=Path, default=Path("docs/images/panel.png"))
    options = parser.parse_args(arguments)

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-semantic-sam", "ihc")
    _, panel = viewer.window.add_plugin_dock_widget("napari-semantic-sam", "Semantic-SAM")
    panel.model.setCurrentText(options.model)
    annotate(panel)
    viewer.reset_view(margin=0.02)
    settle()
    picture = Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False))
    with atomic_path(options.output) as temporary:
        picture.convert("RGB").save(temporary)
    viewer.close()


def annotate(panel: SemanticSamPanel) -> None:
    """Click on structures, keep those of two levels, and go back to one in between."""
    annotator = panel.annotator
    panel.start()
    wait(lambda: annotator.session is not None, "the image to be embedded")
    session, clicks = annotator.session, annotator.clicks
    for click in CLICKS:
        clicks.add(click)
        wait(lambda: session.current.candidates is not None, "the candidates of a click")
        for index, candidate in enumerate(session.current.candidates):
            if candidate.level in LEVELS:
                annotator.show(index)
                annotator.keep()
    annotator.show(len(session.current.candidates) // 2)


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


if __name__ == "__main__":
    main()
