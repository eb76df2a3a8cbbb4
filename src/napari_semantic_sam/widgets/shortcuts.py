"""Every key and gesture of the user interface, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Shortcut:
    """A key, as napari writes it, and what it does."""

    key: str
    text: str

    @property
    def shown(self) -> str:
        """The key as people write it."""
        return self.key.replace("Control", "Ctrl").replace("-", "+")


SHORTCUTS: Final = {
    "coarser": Shortcut(",", "Show the next coarser mask"),
    "finer": Shortcut(".", "Show the next finer mask"),
    "mark": Shortcut("J", "Mark the mask on display, to be kept together with others"),
    "keep": Shortcut("K", "Keep the mask on display and all marked ones in their level layers"),
    "flip_sign": Shortcut(
        "Q", "Switch between “belongs to the object” and “does not belong to it”"
    ),
    "next_object": Shortcut("N", "Begin the next object"),
    "previous_object": Shortcut(
        "Shift-N", "Go back to the object before, to keep its masks or click on it once more"
    ),
    "refine_label": Shortcut(
        "U", "Take the label under the mouse as the object in the making, to refine it"
    ),
    "toggle_hover": Shortcut("H", "Switch the preview under the mouse on or off"),
    "what_next": Shortcut("W", "Go to the unlabelled region that the model is least sure of"),
    "undo": Shortcut("Control-Z", "Undo the last step"),
    "redo": Shortcut("Control-Shift-Z", "Redo the step that was undone last"),
}
"""Keys on the picture, by the method of the `Annotator` that they call."""

GESTURES: Final = (
    Shortcut("Shift + mouse wheel", "Walk through the masks of the active object"),
    Shortcut("Click", "In the layer “clicks”: a point of the active object"),
    Shortcut("Drag", "In the layer “boxes”: a box, line or outline for the active object"),
)
"""What the mouse does on the picture; keys are written as people write them."""

LIST_KEYS: Final = (
    Shortcut("Enter", "Move the camera to the selected object (as a double click does)"),
    Shortcut("F2", "Change the object's name (as a double click on a name does)"),
    Shortcut("Delete", "Delete the selected objects"),
)
"""Keys in the list of kept objects."""

TREE_KEYS: Final = {
    "go_to": Shortcut("Enter", "Move the camera to the selected object (as a double click does)"),
    "coarser": Shortcut("Alt+Left", "Move the selected objects a level coarser"),
    "finer": Shortcut("Alt+Right", "Move the selected objects and all in them a level finer"),
    "hide_or_show": Shortcut(
        "H", "Do not draw the selected objects and all in them, or draw them again"
    ),
    "show_all": Shortcut("Shift+H", "Draw all hidden objects again"),
    "delete": Shortcut("Delete", "Delete the selected objects and all in them"),
}
"""Keys in the tree of kept objects, by the signal of the tree that they cause."""
