"""Write keys into docs/annotate.md, and docs/panel.md, from the one table that has them."""

from __future__ import annotations

from pathlib import Path

from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.widgets.key_table import panel_as_markdown, replace_keys

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "annotate.md"
PANEL = GUIDE.with_name("panel.md")


def main() -> None:
    """Replace the table between the two marks of the guide, and all of the reference."""
    guide = replace_keys(GUIDE.read_text(encoding="utf-8"))
    for path, text in ((GUIDE, guide), (PANEL, panel_as_markdown())):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
