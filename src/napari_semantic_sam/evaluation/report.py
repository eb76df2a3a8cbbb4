"""What an evaluation leaves behind: JSON for programs, a table in markdown for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path, writable_folder, write_json


@dataclass(frozen=True)
class Report:
    """The result of `evaluate`.

    Attributes
    ----------
    summary : dict of str to number
        Over all objects of all images; keys ``NAME/…`` over those of one masks folder.
    images : list of dict
        The same numbers for each image, with its name under ``"image"``.
    skipped : list of dict
        ``"image"`` and ``"reason"`` of what was left out.
    provenance : dict
        Checkpoint, data, protocol, seed, versions, machine.
    """

    summary: dict[str, float]
    images: list[dict[str, Any]]
    skipped: list[dict[str, str]]
    provenance: dict[str, Any]

    def write(self, path: str | Path) -> Path:
        """Write the report to `path` as JSON, and beside it as markdown.

        Returns
        -------
        Path
            Of the markdown file: `path` with the ending ``.md``.

        Raises
        ------
        UserError
            If `path` does not end in ``.json`` or a file cannot be written.
        """
        check_target(path)
        write_json(path, asdict(self))
        table = Path(path).with_suffix(".md")
        with atomic_path(table) as temporary:
            temporary.write_text(self.to_markdown(), encoding="utf-8")
        return table

    def to_markdown(self) -> str:
        """Return the whole report as readable tables."""
        names = list(dict.fromkeys(key for row in self.images for key in row))
        parts = [
            f"# Evaluation: {self.provenance.get('protocol', '')}",
            markdown_table(["number", "value"], [[key, self.summary[key]] for key in self.summary]),
            "## Images",
            markdown_table(names, [[row.get(name, "") for name in names] for row in self.images]),
        ]
        if self.skipped:
            rows = [[entry["image"], entry["reason"]] for entry in self.skipped]
            parts += ["## Left out", markdown_table(["image", "reason"], rows)]
        facts = [f"- {key}: {_plain(value)}" for key, value in self.provenance.items()]
        return "\n\n".join([*parts, "## Provenance", "\n".join(facts)]) + "\n"


def check_target(path: str | Path) -> None:
    """Make sure that a report can be written, before hours of work depend on it.

    Parameters
    ----------
    path : str or Path
        As for `Report.write`. Its folder is made.

    Raises
    ------
    UserError
        If `path` does not end in ``.json``, is a folder, or its folder cannot be written to.
    """
    path = Path(path)
    if path.suffix != ".json" or path.is_dir():
        raise UserError(f"The report cannot be written to {path}; give a file ending in .json.")
    writable_folder(path.parent)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table; fractions are rounded to four significant digits."""
    lines = [header, ["---"] * len(header), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value)
