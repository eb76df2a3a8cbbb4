"""Prompts as points and shapes: how the layers are made, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Points, Shapes

from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.tables import (
    BOXES,
    CLICK_BORDER_COLOUR,
    CLICKS,
    PROMPT_COLOURS,
    SIGNS,
)


class Mark(NamedTuple):
    """A prompt in its layer.

    Attributes
    ----------
    group : int
        The number of its object; 0 for an object yet to be numbered.
    prompt : Prompt
    plane : tuple of int, or None
        Of a stack, the plane that it lies in; None if it reaches through several.
    """

    group: int
    prompt: Prompt
    plane: PlaneIndex | None = ()


NEW = 0
"""Object of a prompt that the user has just drawn."""

_NO_LABEL = (0, 0)
HALF_PIXEL = 0.5  # napari puts whole numbers at the centres of pixels
_ELLIPSE_VERTICES = 48


def clicks_layer(image: Image, frame: Frame) -> Points:
    """Return an empty layer for clicks on an image, and for labels to be refined."""
    return Points(
        ndim=frame.ndim,
        size=12,
        canvas_size_limits=(9, 9),  # the same on the screen at every zoom
        features=_features([]),
        face_color=PROMPT_COLOURS[SIGNS[True]],
        border_color=CLICK_BORDER_COLOUR,
        border_width=0.25,
        **make.tool_options(image, CLICKS, frame),
    )


def boxes_layer(image: Image, frame: Frame) -> Shapes:
    """Return an empty layer for boxes, lines and outlines on an image."""
    return Shapes(
        ndim=frame.ndim,
        features=_features([]),
        face_color="transparent",
        edge_color=PROMPT_COLOURS[SIGNS[True]],
        edge_width=max(frame.shape) / 300,
        **make.tool_options(image, BOXES, frame),
    )


def set_next(layer: Points | Shapes, *, positive: bool) -> None:
    """Show the sign of what is drawn next."""
    sign = SIGNS[positive]
    layer.feature_defaults = {"sign": sign, "object": NEW, "level": 0, "index": 0}
    # Setting the current colour would recolour what is selected.
    with layer.block_update_properties():
        if isinstance(layer, Points):
            layer.current_face_color = PROMPT_COLOURS[sign]
        else:
            layer.current_edge_color = PROMPT_COLOURS[sign]


def read(layer: Points | Shapes, frame: Frame) -> list[Mark]:
    """Return the prompts of a layer, in its order."""
    facts: dict[str, list[Any]] = layer.features.to_dict("list")
    kinds = ["point"] * len(layer.data) if isinstance(layer, Points) else layer.shape_type
    read_one = _click if isinstance(layer, Points) else _shape
    found = []
    for row, (vertices, kind) in enumerate(zip(layer.data, kinds, strict=True)):
        # A user may have put another table there, and an emptied Shapes layer keeps its own.
        known = {name: column[row] for name, column in facts.items() if row < len(column)}
        label = (int(known.get("level", 0)), int(known.get("index", 0)))
        positive = known.get("sign") != SIGNS[False]
        where = np.atleast_2d(np.asarray(vertices, dtype=float))
        prompt = read_one(frame.pixels(where), str(kind), label, positive)
        planes = {frame.plane_of(each) for each in where}
        plane = planes.pop() if len(planes) == 1 else None
        found.append(Mark(int(known.get("object", NEW)), prompt, plane))
    return found


def write(layer: Points | Shapes, marks: Sequence[Mark], frame: Frame) -> None:
    """Make prompts the contents of a layer, whatever it held."""
    if isinstance(layer, Points):
        rows = [frame.points(mark.plane or (), mark.prompt.coordinates[-2:]) for mark in marks]
        layer.data = np.concatenate([np.zeros((0, frame.ndim)), *rows])
    else:
        drawn = [(mark.plane or (), *_drawn(mark.prompt)) for mark in marks]
        layer.data = [(frame.points(plane, vertices), kind) for plane, vertices, kind in drawn]
    layer.selected_data = set()
    write_features(layer, marks)


def write_features(layer: Points | Shapes, marks: Sequence[Mark]) -> None:
    """Note signs and objects of the prompts that a layer holds, and colour them."""
    defaults = layer.feature_defaults
    layer.features = _features(marks)
    layer.feature_defaults = defaults  # which napari takes from the last row
    if marks:
        # Not by napari's categories, which have no colour in an empty Points layer, and which
        # a Shapes layer does not take by name.
        colours = [PROMPT_COLOURS[SIGNS[mark.prompt.positive]] for mark in marks]
        setattr(layer, "face_color" if isinstance(layer, Points) else "edge_color", colours)


def _features(marks: Iterable[Mark]) -> dict[str, npt.NDArray[Any]]:
    listed = list(marks)
    labels = [
        (int(mark.prompt.coordinates[0]), int(mark.prompt.coordinates[1]))
        if mark.prompt.kind == "label"
        else _NO_LABEL
        for mark in listed
    ]
    return {
        "sign": np.array([SIGNS[mark.prompt.positive] for mark in listed], dtype=object),
        "object": np.array([mark.group for mark in listed], dtype=int),
        "level": np.array([level for level, _ in labels], dtype=int),
        "index": np.array([index for _, index in labels], dtype=int),
    }


def _click(
    where: npt.NDArray[np.float64], kind: str, label: tuple[int, int], positive: bool
) -> Prompt:
    coordinates = tuple(where[0].tolist())
    if label != _NO_LABEL:
        return Prompt("label", (float(label[0]), float(label[1]), *coordinates), positive)
    return Prompt("click", coordinates, positive)


def _shape(
    where: npt.NDArray[np.float64], kind: str, label: tuple[int, int], positive: bool
) -> Prompt:
    if kind == "rectangle":
        edges = np.concatenate([where.min(axis=0), where.max(axis=0)]) + HALF_PIXEL
        return Prompt("box", tuple(edges.tolist()), positive)
    if kind in ("path", "line"):
        return Prompt("scribble", tuple(where.ravel().tolist()), positive)
    outline = ellipse_outline(where) if kind == "ellipse" else where
    return Prompt("lasso", tuple(outline.ravel().tolist()), positive)


def ellipse_outline(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return vertices along the ellipse in a rectangle, which may be turned."""
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_VERTICES, endpoint=False)[:, None]
    centre = corners.mean(axis=0)
    half_sides = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    turned: npt.NDArray[np.float64] = (
        centre + np.cos(angles) * half_sides[0] + np.sin(angles) * half_sides[1]
    )
    # As napari keeps vertices, so that the outline is the same when it is written and read.
    return turned.astype(np.float32).astype(float)


def _drawn(prompt: Prompt) -> tuple[npt.NDArray[np.float64], str]:
    if prompt.kind == "box":
        y0, x0, y1, x1 = (edge - HALF_PIXEL for edge in prompt.coordinates)
        return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]), "rectangle"
    vertices = np.array(prompt.coordinates).reshape(-1, 2)
    return vertices, "path" if prompt.kind == "scribble" else "polygon"
