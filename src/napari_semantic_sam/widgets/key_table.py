"""Keys, layers and controls as text, for the help window and for the documents."""

from __future__ import annotations

from collections.abc import Iterable

from napari_semantic_sam.widgets.shortcuts import (
    GESTURES,
    LIST_KEYS,
    SHORTCUTS,
    TREE_KEYS,
    Shortcut,
)
from napari_semantic_sam.widgets.tables import CONTROLS, LAYER_TEXTS, SECTIONS

BEGIN = "<!-- keys, written by scripts/write_key_table.py -->"
END = "<!-- end of keys -->"
_PANEL = """# The panel, control by control

What the tooltips and the help window (**?**) say, written by scripts/write_key_table.py.
[annotate.md](annotate.md) tells how to work with it.
"""


def keys_as_markdown() -> str:
    """Return tables of all keys on the picture, mouse gestures, and keys in list and tree."""
    parts = (
        ("On the picture", SHORTCUTS.values()),
        ("With the mouse", GESTURES),
        ("In the list of kept objects", LIST_KEYS),
        ("In the tree of kept objects", TREE_KEYS.values()),
    )
    return "\n".join(_table(title, shortcuts) for title, shortcuts in parts).rstrip("\n")


def replace_keys(document: str) -> str:
    """Return a Markdown document with the table between its two marks brought up to date.

    Raises
    ------
    ValueError
        If the marks are missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{keys_as_markdown()}\n{END}{after}"


def reference_as_markdown() -> str:
    """Return tables of all keys, layers, and controls of the panel with what they do."""
    layers = [(f"`{layer_name(name)}`", text) for name, text in LAYER_TEXTS.items()]
    parts = [("Layers", layers), *((title, _explained(names)) for title, names in _sections())]
    tables = [_rows(title, rows) for title, rows in parts]
    return "\n".join([f"{keys_as_markdown()}\n", *tables]).rstrip("\n")


def panel_as_markdown() -> str:
    """Return the document about the panel, control by control."""
    return f"{_PANEL}\n{reference_as_markdown()}\n"


def layer_name(pattern: str) -> str:
    """Return the name of a layer as documents write it."""
    return pattern.format(image="<image>", level="k")


def _sections() -> list[tuple[str, list[str]]]:
    """Return the controls of each section by their names, those outside of sections first."""
    found: list[tuple[str, list[str]]] = [("Outside of the sections", [])]
    for name, control in CONTROLS.items():
        if name in SECTIONS:
            found.append((control.caption, []))
        found[-1][1].append(name)
    return found


def _explained(names: Iterable[str]) -> list[tuple[str, str]]:
    controls = [CONTROLS[name] for name in names]
    return [(each.plain, each.tooltip) for each in controls if each.plain]


def _table(title: str, shortcuts: Iterable[Shortcut]) -> str:
    return _rows(title, [(f"`{each.shown}`", each.text) for each in shortcuts])


def _rows(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = "\n".join(f"| {name} | {text} |" for name, text in rows)
    return f"| {title} | |\n|---|---|\n{lines}\n"
