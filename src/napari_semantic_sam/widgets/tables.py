"""Every name, caption and hint of the user interface, once.

Keys are in `shortcuts`, titles of columns in `columns`, sentences of notifications in `messages`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

from napari_semantic_sam.widgets.shortcuts import SHORTCUTS, TREE_KEYS

METADATA_KEY: Final = "napari_semantic_sam"
"""Key of our record in the metadata of a layer."""

CLICKS: Final = "clicks"
BOXES: Final = "boxes"
PREVIEW: Final = "preview"
DRAFT: Final = "draft"

LAYER_NAMES: Final = {
    CLICKS: "{image} · clicks",
    BOXES: "{image} · boxes",
    PREVIEW: "{image} · preview",
    DRAFT: "{image} · draft",
}
LEVEL_LAYER_NAME: Final = "{image} · level {level}"
LAYER_TEXTS: Final = {
    LEVEL_LAYER_NAME: "What was kept, an ordinary Labels layer for each level",
    LAYER_NAMES[CLICKS]: "Clicks, and labels to refine; made by Start, selected and ready",
    LAYER_NAMES[BOXES]: "Boxes, lines and outlines; made by Start",
    LAYER_NAMES[PREVIEW]: "The masks of the active object, and the one under the mouse",
    LAYER_NAMES[DRAFT]: "What “Preview this view” found, and what a run has found so far",
}
"""What each of our layers holds."""

LEVEL_COLOURS: Final = (
    (0, 158, 255),
    (0, 214, 178),
    (140, 224, 40),
    (255, 214, 0),
    (255, 142, 20),
    (255, 80, 120),
)
"""RGB of the preview, level 1 first; further levels begin again."""

SIGNS: Final = {True: "positive", False: "negative"}
"""Whether a prompt belongs to its object, as the prompt layers' features say it."""

PROMPT_COLOURS: Final = {"positive": "#00d5ff", "negative": "#ff2d55"}
CLICK_BORDER_COLOUR: Final = "#ffffff"


@dataclass(frozen=True)
class Control:
    """Caption and tooltip of a control; “&” in a caption stands before its Alt key."""

    caption: str
    tooltip: str

    @property
    def plain(self) -> str:
        """The caption without Alt key and shortcut, as documents write it."""
        return self.caption.split("  (")[0].replace("&", "")


def _with_key(caption: str, shortcut: str) -> str:
    return f"{caption}  ({SHORTCUTS[shortcut].shown})"


CONTROLS: Final = {
    "help": Control("?", "Show all keys, and what every control does."),
    "undo": Control(
        "&Undo", f"Undo the last step, also a brush stroke ({SHORTCUTS['undo'].shown})."
    ),
    "redo": Control("&Redo", f"Redo the step undone last ({SHORTCUTS['redo'].shown})."),
    "status": Control(
        "", "The image being annotated, the model in use, where it runs and what it cannot do."
    ),
    "source": Control("Image and model", "What is annotated, and the model that finds the masks."),
    "image": Control(
        "&Image",
        "The image to annotate: its slices along the two axes on the screen. Other axes are "
        "walked with the sliders below the picture, except for that of channels.",
    ),
    "channels": Control("Channels", "The axis of the image that has channels, if one has."),
    "chosen_channels": Control(
        "",
        "The channels that the model sees: one as grey, two or three as red, green and blue.",
    ),
    "model": Control("&Model", "The checkpoint that finds the masks."),
    "device": Control("&Device", "Where the model runs. Automatic takes a GPU if there is one."),
    "contrast": Control(
        "&Contrast as displayed",
        "Let the model see a grey image with the contrast limits of its layer, instead of "
        "choosing them itself. Helps where a few very bright spots hide the rest.",
    ),
    "object_size": Control(
        "Ob&ject size",
        "How large typical objects are across: the model is shown the image so that they suit it. "
        "0 leaves the choice to the model. Counts from the next Start; then the text at the "
        "bottom says how large the model sees the image, and why.",
    ),
    "size_unit": Control(
        "",
        "Of the object size: pixels of the image, or micrometres, which fit images of any pixel "
        "size whose layer has a scale and units.",
    ),
    "shape_size": Control(
        "From selected shape",
        "Take the size of the shapes selected in a Shapes layer, such as “boxes”, as object size. "
        "Counts from the next Start.",
    ),
    "description": Control("", "What the chosen model is, and what it cannot do."),
    "start": Control(
        "&Start",
        "Embed the image (once), then click or draw boxes on it. Pressed again, it starts over "
        "with the chosen image and model; clicks and kept labels stay.",
    ),
    "cancel": Control("C&ancel", "Stop embedding; nothing changes."),
    "progress": Control("", "What is being computed."),
    "offer": Control("", "An annotation of this image that did not end properly."),
    "restore": Control("Restore", "Bring back the labels and prompts of that annotation."),
    "discard": Control("Discard", "Delete that record for good; labels on screen stay."),
    "prompts": Control("Prompts", "How the next click or box is understood."),
    "belongs": Control(
        "&Belongs",
        f"The next clicks and boxes lie on the object ({SHORTCUTS['flip_sign'].shown} switches).",
    ),
    "not_belongs": Control(
        "D&oes not belong",
        "The next clicks and boxes lie on what must not be part of the object "
        f"({SHORTCUTS['flip_sign'].shown} switches).",
    ),
    "object": Control(
        "",
        "The object that the next clicks and boxes describe. Choose an earlier one to keep its "
        f"masks, or to go on with it ({SHORTCUTS['previous_object'].shown}).",
    ),
    "next_object": Control(
        _with_key("&Next", "next_object"),
        "Leave the prompts of this object as they are; the next click begins another one.",
    ),
    "separate": Control(
        "Ever&y click its own object",
        "Each click or box is an object of its own. Unchecked, all clicks and boxes describe "
        "one object until the next one is begun.",
    ),
    "hover": Control(
        "Previ&ew under the mouse",
        "Outline the mask under the mouse, at the level shown last, before you click "
        f"({SHORTCUTS['toggle_hover'].shown}).",
    ),
    "candidates": Control("Masks", "The different masks of the active object, coarse to fine."),
    "position": Control(
        "",
        "Which of the different masks of the active object is on display, and its level. "
        "Boxes are drawn in the boxes layer.",
    ),
    "slider": Control(
        "",
        "Walk through the masks of the active object, coarse to fine "
        f"({SHORTCUTS['coarser'].key} and {SHORTCUTS['finer'].key}, or Shift + mouse wheel).",
    ),
    "coarse": Control("coarse", "Left: the largest structure under the click."),
    "fine": Control("fine", "Right: its smallest part."),
    "list": Control(
        "",
        "Level, area in pixels and predicted quality (0 to 1) of each mask. Check several "
        f"({SHORTCUTS['mark'].shown} checks the one on display) to keep them together.",
    ),
    "keep": Control(
        _with_key("&Keep", "keep"),
        f"{SHORTCUTS['keep'].text} ({SHORTCUTS['keep'].shown}). Where labels exist already, the "
        "rule under “How masks are kept” decides.",
    ),
    "propagate": Control(
        "Propagate through the stack",
        "Follow the object kept last in this slice, or the label selected in its level layer, "
        "through the other slices. Correct it in any slice and propagate again from there.",
    ),
    "cancel_propagation": Control("Cancel", "Stop following the object; nothing changes."),
    "options": Control("How masks are kept", "What happens to existing labels, and clean-up."),
    "rule": Control(
        "E&xisting labels",
        "What happens where a mask meets labels of its level.",
    ),
    "target": Control(
        "Tar&get level", "The level layer that masks go to; normally that of each mask."
    ),
    "fill_holes": Control("Fill holes", "Fill holes inside a mask before it is kept."),
    "drop_islands": Control("Drop islands", "Keep only the largest connected piece of a mask."),
    "smooth": Control(
        "Smoo&th",
        "Round off the outline of a mask by about this many pixels; 0 leaves it as it is.",
    ),
    "automatic": Control("Whole image", "Find all objects at once, without a click."),
    "levels": Control("Levels", "The levels to look for, 1 is the coarsest."),
    "level": Control("", "Look for objects of this level."),
    "quality": Control(
        "&Quality",
        "Left: more objects, also doubtful ones. Right: only those the model is sure of. In the "
        "middle: what suits the model.",
    ),
    "size_from": Control("Si&ze", "Smallest size: the diameter of a disc of the same area."),
    "size_to": Control("to", "Largest size: the diameter of a disc of the same area."),
    "slices": Control("Slices", "Only the slice on display, or all slices one after the other."),
    "linked": Control(
        "Linked",
        "Objects that overlap from slice to slice along this axis become one object with one "
        "number. In time, cells may divide.",
    ),
    "where": Control(
        "Where",
        "The whole image; what lies inside of the shapes selected in a Shapes layer; or what lies "
        "inside of the objects selected under “Kept objects”.",
    ),
    "like_kept": Control(
        "Like what I kept",
        "Look for the levels and sizes of the objects you kept, instead of those above.",
    ),
    "preview_view": Control(
        "Preview this view",
        "Show what would be found in the part of the image on the screen; nothing is kept.",
    ),
    "run_all": Control(
        "Run all",
        "Find all objects and keep them in their level layers, as one step that can be undone. "
        "Existing labels are treated as “How masks are kept” says.",
    ),
    "stop_run": Control("Stop", "Stop looking; what was found until now is kept."),
    "found": Control("", "What the last run found."),
    "review": Control("Kept objects", "All labels of all levels."),
    "as_list": Control("List", "All kept objects, one below the other."),
    "as_tree": Control("Tree", "Which object lies in which, at all levels."),
    "tree_view": Control(
        "",
        "Objects, and in each of them the smaller ones. Enter or a double click goes to the "
        "object; selecting one selects its label.",
    ),
    "tree_go_to": Control(
        "Go to", f"Move the camera to the selected object ({TREE_KEYS['go_to'].shown})."
    ),
    "tree_coarser": Control(
        "Coarser", f"{TREE_KEYS['coarser'].text} ({TREE_KEYS['coarser'].shown})."
    ),
    "tree_finer": Control("Finer", f"{TREE_KEYS['finer'].text} ({TREE_KEYS['finer'].shown})."),
    "tree_delete": Control("Delete", f"{TREE_KEYS['delete'].text} ({TREE_KEYS['delete'].shown})."),
    "tree_hide": Control(
        "Hide",
        f"{TREE_KEYS['hide_or_show'].text} ({TREE_KEYS['hide_or_show'].shown}). Nothing else "
        "changes: hidden objects are kept, counted and saved like others.",
    ),
    "tree_show_all": Control(
        "Show all", f"{TREE_KEYS['show_all'].text} ({TREE_KEYS['show_all'].shown})."
    ),
    "measure": Control(
        "Measure …", "Sizes and shapes of all objects, and what lies in each, as a table."
    ),
    "measure_what": Control("", "Which table: every object, or what lies inside of each."),
    "measure_table": Control("", "Measurements; click a column's title to sort."),
    "save_table": Control("Save as CSV …", "Save this table for spreadsheets and scripts."),
    "measure_status": Control("", "How many rows there are, and in which units."),
    "table": Control(
        "",
        "All kept objects. Click a column's title to sort. Enter or a double click goes to the "
        "object; double-click a name, or press F2, to change it.",
    ),
    "go_to": Control("Go to", "Move the camera to the selected object (Enter)."),
    "rename": Control(
        "Rename",
        "Change the object's name (F2); for its part, double-click it. With several selected, all "
        "get the name.",
    ),
    "move": Control("To level", "Move the selected objects to another level."),
    "merge": Control("Merge", "Make the selected objects of one level a single one."),
    "split": Control("Split", "Make every connected piece of the selected objects its own."),
    "clean": Control(
        "Clean up", "Apply the clean-up under “How masks are kept” to the selected objects."
    ),
    "refine": Control(
        "Refine",
        "Take the selected label as the object in the making: click on what to add to it or "
        "take away from it, then keep it again.",
    ),
    "delete": Control("Delete", "Delete the selected objects (Delete)."),
    "what_next": Control(
        _with_key("What next", "what_next"),
        f"{SHORTCUTS['what_next'].text}. Pressed again, it walks to the one after.",
    ),
    "region": Control("", "The region in view; the most unclear ones come first."),
    "stop_search": Control("Stop", "Stop looking for unclear regions."),
}

SECTIONS: Final = ("source", "prompts", "candidates", "options", "automatic", "review")
"""Of the panel, from top to bottom; each is followed by its controls in `CONTROLS`."""

DEVICES: Final = (
    ("auto", "Automatic"),
    ("cpu", "CPU"),
    ("mps", "Apple GPU (MPS)") if sys.platform == "darwin" else ("cuda", "NVIDIA GPU (CUDA)"),
)
"""What `load_model` takes, and what the user reads."""

RULES: Final = (
    ("keep", "Keep, fill around"),
    ("replace", "Replace what is covered"),
    ("fill", "Keep, fill where clicked"),
)
"""Commit rules, and what the user reads."""

KINDS: Final = {"click": "clicks", "box": "boxes"}
"""Capabilities of a checkpoint, as users read them."""
