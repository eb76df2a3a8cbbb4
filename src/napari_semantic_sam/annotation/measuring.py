"""Measurements of the labels of an annotation, worked out beside the viewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_semantic_sam.inference.automatic.measurements import (
    Measurable,
    columns_of,
    measure_masks,
    measure_parents,
)
from napari_semantic_sam.inference.automatic.object_totals import (
    WholeObject,
    content_columns,
    measure_contents,
    measure_objects,
    object_columns,
)
from napari_semantic_sam.inference.label_chunks import Stored, copy_of_plane
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.io.tables import write_csv
from napari_semantic_sam.io.units import in_micrometres, short_unit

TABLES: Mapping[str, Callable[[Measurable, float | None], list[dict[str, Any]]]] = {
    "masks": measure_masks,
    "parents": measure_parents,
}


@dataclass(frozen=True)
class MeasuredTable:
    """A table of measurements.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of tuple
        A value for each column; numbers that are not known are NaN.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def save(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        write_csv(Path(path), self.columns, self.rows)


@dataclass(frozen=True, eq=False)
class PlaneCopy:
    """The labels of one plane as they were at some moment.

    Attributes
    ----------
    arrays : mapping of int to (H, W) labels
        By level.
    rows : mapping of int to list of LabelRow
    """

    arrays: Mapping[int, Stored]
    rows: Mapping[int, Sequence[LabelRow]]

    @classmethod
    def of(cls, levels: LevelLabels) -> PlaneCopy:
        """Copy the plane that is worked on."""
        plane = levels.plane
        arrays = {level: copy_of_plane(levels.store(level), plane) for level in levels.levels}
        return cls(arrays, {level: levels.rows(level) for level in levels.levels})

    def to_labels(self) -> LevelLabels:
        """Count everything anew; takes a while."""
        shapes = {array.shape for array in self.arrays.values()}
        height, width = shapes.pop() if shapes else (1, 1)
        labels = LevelLabels((height, width))
        for level, array in self.arrays.items():
            labels.attach(level, array, self.rows[level])
        return labels


@dataclass(frozen=True)
class StackCopy:
    """The labels of a stack as they were at some moment, over all planes.

    Attributes
    ----------
    objects : tuple of WholeObject
        By level and index.
    axes : str
        Of T and Z those that planes run along.
    steps : mapping of letter to float
        See `measure_objects`.
    """

    objects: tuple[WholeObject, ...]
    axes: str
    steps: Mapping[str, float]

    @classmethod
    def of(cls, levels: LevelLabels, axes: str, steps: Mapping[str, float]) -> StackCopy:
        """Copy what is known; axes with a single plane are left out."""
        long = [place for place, count in enumerate(levels.stack) if count > 1]
        planes: dict[tuple[int, int], list[PlaneIndex]] = {}
        for level in levels.levels:
            for plane in levels.occupied(level):
                with levels.at(plane):
                    for index in levels.areas(level):
                        place = tuple(plane[axis] for axis in long)
                        planes.setdefault((level, index), []).append(place)
        objects = (
            WholeObject(row, planes[level, row.index])
            for level in levels.levels
            for row in levels.rows(level)
        )
        return cls(tuple(objects), "".join(axes[axis] for axis in long), steps)


def measure_stack(copy: StackCopy) -> dict[str, MeasuredTable]:
    """Measure all objects of a stack over all planes; runs on a worker thread.

    Returns
    -------
    dict of str to MeasuredTable
        ``"objects"`` as `measure_objects`, ``"contents"`` as `measure_contents`.
    """
    measured = measure_objects(copy.objects, copy.axes, copy.steps)
    return {
        "objects": _table(object_columns(copy.axes, copy.steps), measured),
        "contents": _table(content_columns(), measure_contents(copy.objects)),
    }


def measure_plane(copy: PlaneCopy, pixel_size: float | None) -> dict[str, MeasuredTable]:
    """Measure all labels of a plane, and what lies in each; runs on a worker thread.

    Parameters
    ----------
    copy : PlaneCopy
    pixel_size : float, optional
        Side of a pixel in micrometres; pixels are the unit without it.

    Returns
    -------
    dict of str to MeasuredTable
        ``"masks"`` as `measure_masks`, ``"parents"`` as `measure_parents`.
    """
    labels = copy.to_labels()
    found = {}
    for name, measure in TABLES.items():
        columns = columns_of(measure, pixel_size)
        found[name] = _table(columns, measure(labels, pixel_size))
    return found


def steps_in_um(scale: Sequence[float], units: Sequence[str], letters: str) -> dict[str, float]:
    """Return the steps of a layer in micrometres, by letter, as far as they are lengths.

    Parameters
    ----------
    scale : sequence of float
    units : sequence of str
        Names such as "micrometer".
    letters : str
        What the axes are.
    """
    steps = {
        letter: in_micrometres(abs(float(step)), short_unit(unit))
        for letter, step, unit in zip(letters, scale, units, strict=True)
        if letter in "ZYX"
    }
    return {letter: step for letter, step in steps.items() if step}


def _table(columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> MeasuredTable:
    return MeasuredTable(columns, tuple(tuple(row[column] for column in columns) for row in rows))


def pixel_size_in_um(scale: Sequence[float], units: Sequence[str]) -> float | None:
    """Return the side of a pixel of a plane in micrometres.

    Parameters
    ----------
    scale : sequence of float
        Of a layer; the last two numbers are those of the plane.
    units : sequence of str
        Likewise, names such as "micrometer".

    Returns
    -------
    float or None
        None if the unit is no length, or pixels are not square.
    """
    lengths = zip(scale[-2:], units[-2:], strict=True)
    sides = [in_micrometres(abs(float(side)), short_unit(unit)) for side, unit in lengths]
    known = [side for side in sides if side is not None]
    is_square = len(known) == 2 and np.isclose(known[0], known[1], rtol=1e-3)
    return float(np.mean(known)) if is_square else None
