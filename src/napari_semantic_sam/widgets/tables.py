"""Every name, text and key of the user interface, once."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

METADATA_KEY: Final = "napari_semantic_sam"
"""Key of our record in the metadata of a layer."""

CLICKS: Final = "clicks"
BOXES: Final = "boxes"
PREVIEW: Final = "preview"

LAYER_NAMES: Final = {
    CLICKS: "{image} · clicks",
    BOXES: "{image} · boxes",
    PREVIEW: "{image} · preview",
}
LEVEL_LAYER_NAME: Final = "{image} · level {level}"

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
    "help": Control("?", "Show all keys."),
    "source": Control("Image and model", "What is annotated, and the model that finds the masks."),
    "image": Control("&Image", "The image to annotate: a grey or RGB plane."),
    "model": Control("&Model", "The checkpoint that finds the masks."),
    "device": Control("&Device", "Where the model runs. Automatic takes a GPU if there is one."),
    "contrast": Control(
        "&Contrast as displayed",
        "Let the model see a grey image with the contrast limits of its layer, instead of "
        "choosing them itself. Helps where a few very bright spots hide the rest.",
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
    "object": Control("", "The object that the next clicks and boxes describe."),
    "next_object": Control(
        _with_key("&Next object", "next_object"),
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
    "undo": Control(
        "&Undo", f"Undo the last step, also a brush stroke ({SHORTCUTS['undo'].shown})."
    ),
    "redo": Control("&Redo", f"Redo the step undone last ({SHORTCUTS['redo'].shown})."),
    "review": Control("Kept objects", "All labels of all levels."),
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
    "status": Control(
        "", "The image being annotated, the model in use, where it runs and what it cannot do."
    ),
}

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

COLUMN_TITLES: Final = {
    "level": ("Level", "Level of granularity, 1 is the coarsest"),
    "index": ("Label", "The label's number in its level layer"),
    "object": ("Object", "Name of the object; double-click to change it"),
    "part": ("Part", "Name of the part; double-click to change it"),
    "area": ("Area", "Area in pixels"),
    "predicted_iou": ("Quality", "How good the model believes the mask to be, 0 to 1"),
    "parent": ("Inside", "Level and number of the coarser label that contains it"),
    "source": ("Source", "How the label came about"),
}
"""Columns of the list of kept objects: title and tooltip."""

MESSAGES: Final = {
    "no image": "Open an image first, for example with File › Open Sample.",
    "not 2-D": "“{image}” has {ndim} dimensions; choose a grey or RGB image with two, such as one "
    "plane of it.",
    "image gone": "“{image}” was removed, which ends its annotation; kept labels stay.",
    "image changed": "“{image}” has new pixels; press Start to embed them.",
    "no label": "There is no label to refine; move the mouse over one, or select one in its layer.",
    "prompts gone": "The layer “{layer}” was removed; undo, or press Start, to get it back.",
    "merge levels": "Only objects of one level can be merged; select some of the same level.",
    "nothing unclear": "No unlabelled region is left to look at in “{image}”.",
    "no clicks": "This model takes no clicks, which looking for unclear regions needs; choose "
    "another model.",
}

HINTS: Final = {
    "idle": "Choose an image and press Start.",
    "ready": "Click a structure, or draw a box.",
    "waiting": "Finding masks …",
    "nothing": "Nothing found here; click elsewhere.",
    "position": "{position} of {count}  ·  level {level}",
    "kept": "{position} of {count}  ·  level {level}  ·  kept",
    "candidate": "level {level}  ·  {area} px  ·  {quality:.2f}",
    "named candidate": "level {level}  ·  {name}  ·  {area} px  ·  {quality:.2f}",
    "kept mark": "  ·  kept",
    "own level": "Its own",
    "level": "Level {level}",
    "object": "Object {group}  ·  {count} prompts",
    "one prompt": "Object {group}  ·  1 prompt",
    "no object": "No object yet",
    "count": "{title}  ·  {count}",
    "status": "“{image}”  ·  {model} on {device}",
    "experimental": "Experimental: {kinds}.",
    "no names": "This checkpoint has no names.",
    "names": "This checkpoint knows {count} names.",
    "lacks": "It takes no {kinds}.",
    "to download": "{model} (to download)",
    "unusable": "{model} (cannot be used)",
    "unclear": "Unclear region {number} of {count}, in the middle of the view.",
    "help title": "Keys of Semantic-SAM",
    "help footer": "Alt with the underlined letter reaches every control of the panel; Tab walks "
    "through them.",
}

KINDS: Final = {"click": "clicks", "box": "boxes"}
"""Capabilities of a checkpoint, as users read them."""
