"""The keys as text, for the help window and for the documents."""

from __future__ import annotations

from collections.abc import Iterable

from napari_semantic_sam.widgets.shortcuts import (
    GESTURES,
    LIST_KEYS,
    SHORTCUTS,
    TREE_KEYS,
    Shortcut,
)

BEGIN = "<!-- keys, written by scripts/write_key_table.py -->"
END = "<!-- end of keys -->"


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


def _table(title: str, shortcuts: Iterable[Shortcut]) -> str:
    rows = "\n".join(f"| `{each.shown}` | {each.text} |" for each in shortcuts)
    return f"| {title} | |\n|---|---|\n{rows}\n"
