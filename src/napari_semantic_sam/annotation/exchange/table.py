"""Rows as a table: CSV, one line per label."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from napari_semantic_sam.annotation.exchange.document import Document
from napari_semantic_sam.annotation.exchange.rows import MALFORMED, row_from
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow

TABLE_SUFFIX = ".labels.csv"


def table_beside(path: Path) -> Path:
    """Return where the table of a label image is: ``a.labels.csv`` of ``a[.labels][.ome].tif``."""
    stem = re.sub(r"(\.ome)?\.tiff?$", "", path.name, flags=re.IGNORECASE)
    return path.with_name(stem.removesuffix(".labels") + TABLE_SUFFIX)


def table_text(document: Document) -> str:
    """Return the rows of a document, which is complete, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for level in sorted(document.levels):
        for row in document.rows[level]:
            # Of a number that is not known nothing is written, of others all digits.
            writer.writerow("" if value != value else value for value in asdict(row).values())
    return text.getvalue()


def read_rows(path: Path) -> dict[int, list[LabelRow]]:
    """Read the rows of each level, also after a spreadsheet saved them with other separators.

    Raises
    ------
    UserError
        If it is no table of labels, or names a label twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        first = text.partition("\n")[0]
        mark = max(",;\t", key=first.count)
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
        if not {"index", "level"} <= set(table.fieldnames or ()):
            raise ValueError("it has no columns “index” and “level”")
        rows = [row_from(_decimal_points(line) if mark == ";" else line) for line in table]
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror}).") from error
    except (csv.Error, *MALFORMED) as error:
        raise UserError(f"{path} is no table of labels ({error}); export it again.") from error
    twice = len(rows) - len({(row.level, row.index) for row in rows})
    if twice:
        raise UserError(f"{path} has several rows for the same label; remove {twice} of them.")
    by_level: dict[int, list[LabelRow]] = {}
    for row in rows:
        by_level.setdefault(row.level, []).append(row)
    return by_level


def _decimal_points(line: Mapping[str, str]) -> dict[str, str]:
    """Return a line with numbers as the rest of the world writes them."""
    names = ("object", "part", "source")
    return {
        key: text if key in names else (text or "").replace(",", ".") for key, text in line.items()
    }
