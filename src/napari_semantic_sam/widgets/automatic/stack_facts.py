"""What is known of the axes of a stack, for tables of its objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from napari_semantic_sam.annotation.measuring import steps_in_um
from napari_semantic_sam.inference.automatic.object_totals import (
    WholeObject,
    object_extent,
    object_size,
)
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.label_row import LabelRow
from napari_semantic_sam.widgets.annotator import Annotator


@dataclass(frozen=True)
class StackFacts:
    """Axes of planes and steps along them.

    Attributes
    ----------
    axes : str
        Of T and Z those that planes run along.
    counts : tuple of int
        Number of planes along each of them.
    steps : mapping of letter to float
        In micrometres along Z, Y, X, as far as they are known.
    """

    axes: str = ""
    counts: tuple[int, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, annotator: Annotator) -> StackFacts:
        """Return those of the image of the session in progress; nothing without one."""
        image, frame, opened = annotator.image, annotator.frame, annotator.opened
        if image is None or frame is None or opened is None:
            return cls()
        axes = opened.source.plane_axes
        shown = (*frame.walked, frame.y, frame.x)
        scale = [float(image.scale[axis]) for axis in shown]
        units = [str(image.units[axis]) for axis in shown]
        return cls(axes, opened.source.plane_counts, steps_in_um(scale, units, f"{axes}YX"))

    @property
    def is_stack(self) -> bool:
        """Whether there are several planes."""
        return any(count > 1 for count in self.counts)

    @property
    def has_volumes(self) -> bool:
        """Whether the volumes of objects are known."""
        depth = dict(zip(self.axes, self.counts, strict=True)).get("Z", 1)
        return depth > 1 and len(self.steps) == len("ZYX")

    def slices_text(self, planes: Sequence[PlaneIndex]) -> str:
        """Say from where to where an object goes, and through how many slices if not all."""
        parts = []
        for place, (letter, count) in enumerate(zip(self.axes, self.counts, strict=True)):
            if count > 1:
                known = object_extent(_only(planes, place), letter)
                number, first, last = known.values()
                span = str(first) if first == last else f"{first}–{last}"
                gaps = f" ({number})" if number < last - first + 1 else ""
                parts.append(f"{letter.lower()} {span}{gaps}")
        return ", ".join(parts)

    def volume_text(self, row: LabelRow, planes: Sequence[PlaneIndex]) -> str:
        """Return the volume of an object in cubic micrometres; "" if it is not known."""
        volume = object_size(WholeObject(row, planes), self.axes, self.steps).get("volume_um3")
        return "" if volume is None else f"{volume:.4g}"


NO_STACK = StackFacts()


def _only(planes: Sequence[PlaneIndex], place: int) -> WholeObject:
    return WholeObject(LabelRow(0, 0), [plane[place : place + 1] for plane in planes])
