"""Tables as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from napari_semantic_sam.io.files import atomic_path


def write_csv(path: Path, header: Sequence[str], lines: Iterable[Iterable[Any]]) -> None:
    """Write a table, atomically; NaN becomes an empty cell."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for line in lines:
            writer.writerow([_cell(value) for value in line])


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
