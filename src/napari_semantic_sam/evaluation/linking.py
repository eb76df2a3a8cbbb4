"""Slices segmented one by one and linked into objects, against annotated objects."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.evaluation.automatic import AutomaticProtocol
from napari_semantic_sam.evaluation.link_metrics import LinkCounts, add_links, count_links
from napari_semantic_sam.evaluation.metrics import Detection, add_detections, detect
from napari_semantic_sam.evaluation.stack_floors import touching_slices
from napari_semantic_sam.evaluation.stacks import read_stack
from napari_semantic_sam.inference.automatic.link import LinkRules, link_slices
from napari_semantic_sam.inference.drift import Drifts, Shift
from napari_semantic_sam.io.pairs import PairedFiles

if TYPE_CHECKING:
    from napari_semantic_sam.inference import Predictor
    from napari_semantic_sam.inference.automatic.settings import AutomaticSettings

Axis = Literal["Z", "T"]
Labels = npt.NDArray[np.integer[Any]]

_THRESHOLD = 0.5
"""IoU in 3-D from which an object counts as found."""


@dataclass(frozen=True)
class Score:
    """How well linked labels agree with the truth.

    Attributes
    ----------
    detection : Detection
        Of whole objects.
    links : LinkCounts
    """

    detection: Detection
    links: LinkCounts

    @classmethod
    def of(cls, truth: Labels, found: Labels) -> Score:
        """Compare two ``(N, H, W)`` integer arrays."""
        return cls(detect(truth, found, (_THRESHOLD,))[0], count_links(truth, found))

    def numbers(self, prefix: str) -> dict[str, float]:
        """Return flat numbers."""
        return {
            f"{prefix}f1_50": self.detection.f1,
            f"{prefix}link_accuracy": self.links.accuracy,
            f"{prefix}link_recall": self.links.recall,
        }


@dataclass(frozen=True)
class LinkingResult:
    """What was measured on one stack, or on several put together.

    Attributes
    ----------
    scores : tuple of dict of str to Score
        One for each stack and masks folder; by the prefix of their names in the summary.
    sources : tuple of str
        Name of the masks folder of each.
    level : int
    seconds : float
        To segment and link.
    slices : int
    """

    scores: tuple[dict[str, Score], ...]
    sources: tuple[str, ...]
    level: int
    seconds: float = 0.0
    slices: int = 0

    @property
    def measured(self) -> bool:
        """Whether there is an annotated object."""
        return _objects(self.scores) > 0

    def summary(self) -> dict[str, float]:
        """Return flat numbers: of all objects and, below its name, of each named folder."""
        numbers = self._numbers(self.scores)
        for name in dict.fromkeys(filter(None, self.sources)):
            chosen = [
                each
                for each, source in zip(self.scores, self.sources, strict=True)
                if source == name
            ]
            numbers |= {f"{name}/{key}": value for key, value in self._numbers(chosen).items()}
        return numbers | {"seconds_slice": self.seconds / max(1, self.slices)}

    def _numbers(self, scores: Sequence[dict[str, Score]]) -> dict[str, float]:
        numbers: dict[str, float] = {"n_objects": _objects(scores), "level": self.level}
        for prefix in scores[0]:
            together = Score(
                add_detections([[each[prefix].detection] for each in scores])[0],
                add_links([each[prefix].links for each in scores]),
            )
            numbers |= together.numbers(prefix)
        return numbers


@dataclass(frozen=True)
class LinkingProtocol:
    """Segments every slice as ``segment --automatic`` does, and links the labels of every level.

    The numbers of one level are reported as the result, and those of all below their names, as
    ``level_2/f1_50``. ``f1_50`` is F1 of whole objects at an IoU of 0.5 in 3-D. ``link_recall``
    is the share of the annotated links (an object in two successive slices) whose both ends were
    found, with an IoU above 0.5 in their slices, as one object; ``link_accuracy`` counts them
    against all links that are annotated or were made. ``floor_…``: the same labels joined
    wherever they touch from slice to slice. ``given_…`` and ``given_floor_…``: both for the
    annotated masks of the slices without their numbers, which leaves out what segmentation does
    wrong.

    Attributes
    ----------
    predictor : Predictor
    settings : AutomaticSettings
        With all levels to report.
    level : int
        The one that counts.
    channels : sequence of int, optional
        See `Predictor.embed`.
    axis : "Z" or "T"
        In time, objects may divide.
    """

    predictor: Predictor
    settings: AutomaticSettings
    level: int
    channels: Sequence[int] | None
    axis: Axis

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        level: int | None,
        channels: Sequence[int] | None,
        axis: Axis,
    ) -> LinkingProtocol:
        """Use what suits the checkpoint, and the level that `AutomaticProtocol.of` chooses.

        Raises
        ------
        UserError
            If there is no such level.
        """
        of_planes = AutomaticProtocol.of(predictor, level, channels)
        return cls(predictor, of_planes.settings, of_planes.level, channels, axis)

    def image(self, files: PairedFiles) -> LinkingResult:
        """Measure one stack.

        Raises
        ------
        UserError
            If a file cannot be used.
        """
        stack = read_stack(files)
        start = time.perf_counter()
        segmented = self._segment(stack.slices)
        drifts = Drifts(stack.slices.__getitem__)
        moves = [drifts(index, index + 1) for index in range(len(stack.slices) - 1)]
        linked = {level: self._link(labels, moves) for level, labels in segmented.items()}
        seconds = time.perf_counter() - start
        found = {f"level_{level}/": labels for level, labels in linked.items()} | {
            f"level_{level}/floor_": touching_slices(labels) for level, labels in segmented.items()
        }
        scores = tuple(self._compare(truth, found, moves) for _, truth in stack.truths)
        sources = tuple(name for name, _ in stack.truths)
        return LinkingResult(scores, sources, self.level, seconds, len(stack.slices))

    def total(self, results: Sequence[LinkingResult]) -> LinkingResult:
        """Put the results of several stacks, at least one, together."""
        return LinkingResult(
            tuple(scores for each in results for scores in each.scores),
            tuple(source for each in results for source in each.sources),
            self.level,
            sum(each.seconds for each in results),
            sum(each.slices for each in results),
        )

    def _segment(self, slices: npt.NDArray[Any]) -> dict[int, Labels]:
        """Return the labels of each level, ``(N, H, W)``."""
        from napari_semantic_sam.inference.automatic.picture import segment_picture

        found: dict[int, list[Labels]] = {level: [] for level in self.settings.levels}
        for picture in slices:
            labels = segment_picture(self.predictor, picture, self.settings, channels=self.channels)
            for level, parts in found.items():
                array = labels.array(level)
                parts.append(array.astype(np.min_scalar_type(int(array.max()))))
        return {level: np.stack(parts) for level, parts in found.items()}

    def _compare(
        self, truth: Labels, found: Mapping[str, Labels], moves: Sequence[Shift]
    ) -> dict[str, Score]:
        """Score everything that was found, the level that counts once more without its name."""
        scores = {prefix: Score.of(truth, labels) for prefix, labels in found.items()}
        counting = {kind: scores[f"level_{self.level}/{kind}"] for kind in ("", "floor_")}
        given = {
            "given_": Score.of(truth, self._link(truth, moves)),
            "given_floor_": Score.of(truth, touching_slices(truth)),
        }
        return counting | given | scores

    def _link(self, slices: Labels, moves: Sequence[Shift]) -> Labels:
        rules = LinkRules(divisions=self.axis == "T")
        table = link_slices(slices, drifts=moves, rules=rules)
        return np.stack([table.relabel(index, each) for index, each in enumerate(slices)])


def _objects(scores: Sequence[dict[str, Score]]) -> int:
    return sum(each[""].detection.matched + each[""].detection.missed for each in scores)
