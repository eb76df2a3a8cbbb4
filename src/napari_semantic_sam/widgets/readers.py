"""File › Open: files with labels as Labels layers that the panel takes over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Image, Labels
from napari.utils.notifications import show_warning

from napari_semantic_sam.annotation.exchange import Document, read_labels_file
from napari_semantic_sam.inference.level_labels import to_columns
from napari_semantic_sam.widgets.frame import Frame, fitting_frame
from napari_semantic_sam.widgets.layers import identity, pictures
from napari_semantic_sam.widgets.tables import LEVEL_LAYER_NAME, METADATA_KEY

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]]:
    """Return what reads files with labels; those that hold none are refused while reading."""
    return read


def read(path: Paths) -> list[LayerData]:
    """Read one or several files as Labels layers, one per level, the coarsest first.

    The layers belong to the open image that the file names. If it names none, they belong to
    the selected image, as long as its size is the same.

    Raises
    ------
    UserError
        If a file cannot be read, or does not fit the image it belongs to.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for each in paths for layer in _read_one(Path(each))]


def _read_one(path: Path) -> list[LayerData]:
    selected = _selected_picture()
    document = read_labels_file(path, image=selected.name if selected else "")
    if selected is not None and not document.sized:
        document = read_labels_file(path, shape=_shape(selected), image=selected.name)
    if document.notes:
        show_warning(f"{path.name}: {' '.join(document.notes)}")
    picture = _picture_of(document, selected)
    return [_layer(document, level, picture, path) for level in sorted(document.levels)]


def _open_pictures() -> list[Image]:
    viewer = napari.current_viewer()
    return [] if viewer is None else pictures(viewer.layers)


def _selected_picture() -> Image | None:
    """Return the selected image, or the only one."""
    found = _open_pictures()
    viewer = napari.current_viewer()
    if viewer is not None and viewer.layers.selection.active in found:
        return viewer.layers.selection.active
    return found[0] if len(found) == 1 else None


def _shape(picture: Image) -> tuple[int, int]:
    data = picture.data[0] if picture.multiscale else picture.data
    height, width = data.shape[-3:-1] if picture.rgb else data.shape[-2:]
    return int(height), int(width)


def _frame(picture: Image, document: Document) -> Frame | None:
    """Return how a picture has the planes of labels; None if it has not."""
    return fitting_frame(picture, document.stack, document.shape)


def _picture_of(document: Document, selected: Image | None) -> Image | None:
    """Return the open image that labels belong to."""
    fitting = [each for each in _open_pictures() if _frame(each, document) is not None]
    if document.image:
        return next((each for each in fitting if each.name == document.image), None)
    return selected if selected in fitting else None


def _layer(document: Document, level: int, picture: Image | None, path: Path) -> LayerData:
    frame = None if picture is None else _frame(picture, document)
    labels, axes = document.levels[level], f"{document.axes}YX"
    if picture is None or frame is None:
        owner: dict[str, str] = {"image": document.image or path.name.partition(".")[0]}
        place = _scale(document)
    else:
        owner, place = identity(picture), frame.placement(picture)
        labels, axes = frame.in_layer(labels), frame.letters(picture.axis_labels)
    model = {"checkpoint": document.checkpoint, "level_order": document.level_order}
    record = {**owner, "level": level, **(model if document.checkpoint else {})}
    record |= {"axes": axes} if labels.ndim > 2 else {}
    layer = Labels(
        labels,
        name=document.names.get(level) or LEVEL_LAYER_NAME.format(**record),
        features=to_columns(document.rows[level]),
        opacity=0.5,  # nested labels and the image stay visible
        metadata={METADATA_KEY: record},
        **place,
    )
    layer.new_colormap(seed=level)  # label 1 of two levels must not look the same
    return layer.as_layer_data_tuple()


def _scale(document: Document) -> dict[str, Any]:
    if document.pixel_size is None:
        return {}
    unit, steps = document.unit or "pixel", document.steps or (1.0,) * len(document.stack)
    scale = (*steps, *document.pixel_size)
    return {"scale": scale, "units": (unit,) * len(scale)}
