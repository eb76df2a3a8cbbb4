"""Computing again what a journal says the model found, and comparing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_semantic_sam.annotation.acts import write_mask
from napari_semantic_sam.annotation.changes import Groups, Step
from napari_semantic_sam.annotation.commit import Planned, cut_to_rule, refined_label
from napari_semantic_sam.annotation.edits import Edits, mask_of
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.annotation.picture_hash import Recogniser
from napari_semantic_sam.annotation.recording import Made, Recording, read_journal
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.annotation.stepping import Event
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.combination import combine
from napari_semantic_sam.inference.image.axes import guess_axes
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import EMPTY, Candidate, CroppedMask
from napari_semantic_sam.io.opening import OpenedImage

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import Predictor
    from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding

SAME_IOU = 0.999
"""On the same device, the recorded and the recomputed mask overlap at least this much."""


@dataclass(frozen=True)
class Replayed:
    """A kept object, as recorded and as computed again.

    Attributes
    ----------
    step : int
        Which step of the journal kept it, from 1.
    level, index : int
        The label.
    area : int
        As recorded, in pixels.
    iou : float
        Of the two masks, 0..1.
    """

    step: int
    level: int
    index: int
    area: int
    iou: float

    @property
    def is_same(self) -> bool:
        """Whether the two masks agree."""
        return self.iou >= SAME_IOU


def replay(
    journal: str | Path,
    image: OpenedImage | ImageSource,
    load: Callable[[str, str], Predictor],
    *,
    checkpoint: str | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Replayed]:
    """Compute the masks of a journal's kept objects again, from its prompts.

    What was edited by hand is taken as recorded; objects whose keeping was undone are left out.

    Parameters
    ----------
    journal : path
    image : OpenedImage or ImageSource
        The picture that was annotated, as `io.opening.open_image` gives it, whose axes and
        channels are those of the journal; or with its own.
    load : callable
        Returns the predictor of a checkpoint on a device.
    checkpoint, device : str, optional
        Instead of those named in the journal.
    progress : callable, optional
        Called with the events that are done, and their number.

    Returns
    -------
    list of Replayed
        In the order in which they were kept.

    Raises
    ------
    UserError
        If the journal cannot be read, or picture, checkpoint or preparation differ.
    """
    recording = read_journal(journal)
    source = _recognised(image, recording)
    predictor = load(
        recording.header.checkpoint if checkpoint is None else checkpoint,
        recording.header.device if device is None else device,
    )
    other = "another checkpoint than this one; name the right one with --checkpoint"
    _check(recording, "checkpoint_hash", predictor.model.checkpoint_hash, other)
    how = "a picture prepared differently: by another version, contrast limits or object size"
    scale = recording.header.scale
    for header in recording.headers:
        if header.preparation_hash != _preparation_hash(predictor, source, header, scale):
            raise UserError(f"{recording.path} was recorded with {how}.")
    return _Replay(predictor, source, scale).run(recording, progress)


def _recognised(image: OpenedImage | ImageSource, recording: Recording) -> ImageSource:
    """Return the picture as it was annotated."""
    for source in _sources(image, recording.header):
        if all(map(Recogniser(source).knows, recording.headers)):
            return source
    raise UserError(f"{recording.path} was recorded with another picture; give the one annotated.")


def _sources(image: OpenedImage | ImageSource, header: Header) -> Iterator[ImageSource]:
    """Yield the picture with the axes of the journal, or its single channels.

    napari may show a file with channels as several layers, whose axes lack that one.
    """
    if isinstance(image, ImageSource):
        yield replace(image, contrast_limits=header.contrast_limits)
        return
    finest, axes, channels = image.levels[0], header.axes, [header.channels]
    if len(axes) != len(finest.shape):
        is_split = len(axes) == len(finest.shape) - 1  # the first version noted no axes
        has_channels = is_split or header.channels is not None
        axes = guess_axes(finest.shape, finest.dtype, image.names, has_channels=has_channels)
        if is_split and "C" in axes:
            channels = [(channel,) for channel in range(finest.shape[axes.index("C")])]
    for chosen in channels:
        limits, name = header.contrast_limits, str(image.path)
        yield ImageSource(image.levels, axes, chosen, limits, name=name)


def _preparation_hash(
    predictor: Predictor, source: ImageSource, header: Header, scale: float | None
) -> str:
    if header.journal == 1:  # when pictures were embedded whole
        pixels = np.asarray(source.levels[0])
        return predictor.embed(pixels, contrast_limits=header.contrast_limits).preparation_hash
    return predictor.embed_plane(source.plane(header.plane), scale=scale).preparation_hash


def _check(recording: Recording, field: str, present: str, complaint: str) -> None:
    if any(getattr(header, field) != present for header in recording.headers):
        raise UserError(f"{recording.path} was recorded with {complaint}.")


class _Replay:
    """Walks through a recording; before each step that kept something, asks the model."""

    def __init__(self, predictor: Predictor, source: ImageSource, scale: float | None) -> None:
        self._predictor, self._source, self._scale = predictor, source, scale
        self._embeddings: dict[PlaneIndex, PlaneEmbedding] = {}
        self._session = AnnotationSession(LevelLabels(source.shape, source.plane_counts))
        self._groups: Groups = {}
        self._label_masks: dict[Prompt, CroppedMask] = {}
        self._undone: set[Step] = set()
        self._session.listeners.append(self._listen)

    def run(
        self, recording: Recording, progress: Callable[[int, int], None] | None
    ) -> list[Replayed]:
        found: dict[Step, list[Replayed]] = {}
        for number, event in enumerate(recording.events, 1):
            if isinstance(event, Made):
                found[event.step] = self._step(event.step, len(found) + 1)
            else:
                event.apply(self._session)
            self._session.settle()
            self._look_at_labels()
            if progress is not None:
                progress(number, len(recording.events))
        return [each for step, kept in found.items() if step not in self._undone for each in kept]

    def _listen(self, event: Event, step: Step) -> None:
        """Note which steps are taken back."""
        if event == "undo":
            self._undone.add(step)
        elif event == "redo":
            self._undone.discard(step)

    def _step(self, step: Step, number: int) -> list[Replayed]:
        computed: list[CroppedMask] = []
        if step.origin:
            self._session.go(step.planes[0])
            computed = self._recompute(step.origin)
        self._session.perform(step)
        labels = step.origin["labels"] if step.origin else ()
        return [
            _compare(number, _mask(self._session.levels, label), mask, label)
            for label, mask in zip(labels, computed, strict=True)
        ]

    def _recompute(self, origin: Mapping[str, Any]) -> list[CroppedMask]:
        """Return the masks of the labels that would be written; nothing stays written."""
        levels, prompts = self._session.levels, origin["prompts"]
        candidates = self._candidates(prompts)
        refined = refined_label(prompts, levels)
        written: list[Mapping[str, int]] = []
        edits = Edits(levels)
        for label in origin["labels"]:
            level, candidate, index = label["level"], label["candidate"], 0
            refines = label["index"] if refined == (level, label["index"]) else 0
            if candidate < len(candidates):
                mask = origin["cleanup"].apply(candidates[candidate])
                mask = cut_to_rule(mask, levels, level, origin["rule"], prompts, refines)
                planned = Planned(candidate, level, mask, refines)
                index = write_mask(edits, planned, "click").index if mask.area else 0
            written.append({"level": level, "index": index})
        masks = [_mask(levels, label) for label in written]
        edits.revert()
        return masks

    def _candidates(self, prompts: Sequence[Prompt]) -> tuple[Candidate, ...]:
        plane = self._session.plane
        if plane not in self._embeddings:
            self._embeddings[plane] = self._predictor.embed_plane(
                self._source.plane(plane), scale=self._scale
            )
        embedding = self._embeddings[plane]
        return combine(self._predictor, embedding, prompts, self._label_masks).candidates

    def _look_at_labels(self) -> None:
        """Note how labels look when they become prompts, which is when the model is asked."""
        before, self._groups = self._groups, dict(self._session.groups)
        for group, prompts in self._groups.items():
            if before.get(group) != prompts:
                self._label_masks |= _masks_of(prompts, self._session.levels)


def _masks_of(prompts: Sequence[Prompt], levels: LevelLabels) -> dict[Prompt, CroppedMask]:
    labels = {
        prompt: (int(prompt.coordinates[0]), int(prompt.coordinates[1]))
        for prompt in prompts
        if prompt.kind == "label"
    }
    return {
        prompt: mask_of(levels, *label)
        for prompt, label in labels.items()
        if label[1] in levels.areas(label[0])
    }


def _mask(levels: LevelLabels, label: Mapping[str, int]) -> CroppedMask:
    """Return the pixels of a label; none if there is no such label."""
    if label["index"] in levels.areas(label["level"]):
        return mask_of(levels, label["level"], label["index"])
    return CroppedMask(EMPTY, np.zeros((0, 0), dtype=bool), levels.shape)


def _compare(
    step: int, recorded: CroppedMask, computed: CroppedMask, label: Mapping[str, int]
) -> Replayed:
    iou = recorded.iou(computed)
    return Replayed(step, label["level"], label["index"], recorded.area, iou)
