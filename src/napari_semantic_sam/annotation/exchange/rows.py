"""Rows of facts from and to what tables and JSON hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from napari_semantic_sam.inference.level_labels import LabelRow, Source

UNKNOWN = -1
"""As level of a parent: nothing is said about it, so it has to be found."""

MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What taking plain data apart raises if they are not built as expected."""


def row_from(values: Mapping[str, Any]) -> LabelRow:
    """Return a row from the values of its columns, whatever holds them.

    Parameters
    ----------
    values : mapping
        Text or numbers by the names of `LabelRow`'s attributes. What is missing, None, NaN
        or empty gets the default; index and level become 0, the parent unknown. Other keys
        do not count.

    Raises
    ------
    ValueError, TypeError
        If a value is no number where one is needed.
    """
    parent_level = _whole(values.get("parent_level"), UNKNOWN)
    return LabelRow(
        index=_whole(values.get("index"), 0),
        level=_whole(values.get("level"), 0),
        object=_text(values.get("object")),
        object_score=_number(values.get("object_score")),
        part=_text(values.get("part")),
        part_score=_number(values.get("part_score")),
        predicted_iou=_number(values.get("predicted_iou")),
        stability=_number(values.get("stability")),
        area=_whole(values.get("area"), 0),
        parent_level=parent_level,
        parent=_whole(values.get("parent"), 0),
        # Of a newer version there may be others, which are worth keeping.
        source=cast("Source", _text(values.get("source")) or "painted"),
    )


def plain(value: Any) -> Any:
    """Return a value as strict JSON can hold it: None instead of NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _missing(value: Any) -> bool:
    return value is None or value == "" or value != value


def _text(value: Any) -> str:
    return "" if _missing(value) else str(value)


def _number(value: Any) -> float:
    return math.nan if _missing(value) else float(value)


def _whole(value: Any, default: int) -> int:
    if _missing(value):
        return default
    try:
        return int(str(value))  # exact, which a float is not beyond 2 ** 53
    except ValueError:
        number = float(value)
    if not number.is_integer():
        raise ValueError(f"{value} is not a whole number")
    return int(number)
