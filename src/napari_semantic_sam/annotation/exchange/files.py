"""Label files by their endings: the doors for scripts, the panel and napari."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_semantic_sam.annotation.exchange import coco, geojson, tiff
from napari_semantic_sam.annotation.exchange.document import Document, check_shape
from napari_semantic_sam.annotation.exchange.rows import MALFORMED
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path, read_json

COCO_SUFFIX = ".json"
GEOJSON_SUFFIX = ".geojson"
WRITTEN = (*tiff.SUFFIXES, COCO_SUFFIX, GEOJSON_SUFFIX)
"""Endings of the files that can be written."""


def write_labels_file(document: Document, path: str | Path) -> list[Path]:
    """Write labels in the format that a file's ending tells.

    Parameters
    ----------
    document : Document
    path : str or Path
        ``.ome.tif`` or ``.tif`` for a label image with a table beside it (``a.labels.csv``),
        ``.json`` for COCO, ``.geojson`` for QuPath.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    UserError
        If the ending is another one or its format has no stacks, there are no levels or
        negative labels, or a file cannot be written.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(WRITTEN):
        raise UserError(f"{path} has an ending that is not known; use {', '.join(WRITTEN)}.")
    _check(document)
    if document.stack and not name.endswith(tiff.SUFFIXES):
        raise UserError(
            f"{path} cannot hold the labels of a stack; save them as .tif or .ome.tif instead."
        )
    whole = document.completed()
    if name.endswith(tiff.SUFFIXES):
        return tiff.write_tiff(whole, path)
    data = geojson.to_geojson(whole) if name.endswith(GEOJSON_SUFFIX) else coco.to_coco(whole)
    with atomic_path(path) as temporary:
        # Other letters than those of ASCII as escapes: older QuPath guesses the encoding.
        temporary.write_text(json.dumps(data, allow_nan=False), "ascii")
    return [path]


def read_labels_file(
    path: str | Path, *, shape: tuple[int, int] | None = None, image: str = ""
) -> Document:
    """Read labels, from this package or from other programs.

    Parameters
    ----------
    path : str or Path
        A label image (TIFF, with its table if there is one), a table (``a.labels.csv`` or
        ``a_masks.csv`` of the batch command, with its label images), COCO JSON or GeoJSON.
    shape : (H, W), optional
        Of the picture the labels belong to. Needed for GeoJSON of other programs, which does
        not tell; labels of another size are refused.
    image : str, optional
        Name of that picture, which decides if a COCO file describes several.

    Returns
    -------
    Document
        Objects of other programs are put into levels by nesting; see `nesting.assemble`.

    Raises
    ------
    UserError
        If the file cannot be read, does not hold labels, or does not fit the picture.
    """
    path = Path(path)
    name = path.name.lower()
    try:
        if name.endswith((COCO_SUFFIX, GEOJSON_SUFFIX)):
            document = _from_json(read_json(path), path, shape, image)
        else:
            document = (tiff.read_table if name.endswith(".csv") else tiff.read_tiff)(path)
    except MemoryError as error:
        raise UserError(f"The labels in {path} do not fit into memory.") from error
    except MALFORMED as error:
        raise UserError(f"{path} is damaged ({error}); export it again.") from error
    if not document.levels:
        raise UserError(f"{path} holds no labels.")
    check_shape(path, document.shape, shape)
    return document


def _from_json(data: Any, path: Path, shape: tuple[int, int] | None, image: str) -> Document:
    if isinstance(data, dict) and "annotations" in data:
        return coco.from_coco(data, path, shape, image)
    kind = data.get("type") if isinstance(data, dict) else None
    listed = isinstance(data, list) and all(isinstance(each, dict) for each in data)
    if kind == "FeatureCollection" or kind == "Feature" or (listed and data):
        return geojson.from_geojson(data, path, shape, image)
    raise UserError(
        f"{path} holds neither COCO annotations nor GeoJSON features; choose a file with labels."
    )


def _check(document: Document) -> None:
    if not document.levels:
        raise UserError("There are no labels to write; keep a mask first.")
    for level, array in document.levels.items():
        if array.min(initial=0) < 0:
            raise UserError(
                f"The labels of level {level} have negative numbers, which label files cannot "
                "hold; number them from 1 on."
            )
