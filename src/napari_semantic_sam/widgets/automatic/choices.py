"""What a user chooses from for the whole image, and its measurements: values and texts, once."""

from __future__ import annotations

from typing import Final

WHERE: Final = (
    ("all", "The whole image"),
    ("shape", "Inside the selected shapes"),
    ("objects", "Inside the selected objects"),
)
"""Where to look for objects."""

LINKED: Final = {"Z": "In depth (Z)", "T": "In time (T)", "": "Not at all"}
"""Axes that objects may go on along."""

MEASUREMENTS: Final = (("masks", "Every object"), ("parents", "What lies inside"))
"""Tables of measurements of a single plane."""

STACK_MEASUREMENTS: Final = (
    ("objects", "Every object, all slices"),
    ("contents", "What lies inside, all slices"),
    ("masks", "Every object, this slice"),
    ("parents", "What lies inside, this slice"),
)
"""The same for stacks."""
