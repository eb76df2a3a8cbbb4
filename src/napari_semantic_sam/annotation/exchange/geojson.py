"""Labels as GeoJSON for QuPath: polygons along pixel edges, with holes.

Coordinates are ``(x, y)`` in pixels from the top left corner of the picture, as QuPath has
them. Name, class, measurements and metadata of an annotation survive a round through QuPath
and other properties do not, so the facts about a label are there.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from napari_semantic_sam.annotation.exchange.document import (
    RECORD,
    Document,
    check_inside,
    check_shape,
    header_of,
    parse_header,
)
from napari_semantic_sam.annotation.exchange.nesting import MaskedObject, assemble, objects_of
from napari_semantic_sam.annotation.exchange.outlines import outline
from napari_semantic_sam.annotation.exchange.rows import MALFORMED, row_from
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.polygons import Points, fill

_Polygons = list[list[Points]]
_SUBCLASS = ": "
_ADDRESS = ("level", "index", "parent_level", "parent")
_MEASUREMENTS = (*_ADDRESS, "predicted_iou", "stability", "object_score", "part_score")


def to_geojson(document: Document) -> dict[str, Any]:
    """Return a document as a collection of QuPath annotations.

    An annotation's class is the object name and its name the part name; of an object name
    that cannot be a class as it is, the metadata has the wording. The numbers of the row are
    measurements (NaN is left out), `source` is metadata. `level`, `index` and
    `parent_id`, the id of the parent's feature, are properties besides. Areas are left to
    the reader, who may have changed the outline.
    """
    drawn = list(objects_of(document))
    ids = {(each.row.level, each.row.index): _identifier(document, each.row) for each in drawn}
    features = [_feature(each, ids) for each in drawn]
    return {"type": "FeatureCollection", RECORD: header_of(document), "features": features}


def _identifier(document: Document, row: LabelRow) -> str:
    """Return an id as QuPath wants it, the same at every export."""
    name = f"napari-semantic-sam/{document.image}/{row.level}/{row.index}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _feature(drawn: MaskedObject, ids: Mapping[tuple[int, int], str]) -> dict[str, Any]:
    row = drawn.row
    numbers = {name: value for name, value in asdict(row).items() if name in _MEASUREMENTS}
    properties: dict[str, Any] = {
        "objectType": "annotation",
        "level": row.level,
        "index": row.index,
        "parent_id": ids.get((row.parent_level, row.parent)),
        "measurements": {name: value for name, value in numbers.items() if math.isfinite(value)},
        "metadata": {"source": row.source},
    }
    classes = _classes(row.object)
    if classes:
        names = {"name": classes[0]} if len(classes) == 1 else {"names": classes}
        properties["classification"] = names
    if _SUBCLASS.join(classes) != row.object:
        properties["metadata"]["object"] = row.object
    if row.part:
        properties["name"] = row.part
    polygons = outline(drawn.mask.crop, drawn.mask.box[:2])
    geometry = (
        {"type": "Polygon", "coordinates": polygons[0]}
        if len(polygons) == 1
        else {"type": "MultiPolygon", "coordinates": polygons}
    )
    return {
        "type": "Feature",
        "id": ids[row.level, row.index],
        "geometry": geometry,
        "properties": properties,
    }


def _classes(name: str) -> list[str]:
    """Return a name as class, subclass and so on, as QuPath understands colons.

    It refuses a file with a class of which a single name has a colon or a line break, or is
    blank.
    """
    return [" ".join(each.split()) for each in name.split(":") if each.strip()]


def from_geojson(data: Any, path: Path, shape: tuple[int, int] | None, image: str) -> Document:
    """Read GeoJSON, ours or QuPath's.

    Parameters
    ----------
    data : parsed JSON
        A collection of features, a feature, or a list of features.
    path : Path
        For messages.
    shape : (H, W), optional
        Of the picture. Without it, and if the file does not tell, the picture ends where the
        last outline does.
    image : str
        Name of the picture, for files that do not tell.

    Raises
    ------
    UserError
        If it is damaged, of a picture of another size, or has outlines outside of it.
    """
    header = parse_header(data.get(RECORD) if isinstance(data, dict) else None, path)
    if header.shape is not None:
        check_shape(path, header.shape, shape)
    notes: list[str] = []
    found = list(_outlines(_features(data), path, notes))
    size = header.shape or shape or _extent([polygons for polygons, _ in found])
    objects = [each for polygons, row in found for each in _drawn(polygons, row, size, path)]
    if len(objects) < len(found):
        lost = len(found) - len(objects)
        notes.append(f"Objects smaller than a pixel that were left out: {lost}.")
    facts = {"image": image, **header.facts, "sized": bool(header.shape or shape)}
    return assemble(objects, size, header, facts, notes)


def _features(data: Any) -> list[Any]:
    if isinstance(data, list):
        return list(_with_children(data))
    features = data["features"] if data.get("type") == "FeatureCollection" else [data]
    return list(_with_children(features))


def _with_children(features: Sequence[Any]) -> Iterator[Any]:
    """Yield features and those that QuPath's export of a hierarchy nests in them."""
    for feature in features:
        yield feature
        properties = feature.get("properties") if isinstance(feature, dict) else None
        children = properties.get("childObjects") if isinstance(properties, dict) else None
        if isinstance(children, list):
            yield from _with_children(children)


def _outlines(
    features: Sequence[Any], path: Path, notes: list[str]
) -> Iterator[tuple[_Polygons, LabelRow]]:
    lines = 0
    for number, feature in enumerate(features, start=1):
        try:
            properties = feature.get("properties") or {}
            polygons = _polygons(feature["geometry"])
            row = _row(properties)
            nucleus = feature.get("nucleusGeometry")  # of a cell that QuPath detected
            inner = _polygons(nucleus) if nucleus else []
        except MALFORMED as error:
            raise UserError(
                f"Object {number} in {path} is damaged ({error}); export it again."
            ) from error
        lines += not polygons
        if polygons:
            yield polygons, row
        if inner:
            yield inner, LabelRow(0, 0, object=row.object, part="nucleus", parent_level=-1)
    if lines:
        notes.append(f"Points and lines that were left out: {lines}.")


def _polygons(geometry: Mapping[str, Any]) -> _Polygons:
    """Return the polygons of a geometry as rings of points; none of points and lines."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return [each for part in geometry["geometries"] for each in _polygons(part)]
    if kind not in ("Polygon", "MultiPolygon"):
        return []
    coordinates = geometry["coordinates"]
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return [
        [
            np.array([point[:2] for point in ring], dtype=np.float64).reshape(len(ring), 2)
            for ring in rings
        ]
        for rings in polygons
        if rings
    ]


def _row(properties: Mapping[str, Any]) -> LabelRow:
    classification = properties.get("classification") or {}
    classes = classification.get("names") or [classification.get("name") or ""]
    object_, part = _SUBCLASS.join(map(str, classes)), properties.get("name") or ""
    measured = properties.get("measurements") or {}
    if isinstance(measured, list):  # as QuPath wrote them before version 0.4
        measured = {each["name"]: each["value"] for each in measured}
    if not set(_ADDRESS) <= measured.keys():
        return row_from({"object": object_ or part, "part": part if object_ else ""})
    metadata = properties.get("metadata") or {}
    wording = str(metadata.get("object", ""))
    if _SUBCLASS.join(_classes(wording)) == object_:  # nobody gave it another class
        object_ = wording or object_
    numbers = {name: measured.get(name) for name in _MEASUREMENTS}
    return row_from({**numbers, "object": object_, "part": part, "source": metadata.get("source")})


def _extent(outlines: Sequence[_Polygons]) -> tuple[int, int]:
    rings = [ring for polygons in outlines for rings in polygons for ring in rings]
    width, height = np.max([ring.max(axis=0) for ring in rings], axis=0) if rings else (1, 1)
    return max(math.ceil(height), 1), max(math.ceil(width), 1)


def _drawn(
    polygons: _Polygons, row: LabelRow, shape: tuple[int, int], path: Path
) -> Iterator[MaskedObject]:
    check_inside([ring for rings in polygons for ring in rings], shape, path)
    mask = fill(polygons, shape)
    if mask.area:
        yield MaskedObject(mask, row)
