"""The facts about one label, and how tables want them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from napari_semantic_sam.inference.results import Candidate

Source = Literal["click", "box", "automatic", "batch", "propagated", "painted"]


@dataclass(frozen=True)
class LabelRow:
    """The facts about one label, in the order of the table's columns.

    Attributes
    ----------
    index : int
        The label's value in the array of its level.
    level : int
        1 (coarsest) .. K.
    object, part : str
        Names, "" where there is none.
    object_score, part_score, predicted_iou, stability : float
        NaN where unknown, as for painted labels.
    area : int
        In pixels, over all planes of a stack.
    parent_level, parent : int
        The label in the nearest coarser level that covers at least 0.8 of it, over all
        planes of a stack; 0 and 0 if there is none.
    source : str
        How it came about.
    """

    index: int
    level: int
    object: str = ""
    object_score: float = math.nan
    part: str = ""
    part_score: float = math.nan
    predicted_iou: float = math.nan
    stability: float = math.nan
    area: int = 0
    parent_level: int = 0
    parent: int = 0
    source: Source = "painted"


COLUMNS = tuple(field.name for field in fields(LabelRow))


def describe(candidate: Candidate, index: int, level: int, source: Source) -> LabelRow:
    """Return what is known about the label of a candidate before it is written."""
    return LabelRow(
        index,
        level,
        predicted_iou=candidate.predicted_iou,
        stability=candidate.stability,
        source=source,
    )


def to_columns(rows: Iterable[LabelRow]) -> dict[str, list[Any]]:
    """Return rows as one list per column, as tables want them."""
    listed = list(rows)
    return {name: [getattr(row, name) for row in listed] for name in COLUMNS}
