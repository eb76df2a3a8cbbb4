"""Tables of a picture: rows of all planes together, one file for each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari_semantic_sam.batch.files import Writers
from napari_semantic_sam.batch.pictures import Picture
from napari_semantic_sam.io.tables import write_csv

MASKS = "masks.csv"
"""The end of the name of the table with a row for each label."""

Rows = list[tuple[int, dict[str, Any]]]
"""With the number of their plane."""


@dataclass(frozen=True)
class Table:
    """Rows of a table with their header."""

    header: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]


class PictureTables:
    """The tables of some planes of a picture.

    Parameters
    ----------
    picture : Picture

    Attributes
    ----------
    rows : dict of name to list of (int, dict)
        By the end of the name of their file.
    """

    def __init__(self, picture: Picture) -> None:
        self.rows: dict[str, Rows] = {}
        self._picture = picture
        self._headers: dict[str, tuple[str, ...]] = {}

    @property
    def masks(self) -> int:
        """Number of labels."""
        return len(self.rows[MASKS])

    def add(self, number: int, tables: Mapping[str, Table]) -> None:
        """Add the tables of the plane with this number; its place comes first in each row."""
        place = self._picture.place(self._picture.planes[number])
        columns = {letter.lower(): index for letter, index in place.items()}
        for name, table in tables.items():
            self._headers[name] = (*columns, *table.header)
            rows = [(number, {**columns, **row}) for row in table.rows]
            self.rows.setdefault(name, []).extend(rows)

    def put(self, name: str, header: tuple[str, ...], rows: Rows) -> None:
        """Add a table that is complete."""
        self._headers[name], self.rows[name] = header, rows

    def writers(self, target: Callable[[str], Path]) -> Writers:
        """Return what writes each file."""
        return {
            target(name): partial(
                write_csv,
                header=self._headers[name],
                lines=[[row[column] for column in self._headers[name]] for _, row in rows],
            )
            for name, rows in self.rows.items()
        }
