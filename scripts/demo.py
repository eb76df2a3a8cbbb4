"""The plugin at work on an immunohistochemistry image that comes with scikit-image.

With a display, napari opens with the panel and the clicks in place. Without one, the same
clicks are answered on the command line: ``demo/`` receives the label images, their table and a
picture of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap import has_display
from napari_semantic_sam.errors import UserError

if TYPE_CHECKING:
    from napari import Viewer

SAMPLE = "ihc"
CLICKS = ((366.0, 308.0), (180.0, 307.0), (112.0, 424.0), (427.0, 130.0), (355.0, 185.0))
"""Nuclei, ``(y, x)``: four in the glands of a colon, one in the tissue between them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demonstration that this computer can show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="name or path of a checkpoint")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder, without display")
    options = parser.parse_args(arguments)
    try:
        if has_display():
            open_napari(options.model)
        else:
            write_files(options.model, options.output)
    except UserError as error:
        sys.exit(str(error))


def open_napari(model: str) -> None:
    """Show the sample in napari until its window is closed."""
    import napari

    place_clicks(napari.Viewer(), model)
    napari.run()


def place_clicks(viewer: Viewer, model: str) -> None:
    """Open sample and panel, and click as soon as the image is embedded."""
    viewer.open_sample("napari-semantic-sam", SAMPLE)
    _, panel = viewer.window.add_plugin_dock_widget("napari-semantic-sam", "Semantic-SAM")
    annotator = panel.annotator

    def click() -> None:
        if annotator.clicks is not None:
            annotator.changed.disconnect(click)
            for place in CLICKS:
                annotator.next_object()
                annotator.clicks.add(place)

    annotator.changed.connect(click)
    annotator.start(annotator.images[0], model, "auto")


def write_files(model: str, output: Path) -> None:
    """Segment the sample and leave label images, table and picture in `output`.

    Raises
    ------
    UserError
        If the model cannot be loaded or the folder cannot be written to.
    """
    import skimage.data
    from PIL import Image

    from demo_picture import draw_picture
    from napari_semantic_sam import Predictor, load_model
    from napari_semantic_sam.batch.segment import segment_files
    from napari_semantic_sam.io.files import atomic_path, make_folder
    from napari_semantic_sam.io.images import read_labels

    image = skimage.data.immunohistochemistry()
    sample = make_folder(output) / f"{SAMPLE}.png"
    with atomic_path(sample) as temporary:
        Image.fromarray(image).save(temporary)
    predictor = Predictor(load_model(model))
    (report,) = segment_files([sample], predictor, CLICKS, [], output)
    if report.error:
        raise UserError(report.error)
    levels = {
        level: read_labels(output / f"{SAMPLE}_level{level}.tif") for level in predictor.levels
    }
    picture = output / f"{SAMPLE}_nested_masks.png"
    with atomic_path(picture) as temporary:
        draw_picture(image, levels, CLICKS).save(temporary)
    print(f"{len(CLICKS)} clicks gave {report.masks} masks on {len(levels)} levels.")
    for path in (picture, *report.files):
        print(f"  {path}")


if __name__ == "__main__":
    main()
