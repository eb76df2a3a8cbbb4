"""Labels as COCO JSON: one picture, run-length masks, and a `parent_id` for nested objects.

Format: https://cocodataset.org/#format-data. What COCO has no place for is kept in fields of
our own, which other programs pass over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from napari_semantic_sam.annotation.exchange.document import (
    RECORD,
    Document,
    Header,
    check_inside,
    check_shape,
    header_of,
    parse_header,
)
from napari_semantic_sam.annotation.exchange.nesting import MaskedObject, assemble, objects_of
from napari_semantic_sam.annotation.exchange.rle import decode, encode
from napari_semantic_sam.annotation.exchange.rows import MALFORMED, plain, row_from
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.polygons import fill
from napari_semantic_sam.inference.results import CroppedMask


def to_coco(document: Document) -> dict[str, Any]:
    """Return a document as a COCO data set of one picture.

    The category of an object is its object name, else its part name, else "level k". An
    annotation has the columns of its row as fields, and as `parent_id` the id of its parent,
    null if it has none or the file does not hold it.
    """
    drawn = list(objects_of(document))
    ids = {(each.row.level, each.row.index): n for n, each in enumerate(drawn, start=1)}
    names = sorted({_category(each.row) for each in drawn})
    categories = {name: number for number, name in enumerate(names, start=1)}
    height, width = document.shape
    return {
        "info": {"description": "Labels by napari-semantic-sam", RECORD: header_of(document)},
        "images": [{"id": 1, "file_name": document.image, "height": height, "width": width}],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "annotations": [_annotation(each, ids, categories) for each in drawn],
    }


def _annotation(
    drawn: MaskedObject,
    ids: Mapping[tuple[int, int], int],
    categories: Mapping[str, int],
) -> dict[str, Any]:
    row, mask = drawn.row, drawn.mask
    y0, x0, y1, x1 = mask.box
    return {name: plain(value) for name, value in asdict(row).items()} | {
        "id": ids[row.level, row.index],
        "image_id": 1,
        "category_id": categories[_category(row)],
        "parent_id": ids.get((row.parent_level, row.parent)),
        "segmentation": {"size": list(mask.shape), "counts": encode(mask)},
        "area": mask.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }


def _category(row: LabelRow) -> str:
    return row.object or row.part or f"level {row.level}"


def from_coco(data: Any, path: Path, shape: tuple[int, int] | None, image: str) -> Document:
    """Read a COCO data set, ours or another program's.

    Parameters
    ----------
    data : parsed JSON
    path : Path
        For messages.
    shape : (H, W), optional
        Of the picture, where the file does not tell.
    image : str
        Name of the picture, which decides if the file has several.

    Raises
    ------
    UserError
        If it is damaged, of a picture of another size or of several, or names a category
        or picture that it does not list.
    """
    try:
        header = parse_header(_record(data), path)
        picture = _picture(data, path, image)
        found = _shape(picture, shape, path)
        categories = {each["id"]: str(each["name"]) for each in data.get("categories", ())}
        annotations = [
            each
            for each in data["annotations"]
            if "images" not in data or each.get("image_id") == picture["id"]
        ]
    except MALFORMED as error:
        raise UserError(f"{path} is not a COCO file that can be read: {error!r}.") from error
    check_shape(path, found, shape)
    notes: list[str] = []
    objects = _objects(annotations, categories, found, header, path, notes)
    facts = header.facts or {"image": _names(picture)[1]}
    return assemble(objects, found, header, facts, notes)


def _record(data: Mapping[str, Any]) -> Any:
    info = data.get("info")
    return info.get(RECORD) if isinstance(info, dict) else None


def _picture(data: Mapping[str, Any], path: Path, image: str) -> Mapping[str, Any]:
    """Return the entry of the one picture the labels are wanted of."""
    pictures: list[Mapping[str, Any]] = data["images"] if "images" in data else [data["image"]]
    if len(pictures) > 1 and image:
        named = [each for each in pictures if image in _names(each)]
        pictures = named or pictures
    if len(pictures) > 1:
        used = {each.get("image_id") for each in data["annotations"]}
        pictures = [each for each in pictures if each["id"] in used]
    if len(pictures) != 1:
        raise UserError(
            f"{path} describes {len(pictures)} pictures; open the one you want first, under the "
            "name it has in the file."
        )
    known = {each.get("id") for each in data.get("images", ())}
    strange = [each.get("image_id") for each in data["annotations"]]
    unknown = [each for each in strange if each not in known] if known else []
    if unknown:
        raise UserError(
            f"{path} has objects of picture {unknown[0]}, which it does not list; export it again."
        )
    return pictures[0]


def _names(picture: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of a picture's file with and without the ending, without folders."""
    path = PureWindowsPath(str(picture.get("file_name", "")))  # splits at both kinds of slashes
    return path.name, path.stem


def _shape(
    picture: Mapping[str, Any], shape: tuple[int, int] | None, path: Path
) -> tuple[int, int]:
    if "height" in picture and "width" in picture:
        return int(picture["height"]), int(picture["width"])
    if shape is None:
        raise UserError(f"{path} does not tell the size of its picture; open the picture first.")
    return shape


def _objects(
    annotations: list[Any],
    categories: Mapping[Any, str],
    shape: tuple[int, int],
    header: Header,
    path: Path,
    notes: list[str],
) -> Iterator[MaskedObject]:
    skipped = 0
    for number, annotation in enumerate(annotations, start=1):
        try:
            ours = bool(header.facts) and {"level", "index"} <= annotation.keys()
            row = _row(annotation, categories, path, ours=ours)
            mask = _mask(annotation, shape, path)
        except MALFORMED as error:
            raise UserError(
                f"Object {number} in {path} is damaged ({error}); export it again."
            ) from error
        if mask is None:
            skipped += 1
        else:
            yield MaskedObject(mask, row)
    if skipped:
        notes.append(f"Objects without an outline that were left out: {skipped}.")


def _row(
    annotation: Mapping[str, Any], categories: Mapping[Any, str], path: Path, *, ours: bool
) -> LabelRow:
    category = annotation.get("category_id")
    if category is not None and category not in categories:
        raise UserError(
            f"{path} has an object of category {category}, which it does not list; add the "
            "category or export the file again."
        )
    if ours:
        return row_from(annotation)
    return row_from(
        {
            "object": categories.get(category),
            "object_score": annotation.get("score"),
            "predicted_iou": annotation.get("predicted_iou"),
            "stability": annotation.get("stability_score"),
        }
    )


def _mask(annotation: Mapping[str, Any], shape: tuple[int, int], path: Path) -> CroppedMask | None:
    """Return the mask of an annotation, None if it has none or an empty one."""
    segmentation = annotation.get("segmentation")
    if not segmentation:
        return None
    if isinstance(segmentation, Mapping):
        check_shape(path, segmentation["size"], shape)
        mask = decode(segmentation["counts"], shape)
        return mask if mask.area else None
    rings = [np.asarray(flat, dtype=np.float64).reshape(-1, 2) for flat in segmentation]
    check_inside(rings, shape, path)
    mask = fill([[ring] for ring in rings], shape)
    return mask if mask.area else None
