"""Take the picture of automatic segmentation in the documentation: a run, and its tree.

Needs a display: ``xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshot_automatic.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from napari_semantic_sam.widgets.panel import SemanticSamPanel
from screenshots import open_panel, save, settle, unfold, wait

LEVELS = (3, 5)
QUALITY = -3
"""Of the slider: a little to the left, for objects that the model is less sure of."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Open napari, segment the whole sample, save the window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="a name of the panel's list of models")
    parser.add_argument("--sample", default="ihc", help="a name of our list of samples")
    parser.add_argument("--output", type=Path, default=Path("docs/images/automatic.png"))
    options = parser.parse_args(arguments)

    viewer, panel = open_panel(options.sample, options.model)
    segment(panel)
    show_tree(panel)
    viewer.reset_view(margin=0.02)
    save(viewer, options.output)
    viewer.close()


def segment(panel: SemanticSamPanel) -> None:
    """Look for all objects of some levels."""
    form = panel.automatic.form
    for level, box in enumerate(form.levels, 1):
        box.setChecked(level in LEVELS)
    form.quality.setValue(QUALITY)
    form.run_button.click()
    wait(lambda: panel.annotator.automatic.progress is None, "the run to end")


def show_tree(panel: SemanticSamPanel) -> None:
    """Unfold the form and the tree, with an object that contains others."""
    unfold(panel, "automatic", "review")
    panel.sections["review"].content.setCurrentWidget(panel.tree)
    settle()
    view = panel.tree.view
    fullest = max(view.tree.children, key=lambda node: len(view.tree.children[node]), default=None)
    if fullest is not None:
        view.expand(view.model().place(fullest))
        view.select([fullest])
        view.scrollTo(view.model().place(fullest))


if __name__ == "__main__":
    main()
