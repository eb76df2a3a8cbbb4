"""Write the keys of the panel into docs/annotate.md, from the one table that has them."""

from __future__ import annotations

from pathlib import Path

from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.widgets.key_table import replace_keys

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "annotate.md"


def main() -> None:
    """Replace the table between the two marks of the guide."""
    guide = replace_keys(GUIDE.read_text(encoding="utf-8"))
    with atomic_path(GUIDE) as temporary:
        temporary.write_text(guide, encoding="utf-8")


if __name__ == "__main__":
    main()
