"""Take the picture of the panel in the documentation: a click, two levels kept.

Needs a display; ``make screenshot`` gives it a virtual one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from napari_semantic_sam.widgets.panel import SemanticSamPanel
from screenshots import click, open_panel, save, unfold

CLICKS = ((352.0, 266.0), (112.0, 424.0), (269.0, 62.0))
LEVELS = (4, 5)
"""Where the masks of every click are kept."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Open napari, annotate the sample, save the window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="a name of the panel's list of models")
    parser.add_argument("--output", type=Path, default=Path("docs/images/panel.png"))
    options = parser.parse_args(arguments)

    viewer, panel = open_panel("ihc", options.model)
    unfold(panel, "source", "prompts", "candidates")
    annotate(panel)
    viewer.reset_view(margin=0.02)
    save(viewer, options.output)
    viewer.close()


def annotate(panel: SemanticSamPanel) -> None:
    """Click on structures, keep those of two levels, and go back to one in between."""
    annotator = panel.annotator
    for place in CLICKS:
        click(panel, place)
        for index, candidate in enumerate(annotator.session.current.candidates):
            if candidate.level in LEVELS:
                annotator.show(index)
                annotator.keep()
    annotator.show(len(annotator.session.current.candidates) // 2)


if __name__ == "__main__":
    main()
