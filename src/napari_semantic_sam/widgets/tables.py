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

CLICK_COLOUR: Final = "#000000"
CLICK_BORDER_COLOUR: Final = "#ffffff"  # one of the two is seen on any picture
BOX_COLOUR: Final = "#00d5ff"


@dataclass(frozen=True)
class Shortcut:
    """A key and what it does."""

    key: str
    text: str


SHORTCUTS: Final = {
    "coarser": Shortcut(",", "Show the next coarser mask"),
    "finer": Shortcut(".", "Show the next finer mask"),
    "keep": Shortcut("K", "Keep the mask on display in its level layer"),
}


@dataclass(frozen=True)
class Control:
    """Caption and tooltip of a control of the panel."""

    caption: str
    tooltip: str


CONTROLS: Final = {
    "image": Control("Image", "The image to annotate: a grey or RGB plane."),
    "model": Control("Model", "The checkpoint that finds the masks."),
    "device": Control("Device", "Where the model runs. Automatic takes a GPU if there is one."),
    "contrast": Control(
        "Contrast as displayed",
        "Let the model see a grey image with the contrast limits of its layer, instead of "
        "choosing them itself. Helps where a few very bright spots hide the rest.",
    ),
    "description": Control("", "What the chosen model is."),
    "start": Control(
        "Start",
        "Embed the image (once), then click or draw boxes on it. Pressed again, it starts over "
        "with the chosen image and model; clicks and kept labels stay.",
    ),
    "cancel": Control("Cancel", "Stop embedding; nothing changes."),
    "progress": Control("", "What is being computed."),
    "slider": Control(
        "",
        "Walk through the masks of the newest click or box, coarse to fine "
        f"({SHORTCUTS['coarser'].key} and {SHORTCUTS['finer'].key}).",
    ),
    "coarse": Control("coarse", "Left: the largest structure under the click."),
    "fine": Control("fine", "Right: its smallest part."),
    "position": Control(
        "",
        "Which of the distinct masks of the newest click or box is on display, and its level. "
        "Boxes are drawn in the boxes layer.",
    ),
    "keep": Control(
        f"Keep  ({SHORTCUTS['keep'].key})",
        f"{SHORTCUTS['keep'].text} ({SHORTCUTS['keep'].key}). Labels that exist are never "
        "overwritten.",
    ),
    "status": Control("", "The image being annotated, the model in use and where it runs."),
}

DEVICES: Final = (
    ("auto", "Automatic"),
    ("cpu", "CPU"),
    ("mps", "Apple GPU (MPS)") if sys.platform == "darwin" else ("cuda", "NVIDIA GPU (CUDA)"),
)
"""What `load_model` takes, and what the user reads."""

MESSAGES: Final = {
    "no image": "Open an image first, for example with File › Open Sample.",
    "not 2-D": "“{image}” has {ndim} dimensions; choose a grey or RGB image with two, such as one "
    "plane of it.",
    "image gone": "“{image}” was removed, which ends its annotation; kept labels stay.",
    "image changed": "“{image}” has new pixels; press Start to embed them.",
    "prompts gone": "The layer “{layer}” was removed; press Start to get it back.",
}

HINTS: Final = {
    "idle": "Choose an image and press Start.",
    "ready": "Click a structure, or draw a box.",
    "waiting": "Finding masks …",
    "nothing": "Nothing found here; click elsewhere.",
    "position": "{position} of {count}  ·  level {level}",
    "kept": "{position} of {count}  ·  level {level}  ·  kept",
    "status": "“{image}”  ·  {model} on {device}",
    "experimental": "{description} Experimental: {kinds}.",
    "to download": "{model} (to download)",
    "unusable": "{model} (cannot be used)",
}
