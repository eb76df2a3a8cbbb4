"""What every benchmark leaves behind: JSON, and the same as a markdown table beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_semantic_sam.evaluation import provenance
from napari_semantic_sam.evaluation.report import markdown_table
from napari_semantic_sam.io.files import atomic_path, write_json


def write_report(
    output: Path,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    remarks: Sequence[str] = (),
) -> None:
    """Write the rows of a benchmark with where they come from, and print the table.

    Parameters
    ----------
    output : Path
        The JSON file; the table gets the same name with the ending ``.md``.
    title : str
    rows : sequence of mappings
        All with the same keys, which become columns.
    settings : mapping
        How it was measured.
    remarks : sequence of str
        Sentences below the table.
    """
    facts = {
        "settings": dict(settings),
        "machine": provenance.machine() | {"load_afterwards": _load()},
        "versions": provenance.versions(),
        "commit": provenance.commit(),
    }
    if not rows:
        raise SystemExit(f"Nothing was measured; {output} is as it was.")
    table = markdown_table(list(rows[0]), [list(row.values()) for row in rows])
    write_json(output, {"title": title, "rows": list(rows), "remarks": list(remarks), **facts})
    where = [
        f"- {name}: " + ", ".join(f"{key} {value}" for key, value in facts[name].items())
        for name in ("settings", "machine", "versions")
    ]
    parts = [f"# {title}", table, *remarks, "\n".join([*where, f"- commit: {facts['commit']}"])]
    with atomic_path(output.with_suffix(".md")) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join([table, *remarks]))


def _load() -> list[float] | None:
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None
