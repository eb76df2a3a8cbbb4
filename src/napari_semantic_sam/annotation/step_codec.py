"""Steps as plain data that JSON can hold, and back without a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from napari_semantic_sam.annotation.changes import (
    Change,
    Choice,
    ChoiceChange,
    LabelsChange,
    PromptsChange,
    Step,
)
from napari_semantic_sam.annotation.label_codec import (
    Plain,
    decode_groups,
    decode_labels,
    decode_prompts,
    decode_row,
    encode_groups,
    encode_labels,
    encode_prompts,
    encode_row,
)
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.label_parts import PlaneIndex


def encode_step(step: Step) -> Plain:
    """Return a step as ``text``, ``changes`` and, if it has one, ``origin``."""
    data: Plain = {"text": step.text, "changes": [_encode_change(each) for each in step.changes]}
    return data if step.origin is None else data | {"origin": _encode_origin(step.origin)}


def decode_step(data: Mapping[str, Any]) -> Step:
    """Return the step that `encode_step` was given.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the data is not of that form.
    """
    changes = tuple(_DECODERS[each["what"]](each) for each in data["changes"])
    return Step(data["text"], changes, _decode_origin(data["origin"]) if "origin" in data else None)


def _encode_origin(origin: Mapping[str, Any]) -> Plain:
    own = {"prompts": encode_prompts(origin["prompts"]), "cleanup": asdict(origin["cleanup"])}
    return {**origin, **own}


def _decode_origin(data: Mapping[str, Any]) -> Plain:
    own = {"prompts": decode_prompts(data["prompts"]), "cleanup": CleanUp(**data["cleanup"])}
    return {**data, **own, "labels": tuple(data["labels"])}


def _encode_change(change: Change) -> Plain:
    if isinstance(change, LabelsChange):
        return _encode_labels_change(change) | _encode_plane(change.plane)
    if isinstance(change, PromptsChange):
        return {
            "what": "prompts",
            "before": encode_groups(change.before),
            "after": encode_groups(change.after),
        } | _encode_plane(change.plane)
    return {
        "what": "choice",
        "group": change.group,
        "before": _encode_choice(change.before),
        "after": _encode_choice(change.after),
    }


def _encode_labels_change(change: LabelsChange) -> Plain:
    data: Plain = {"what": "labels", "level": change.level}
    if change.window is not None:
        data["window"] = [int(edge) for edge in change.window]
    for side in ("before", "after"):
        pixels, rows = getattr(change, side), getattr(change, f"rows_{side}")
        data[side] = None if pixels is None else encode_labels(pixels)
        data[f"rows_{side}"] = [encode_row(row) for row in rows]
    return data


def _encode_plane(plane: PlaneIndex) -> Plain:
    """Return where in a stack a change is; nothing for a single plane."""
    return {"plane": list(map(int, plane))} if plane else {}


def _decode_plane(data: Mapping[str, Any]) -> PlaneIndex:
    return tuple(data.get("plane", ()))


def _encode_choice(choice: Choice) -> Plain:
    kept = {str(index): list(map(int, label)) for index, label in choice.kept.items()}
    data: Plain = {"index": choice.index, "marked": sorted(choice.marked), "kept": kept}
    return data if choice.level is None else data | {"level": choice.level}


def _decode_labels_change(data: Mapping[str, Any]) -> LabelsChange:
    before, after = (
        None if data[side] is None else decode_labels(data[side]) for side in ("before", "after")
    )
    return LabelsChange(
        level=data["level"],
        window=tuple(data["window"]) if "window" in data else None,
        before=before,
        after=after,
        rows_before=tuple(map(decode_row, data["rows_before"])),
        rows_after=tuple(map(decode_row, data["rows_after"])),
        plane=_decode_plane(data),
    )


def _decode_prompts_change(data: Mapping[str, Any]) -> PromptsChange:
    before, after = decode_groups(data["before"]), decode_groups(data["after"])
    return PromptsChange(before, after, _decode_plane(data))


def _decode_choice_change(data: Mapping[str, Any]) -> ChoiceChange:
    return ChoiceChange(
        data["group"], _decode_choice(data["before"]), _decode_choice(data["after"])
    )


def _decode_choice(data: Mapping[str, Any]) -> Choice:
    kept = {int(index): tuple(label) for index, label in data["kept"].items()}
    return Choice(data["index"], frozenset(data["marked"]), kept, data.get("level"))


_DECODERS: dict[str, Callable[[Mapping[str, Any]], Change]] = {
    "labels": _decode_labels_change,
    "prompts": _decode_prompts_change,
    "choice": _decode_choice_change,
}
