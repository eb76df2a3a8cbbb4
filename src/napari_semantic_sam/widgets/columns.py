"""Titles and tooltips of the columns of lists and trees, once."""

from __future__ import annotations

from typing import Final

COLUMN_TITLES: Final = {
    "level": ("Level", "Level of granularity, 1 is the coarsest"),
    "index": ("Label", "The label's number in its level layer"),
    "object": ("Object", "Name of the object; double-click to change it"),
    "area": ("Area", "Area in pixels; of a stack, over all slices"),
    "predicted_iou": ("Quality", "How good the model believes the mask to be, 0 to 1"),
    "part": ("Part", "Name of the part; double-click to change it"),
    "parent": ("Inside", "Level and number of the coarser label that contains it"),
    "source": ("Source", "How the label came about"),
}
"""Columns of the list of kept objects: title and tooltip; the first five fit a narrow panel."""

TREE_TITLES: Final = {
    "object": ("Object", "Level and number, and its name if it has one"),
    "inside": ("Contains", "How many objects of each finer level lie in it, as level × count"),
    "area": COLUMN_TITLES["area"],
    "predicted_iou": COLUMN_TITLES["predicted_iou"],
    "slices": (
        "Slices",
        "First and last slice (z) or frame (t), counted from 0; in brackets how many if some "
        "between them are missing",
    ),
    "volume": ("Volume", "Volume in µm³; of movies, the mean of its frames"),
}
"""Columns of the tree: title and tooltip; volumes and slices of stacks only."""
