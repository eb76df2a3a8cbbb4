"""``python -m napari_semantic_sam``: the command line."""

from __future__ import annotations

from napari_semantic_sam.cli import main

if __name__ == "__main__":
    main()
