"""The layers of a picture: how they are made, found and placed. Known by metadata, not name."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels, Layer
from napari.utils.events import EventEmitter

from napari_semantic_sam.inference.label_chunks import ChunkedLabels, Stored
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow, to_columns
from napari_semantic_sam.widgets.frame import Coordinates, Frame
from napari_semantic_sam.widgets.large_labels import Labels as LargeLabels
from napari_semantic_sam.widgets.large_labels import large_labels
from napari_semantic_sam.widgets.tables import (
    BOXES,
    CLICKS,
    LAYER_NAMES,
    LEVEL_LAYER_NAME,
    METADATA_KEY,
)

_NAMES = ("object", "part")
_PLACEMENT = ("scale", "translate", "rotate", "shear")


def record_of(layer: Layer) -> Mapping[str, Any]:
    """Return what this package noted in a layer's metadata; empty if it is not ours."""
    record = layer.metadata.get(METADATA_KEY)
    return record if isinstance(record, Mapping) else {}


def pictures(layers: Iterable[Layer]) -> list[Image]:
    """Return the image layers a user can choose from."""
    return [layer for layer in layers if isinstance(layer, Image) and not record_of(layer)]


def identity(image: Image) -> dict[str, str]:
    """Return what our layers note of their image; the name is for people, the id decides."""
    return {"image": image.name, "image_id": str(image.unique_id)}


def belongs_to(layer: Layer, image: Image) -> bool:
    """Whether a layer is ours and of an image; one without id, as from a file, goes by name."""
    own, record = identity(image), record_of(layer)
    key = "image_id" if "image_id" in record else "image"
    return record.get(key) == own[key]


def place(layer: Layer, image: Image, frame: Frame, origin: Coordinates | None = None) -> None:
    """Put a layer where an image is, pixel on pixel; see `Frame.placement`."""
    for name, value in frame.placement(image, origin).items():
        # Whatever is set, napari looks at all layers again, even if it was so before.
        if not _is_same(getattr(layer, name), value):
            setattr(layer, name, value)


def _is_same(present: Any, wanted: Any) -> bool:
    if isinstance(wanted, np.ndarray):
        return np.array_equal(getattr(present, "affine_matrix", present), wanted)
    return bool(present == wanted)


def placement_events(image: Image) -> list[EventEmitter]:
    """Return what an image emits when it is moved, turned or scaled."""
    return [getattr(image.events, name) for name in (*_PLACEMENT, "affine", "units")]


def tool_options(image: Image, role: str, frame: Frame) -> dict[str, Any]:
    """Return name, metadata and placement of a layer that serves a session."""
    return {
        "name": LAYER_NAMES[role].format(image=image.name),
        "metadata": {METADATA_KEY: {**identity(image), "role": role}},
        **frame.placement(image),
    }


def find_tool(layers: Sequence[Layer], image: Image, role: str) -> Layer | None:
    """Return a layer that served an earlier session on an image, or on one that is gone.

    Prompts of an image that is gone are emptied. (After a Points or Shapes layer was removed,
    some OpenGL drivers crash in vispy, so layers are hidden and used again instead.)
    """
    ours = [
        layer
        for layer in layers
        if record_of(layer).get("role") == role and layer.ndim == image.ndim
    ]
    for layer in ours:
        if belongs_to(layer, image):
            return layer
    present = pictures(layers)
    orphans = [layer for layer in ours if not any(belongs_to(layer, each) for each in present)]
    if not orphans:
        return None
    if not isinstance(orphans[0], Image):  # a preview is drawn anew anyway
        orphans[0].data = []
    old = record_of(orphans[0])["image"]
    note(orphans[0], {"image_id": identity(image)["image_id"]})
    rename_image(orphans[:1], image, old)
    return orphans[0]


def level_layer(
    image: Image, level: int, data: Stored, frame: Frame, *, visible: bool = True
) -> Labels:
    """Return a layer for the labels of one level, which it shares.

    Parameters
    ----------
    image : Image
    level : int
    data : integer array, or labels in blocks
        An array has the axes of the layer, see `Frame.in_layer`.
    frame : Frame
    visible : bool, optional
        A layer that is shown later is inserted sooner.
    """
    axes = {"axes": frame.letters(image.axis_labels)} if frame.ndim > 2 else {}
    options: dict[str, Any] = {
        "name": LEVEL_LAYER_NAME.format(image=image.name, level=level),
        "opacity": 0.5,  # nested labels and the image stay visible
        "metadata": {METADATA_KEY: {**identity(image), "level": level, **axes}},
        "visible": False,  # else napari draws it now, with other colours, and when it is inserted
        **frame.placement(image),
    }
    if isinstance(data, ChunkedLabels):
        layer: Labels = large_labels(data, frame, **options)
    else:
        layer = Labels(data, **options)
    layer.new_colormap(seed=level)  # label 1 of two levels must not look the same
    layer.visible = visible
    return layer


def level_layers(
    layers: Iterable[Layer], image: Image, shape: tuple[int, ...]
) -> dict[int, Labels]:
    """Return the level layers of an image whose data have a shape, by level."""
    return dict(all_level_layers(layers, image, shape))


def all_level_layers(
    layers: Iterable[Layer], image: Image, shape: tuple[int, ...]
) -> Iterator[tuple[int, Labels]]:
    """Yield level and layer as `level_layers`, also several layers of one level."""
    for layer in layers:
        level = record_of(layer).get("level")
        if not isinstance(layer, Labels) or not belongs_to(layer, image):
            continue
        if not isinstance(level, Integral) or level < 1:
            continue
        # A level layer may have been given other data, which cannot be shared.
        if isinstance(layer, LargeLabels):
            is_known = layer.shows_pyramid
        else:
            is_known = isinstance(layer.data, np.ndarray)
        if is_known and layer.data.shape == shape:
            yield int(level), layer


def note(layer: Layer, facts: Mapping[str, Any]) -> None:
    """Add facts to our record in a layer's metadata."""
    layer.metadata[METADATA_KEY] = {**record_of(layer), **facts}


def show_rows(layer: Labels, rows: Iterable[LabelRow]) -> None:
    """Make rows of facts a level layer's features; columns of the user's own stay."""
    listed, old = list(rows), layer.features
    columns: dict[str, Any] = dict(to_columns(listed))
    own = [name for name in old.columns if name not in COLUMNS]
    if own and "index" in old.columns:
        known = old.drop_duplicates("index").set_index("index")[own]
        columns |= {name: known[name].reindex(columns["index"]).tolist() for name in own}
    layer.features = columns


def rows_in(layer: Labels) -> list[LabelRow]:
    """Return the rows of facts in a level layer's features; none if they were replaced."""
    table = layer.features
    if not set(COLUMNS) <= set(table.columns):
        return []
    listed = table[list(COLUMNS)].to_dict("records")
    rows = [LabelRow(**{name: _READ[name](row[name]) for name in COLUMNS}) for row in listed]
    return [row for row in rows if row.index > 0]


def _text(value: Any, missing: str = "") -> str:
    return missing if value is None or value != value else str(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _whole(value: Any) -> int:
    if isinstance(value, int):  # exact, which a float is not beyond 2 ** 53
        return value
    number = _number(value)
    return int(number) if math.isfinite(number) else 0


_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_NAMES, _text),
    **dict.fromkeys(("object_score", "part_score", "predicted_iou", "stability"), _number),
    **dict.fromkeys(("index", "level", "area", "parent_level", "parent"), _whole),
    "source": partial(_text, missing="painted"),
}
"""What makes a fact of whatever a user has written into a column."""


def insert_quietly(layers: LayerList, index: int, layer: Layer) -> None:
    """Insert a layer and leave the selection as it was, which napari does not."""
    active, selected = layers.selection.active, set(layers.selection)
    layers.insert(index, layer)
    layers.selection.active = active
    layers.selection.update(selected)


def put_on_top(layers: LayerList, layer: Layer, below: Collection[str] = ()) -> None:
    """Make a layer the uppermost one, adding it if need be.

    Parameters
    ----------
    layers : LayerList
    layer : Layer
    below : collection of str, optional
        The roles of layers that stay above it if they are.
    """
    if layer not in layers:
        insert_quietly(layers, len(layers), layer)
    elif any(
        record_of(each).get("role") not in below for each in layers[layers.index(layer) + 1 :]
    ):
        layers.move(layers.index(layer), len(layers))


def index_below_prompts(layers: Sequence[Layer], image: Image) -> int:
    """Where a new preview belongs."""
    return _lowest(layers, image, lambda record: record.get("role") in (CLICKS, BOXES))


def index_below_finer(layers: Sequence[Layer], image: Image, level: int) -> int:
    """Where a new level layer belongs: below finer levels, the preview and the prompts."""
    return _lowest(layers, image, lambda record: record.get("level", level + 1) > level)


def _lowest(
    layers: Sequence[Layer], image: Image, wanted: Callable[[Mapping[str, Any]], bool]
) -> int:
    for index, layer in enumerate(layers):
        if belongs_to(layer, image) and wanted(record_of(layer)):
            return index
    return len(layers)


def rename_image(layers: Iterable[Layer], image: Image, old: str) -> None:
    """Let the layers of an image follow its new name; names the user gave them stay."""
    own = identity(image)
    for layer in layers:
        record = record_of(layer)
        if record.get("image") == old and record.get("image_id") in (None, own["image_id"]):
            note(layer, {"image": image.name})
            pattern = LAYER_NAMES.get(record.get("role", ""), LEVEL_LAYER_NAME)
            level = record.get("level")
            if layer.name == pattern.format(image=old, level=level):
                layer.name = pattern.format(image=image.name, level=level)
