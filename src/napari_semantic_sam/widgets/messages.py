"""What notifications say, once; `napari_semantic_sam.errors.UserError` says the rest."""

from __future__ import annotations

from typing import Final

MESSAGES: Final = {
    "no image": "Open an image first, for example with File › Open Sample.",
    "3-D view": "“{image}” is shown as a volume; click on the cube below the list of layers to "
    "show slices, which can be annotated.",
    "no plane": "“{image}” has too few dimensions; choose an image with at least two besides its "
    "channels.",
    "too many axes": "The image has {count} axes of slices; choose one with at most two, such as "
    "time and depth.",
    "not flat": "A click or shape must lie in one slice, along the two axes that were shown when "
    "Start was pressed; turn the axes back, or press Start to annotate these.",
    "image gone": "“{image}” was removed, which ends its annotation; kept labels stay.",
    "image changed": "“{image}” has new pixels; press Start to embed them.",
    "no start": "Keep a mask in this slice first, or select a label of this slice in its level "
    "layer.",
    "no label": "There is no label to refine; move the mouse over one, or select one in its layer.",
    "prompts gone": "The layer “{layer}” was removed; undo, or press Start, to get it back.",
    "level taken": "The layer “{layer}” is left alone, because “{image}” has another layer of its "
    "level already; remove that one to use this one.",
    "merge levels": "Only objects of one level can be merged; select some of the same level.",
    "nothing unclear": "No unlabelled region is left to look at in “{image}”.",
    "no clicks": "This model takes no clicks, which looking for unclear regions needs; choose "
    "another model.",
    "no automatic": "This model takes no clicks, which segmenting the whole image needs; choose "
    "another model.",
    "no shape": "No shape is selected; draw one in a Shapes layer, or select one there, or look "
    "for objects in the whole image.",
    "shape outside": "The selected shape lies outside of “{image}”; draw it on the image.",
    "no objects": "No object is selected; select some in the list or the tree of “Kept objects”, "
    "or look for objects in the whole image.",
    "not in slice": "The selected objects are not in this slice; go to one that they are in, or "
    "look in all slices.",
    "slice skipped": "{problem} This slice was left without labels.",
    "more skipped": "{count} more slices were left without labels.",
    "view outside": "Nothing of “{image}” is in view; move the camera back to it.",
    "nothing kept": "There is no object yet that others could be like; keep one, or uncheck "
    "“Like what I kept”.",
    "no level": "Check at least one level to look for.",
    "no coarser": "Level {level} has no coarser one.",
    "no finer": "Level {level} has no finer one.",
    "no bucket": "The bucket does not fill background in a picture this large; draw the outline "
    "with the polygon tool, or click with a prompt.",
}
