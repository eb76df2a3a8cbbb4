"""Take the pictures of the story in docs/annotate.md: from a click to a tree of kept objects.

Needs a display: ``xvfb-run -a -s "-screen 0 1280x720x24" python scripts/screenshots_annotate.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_semantic_sam.widgets.panel import SemanticSamPanel
from screenshots import click, open_panel, save, unfold

COINS = ((45.0, 160.0), (45.0, 100.0))
KEPT = (4, 6)
"""Levels in which they are kept."""

CORRECTED, NOT_OF_IT = (125.0, 45.0), (138.0, 45.0)
"""A click on another coin, and a negative one on its lower part."""

CENTRE, ZOOM = (100.0, 110.0), 3.2
"""The view: what is in the middle, and how many screen pixels a pixel of the image has."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Open napari, annotate the sample, save the window at every step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="a name of the panel's list of models")
    parser.add_argument("--output", type=Path, default=Path("docs/images"), help="a folder")
    options = parser.parse_args(arguments)

    viewer, panel = open_panel("coins", options.model)
    unfold(panel, "prompts", "candidates")
    camera = viewer.scene.camera
    camera.center, camera.zoom = CENTRE, ZOOM
    for number, name in enumerate(story(panel), 1):
        save(viewer, options.output / f"annotate-{number}-{name}.png")
    viewer.close()


def story(panel: SemanticSamPanel) -> Iterator[str]:
    """Do the task, and stop with a name wherever there is something to see."""
    annotator = panel.annotator
    click(panel, COINS[0])
    yield "click"
    annotator.finer()
    yield "finer"
    keep_levels(panel)
    click(panel, COINS[1])
    keep_levels(panel)
    yield "kept"
    click(panel, CORRECTED)
    annotator.flip_sign()
    click(panel, NOT_OF_IT)
    yield "correction"
    annotator.keep()
    unfold(panel, "review")
    panel.sections["review"].content.setCurrentWidget(panel.tree)
    panel.tree.view.expandAll()
    yield "tree"


def keep_levels(panel: SemanticSamPanel) -> None:
    """Mark the masks of some levels, and keep them together."""
    annotator = panel.annotator
    levels = [each.level for each in annotator.session.current.candidates]
    chosen = [index for index, level in enumerate(levels) if level in KEPT]
    for index in chosen:
        annotator.mark(index, on=True)
    annotator.show(chosen[0])
    annotator.keep()


if __name__ == "__main__":
    main()
