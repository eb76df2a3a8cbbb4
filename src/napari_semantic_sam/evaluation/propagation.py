"""Objects that are known in one slice, followed through the others, against their annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.evaluation.measurements import ImageResult, Measurements, total
from napari_semantic_sam.evaluation.objects import choose, stream_of
from napari_semantic_sam.evaluation.stacks import Stack, StackObject, read_stack, stack_objects
from napari_semantic_sam.inference.appearance import appearance
from napari_semantic_sam.inference.drift import Drifts
from napari_semantic_sam.inference.following import moved
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.propagation import Propagated, asking, propagate
from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.inference.standing_out import reading, stands_out
from napari_semantic_sam.io.pairs import PairedFiles

if TYPE_CHECKING:
    from napari_semantic_sam.inference import Predictor


@dataclass(frozen=True)
class PropagationProtocol:
    """Starts at the annotated mask of every object's middle slice, and goes both ways.

    ``iou_3d`` is the IoU of all its pixels, the given slice included, ``share_over_50`` how
    many objects have more than one half. ``floor_iou_3d`` is that of the same mask in each
    slice of the stack, moved as the picture moves; ``floor_extent_iou_3d`` the same in just
    the slices that hold the object, which nobody knows beforehand. ``slices_missed`` is the
    share of those slices, but for the given one, without a mask; ``slices_beyond`` the number
    of masks where the object is not.

    Attributes
    ----------
    predictor : Predictor
    seed, channels, max_objects
        See `evaluate`.
    """

    predictor: Predictor
    seed: int
    channels: Sequence[int] | None
    max_objects: int | None

    def image(self, files: PairedFiles) -> ImageResult:
        """Measure one stack.

        Raises
        ------
        UserError
            If a file cannot be used.
        """
        stack = read_stack(files)
        objects = [each for name, labels in stack.truths for each in stack_objects(labels, name)]
        chosen = choose(objects, self.max_objects, stream_of(files, self.seed))
        if not chosen:
            return ImageResult({})
        walk = _Walk(self.predictor, stack, self.channels)
        # Neighbours one after the other, so that slices are still embedded.
        measured: dict[str, list[dict[str, float]]] = {}
        for each in sorted(chosen, key=lambda each: each.middle):
            measured.setdefault(each.source, []).append(walk.measure(each))
        return ImageResult({name: _columns(rows) for name, rows in measured.items()})

    def total(self, results: Sequence[ImageResult]) -> ImageResult:
        """Put the results of several stacks together."""
        return total(results)


class _Walk:
    """One stack with what is computed once for all of its objects."""

    def __init__(self, predictor: Predictor, stack: Stack, channels: Sequence[int] | None) -> None:
        self._count = len(stack.slices)
        planes = [Plane.of(each, channels) for each in stack.slices]
        # Lazy, and what they compute is kept by the predictor within bounds.
        embeddings = [predictor.embed_plane(plane) for plane in planes]
        self._find = asking(predictor, embeddings.__getitem__)
        self._read = reading(stack.slices)
        self._drifts = Drifts(stack.slices.__getitem__)

    def measure(self, truth: StackObject) -> dict[str, float]:
        """Return the numbers of one object."""
        start, given = truth.middle, truth.masks[truth.middle]
        steps = list(
            propagate(
                self._find,
                start,
                given,
                self._count,
                displacement=self._drifts,
                contrast=partial(stands_out, self._read),
                appearance=partial(appearance, self._read),
            )
        )
        found = {start: given} | _masks(steps)
        copied = {index: moved(given, self._drifts(start, index)) for index in range(self._count)}
        iou = volume_iou(truth.masks, found)
        return {
            "iou_3d": iou,
            "share_over_50": float(iou > 0.5),
            "floor_iou_3d": volume_iou(truth.masks, copied),
            "floor_extent_iou_3d": volume_iou(
                truth.masks, {index: copied[index] for index in truth.masks}
            ),
            "slices_missed": len(truth.masks.keys() - found.keys()) / max(1, len(truth.masks) - 1),
            "slices_beyond": float(len(found.keys() - truth.masks.keys())),
        }


def volume_iou(truth: Mapping[int, CroppedMask], found: Mapping[int, CroppedMask]) -> float:
    """Intersection over union of two objects given slice by slice; 0 if both are empty."""
    common = sum(
        int(np.count_nonzero(mask.crop & found[index].window(mask.box)))
        for index, mask in truth.items()
        if index in found
    )
    areas = sum(mask.area for masks in (truth, found) for mask in masks.values())
    return common / (areas - common) if areas else 0.0


def _masks(steps: Sequence[Propagated]) -> dict[int, CroppedMask]:
    return {step.index: step.mask for step in steps if step.mask is not None}


def _columns(rows: Sequence[Mapping[str, float]]) -> Measurements:
    nothing = np.empty((len(rows), 0))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Measurements(columns, nothing, nothing)
