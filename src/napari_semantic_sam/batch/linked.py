"""A picture whose labels are linked: one number for an object in label images and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from napari_semantic_sam.batch.linking import (
    LINK_COLUMNS,
    LINKS,
    Movements,
    Planes,
    link_levels,
    renumber,
)
from napari_semantic_sam.batch.objects import CONTENTS, OBJECTS, whole_objects
from napari_semantic_sam.batch.pictures import Picture
from napari_semantic_sam.batch.tables import MASKS, PictureTables, Rows
from napari_semantic_sam.inference.automatic.link import LinkRules
from napari_semantic_sam.inference.automatic.object_totals import (
    content_columns,
    measure_contents,
    measure_objects,
    object_columns,
)


def link_labels(
    picture: Picture,
    levels: Mapping[int, Planes],
    tables: PictureTables,
    movements: Movements,
    *,
    measures_contents: bool,
) -> None:
    """Link labels along the last axis of a picture, and add the tables of links and objects.

    Parameters
    ----------
    picture : Picture
    levels : mapping of level to Planes
        Coarse to fine. Their labels become the numbers of objects.
    tables : PictureTables
        Of all planes; the labels in them become those numbers, too.
    movements : Movements
    measures_contents : bool
        Whether there is a table of what lies in each object.
    """
    rules = LinkRules(divisions=picture.axes[-1] == "T")
    found, numbers = link_levels(levels, movements, rules)
    outer = [letter.lower() for letter in picture.axes[:-1]]
    links: Rows = []
    for level, rows_of_level in found.items():
        for number, row in rows_of_level:
            place = picture.place(picture.planes[number])
            where = {letter: place[letter.upper()] for letter in outer}
            links.append((number, {**where, "level": level, **asdict(row)}))
    for rows in tables.rows.values():
        renumber(rows, numbers)
    places = [tuple(picture.place(plane).values()) for plane in picture.planes]
    objects = whole_objects(tables.rows[MASKS], levels, places)
    steps = picture.scale.in_micrometres
    measured = measure_objects(objects, picture.axes, steps)
    tables.put(LINKS, (*outer, *LINK_COLUMNS), links)
    tables.put(OBJECTS, object_columns(picture.axes, steps), [(0, row) for row in measured])
    if measures_contents:
        contents = [(0, row) for row in measure_contents(objects)]
        tables.put(CONTENTS, content_columns(), contents)
