"""File › Save: Labels layers as files that other programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_semantic_sam.annotation.exchange import Document, write_labels_file
from napari_semantic_sam.annotation.exchange.files import WRITTEN
from napari_semantic_sam.annotation.exchange.rows import MALFORMED, row_from
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow
from napari_semantic_sam.widgets.tables import METADATA_KEY

LayerData = tuple[Any, dict[str, Any], str]


def write_tiff(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write Labels layers as a label image with a table beside it."""
    return _write(path, layers, ".labels.ome.tif")


def write_coco(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write Labels layers as COCO JSON."""
    return _write(path, layers, ".json")


def write_geojson(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write Labels layers as GeoJSON for QuPath."""
    return _write(path, layers, ".geojson")


def _write(path: str, layers: Sequence[LayerData], suffix: str) -> list[str]:
    # The dialog hands over what the user typed, which may lack the ending.
    whole = path if path.lower().endswith(WRITTEN) else path + suffix
    return [str(written) for written in write_labels_file(document_of(layers), Path(whole))]


def document_of(layers: Sequence[LayerData]) -> Document:
    """Return the labels of layers as a document.

    Parameters
    ----------
    layers : sequence of (data, options, "labels")
        As napari hands them to writers. Those that are not ours get the levels that are
        free, in their order.

    Raises
    ------
    UserError
        If they do not lie over one plane, or several are the same level of an image.
    """
    records = [options.get("metadata", {}).get(METADATA_KEY, {}) for _, options, _ in layers]
    ours = [record for record in records if "level" in record]
    numbers = _levels(records)
    names = {level: options["name"] for level, (_, options, _) in zip(numbers, layers, strict=True)}
    if len(names) < len(numbers) or len({record.get("image") for record in ours}) > 1:
        raise UserError(
            "The selected layers belong to different images or share a level; select only the "
            "layers of one image."
        )
    axes = [_axes(layer, record) for layer, record in zip(layers, records, strict=True)]
    arrays = {
        level: _labels(layer, each)
        for level, layer, each in zip(numbers, layers, axes, strict=True)
    }
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1:
        raise UserError(
            "The selected layers have different sizes; select only the layers of one image."
        )
    rows = {level: _rows(layer, level) for level, layer in zip(numbers, layers, strict=True)}
    model: Mapping[str, Any] = next((record for record in ours if record.get("checkpoint")), {})
    whole = shapes.pop()
    walked = [letter for letter in axes[0] if letter in "TZ"]
    return Document(
        whole[-2:],
        arrays,
        rows,
        image=ours[0].get("image", "") if ours else "",
        names=names,
        checkpoint=model.get("checkpoint", ""),
        level_order=tuple(model.get("level_order", ())),
        stack=whole[:-2],
        axes="".join(walked),
        **_pixel_size(layers[0][1], axes[0]),
    )


def _levels(records: Sequence[Mapping[str, Any]]) -> list[int]:
    taken = {record["level"] for record in records if "level" in record}
    free = iter(level for level in range(1, len(records) + len(taken) + 1) if level not in taken)
    return [record["level"] if "level" in record else next(free) for record in records]


def _axes(layer: LayerData, record: Mapping[str, Any]) -> str:
    """Return a letter for each axis of a layer; those of a stack are known of our layers only."""
    data, options, _ = layer
    ndim = np.ndim(data[0]) if options.get("multiscale") else data.ndim
    axes = str(record.get("axes", "YX"))
    if ndim != len(axes):
        raise UserError(
            f"“{options['name']}” has {ndim} dimensions; of layers that were not made in the "
            "panel, only planes can be saved with their table. Save it with napari's own "
            "“labels” format, as .tif."
        )
    return axes


def _labels(layer: LayerData, axes: str) -> LabelArray:
    """Return the labels of a layer: planes to walk first, then y and x."""
    data, options, _ = layer
    array = np.asarray(data[0] if options.get("multiscale") else data)
    order = [axes.index(letter) for letter in axes if letter in "TZ"]
    order += [axes.index(letter) for letter in "YXC" if letter in axes]
    turned = array.transpose(order)
    turned = turned[..., 0] if "C" in axes else turned
    return turned.astype(np.uint8) if turned.dtype == bool else turned


def _rows(layer: LayerData, level: int) -> list[LabelRow]:
    _, options, _ = layer
    table = options.get("features")
    if table is None or not set(COLUMNS) <= set(table.columns):
        return []
    plain = table.astype(object).where(table.notna(), None)
    try:
        rows = [replace(row_from(row), level=level) for row in plain.to_dict("records")]
    except MALFORMED as error:
        raise UserError(
            f"The features of “{options['name']}” are damaged ({error}); mend or remove them."
        ) from error
    return [row for row in rows if row.index > 0]


def _pixel_size(options: Mapping[str, Any], axes: str) -> dict[str, Any]:
    scale = {letter: float(side) for letter, side in zip(axes, options["scale"], strict=True)}
    unit = str(options["units"][axes.index("X")])
    steps = tuple(scale[letter] for letter in axes if letter in "TZ")
    if {scale[letter] for letter in axes if letter != "C"} == {1} and unit == "pixel":
        return {}
    return {"pixel_size": (scale["Y"], scale["X"]), "unit": unit, "steps": steps}
