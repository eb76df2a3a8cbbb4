"""Everything in a picture at once, compared with all annotated objects of it.

Instance segmentation without prompts: F1 at IoU thresholds and COCO's average precision, at
every level, beside what a classical method reaches on the same pictures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.evaluation.average_precision import RankedHits, average_precision
from napari_semantic_sam.evaluation.files import check_size
from napari_semantic_sam.evaluation.floor import otsu_watershed
from napari_semantic_sam.evaluation.metrics import (
    Detection,
    add_detections,
    count_matches,
    detect,
    overlaps,
)
from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import PairedFiles

if TYPE_CHECKING:
    from napari_semantic_sam.inference import Predictor
    from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
    from napari_semantic_sam.inference.level_labels import LevelLabels

Labels = npt.NDArray[np.integer[Any]]

THRESHOLDS = (0.5, 0.75)
"""IoU from which an object counts as found, for F1."""


@dataclass(frozen=True)
class Agreement:
    """How well one level of a picture agrees with a label image, of which no pixel is kept.

    Attributes
    ----------
    detections : list of Detection
        At `THRESHOLDS`.
    ranked : RankedHits
    """

    detections: list[Detection]
    ranked: RankedHits

    @classmethod
    def of(cls, truth: Labels, found: LevelLabels, level: int) -> Agreement:
        """Compare a ``(H, W)`` label image."""
        table = overlaps(truth, found.array(level))
        scores = [row.predicted_iou for row in found.rows(level)]
        return cls(count_matches(table, THRESHOLDS), RankedHits.of(table, scores))


@dataclass(frozen=True)
class AutomaticResult:
    """What was measured on one picture, or on several put together.

    Attributes
    ----------
    levels : mapping of int to list of Agreement
        Of every level; one entry for each picture and label image.
    floor : list of list of Detection
        The same of the classical method, at `THRESHOLDS`.
    level : int
        The one that is reported as the result.
    sources : tuple of str
        Name of the masks folder of each entry.
    seconds : float
    pictures : int
    """

    levels: Mapping[int, list[Agreement]]
    floor: list[list[Detection]]
    level: int
    sources: tuple[str, ...]
    seconds: float = 0.0
    pictures: int = 0

    @property
    def measured(self) -> bool:
        """Whether there is an annotated object."""
        return any(_true_objects(entry) for entry in self.floor)

    def summary(self) -> dict[str, float]:
        """Return flat numbers: of all objects and, below its name, of each named folder."""
        if not self.floor:
            return {"n_objects": 0}
        numbers = self._numbers(range(len(self.floor)))
        for name in dict.fromkeys(filter(None, self.sources)):
            chosen = [row for row, source in enumerate(self.sources) if source == name]
            numbers |= {f"{name}/{key}": value for key, value in self._numbers(chosen).items()}
        return numbers | {"seconds_picture": self.seconds / self.pictures}

    def _numbers(self, rows: Iterable[int]) -> dict[str, float]:
        """Numbers of some entries: of the level that counts, the floor, and all levels."""
        chosen = list(rows)
        by_level = {
            level: _scores([entries[row] for row in chosen])
            for level, entries in self.levels.items()
        }
        floor = _f1([self.floor[row] for row in chosen])
        objects = sum(_true_objects(self.floor[row]) for row in chosen)
        numbers: dict[str, float] = {"n_objects": objects, "level": self.level}
        numbers |= by_level[self.level]
        numbers |= {f"floor_{name}": value for name, value in floor.items()}
        for level, scores in by_level.items():
            numbers |= {f"level_{level}/{name}": value for name, value in scores.items()}
        return numbers


@dataclass(frozen=True)
class AutomaticProtocol:
    """Segments pictures as ``segment --automatic`` does and compares every level.

    Attributes
    ----------
    predictor : Predictor
    settings : AutomaticSettings
        With all levels to report.
    level : int
        The one that counts.
    channels : sequence of int, optional
        See `Predictor.embed`.
    """

    predictor: Predictor
    settings: AutomaticSettings
    level: int
    channels: Sequence[int] | None = None

    @classmethod
    def of(
        cls, predictor: Predictor, level: int | None, channels: Sequence[int] | None
    ) -> AutomaticProtocol:
        """Use what suits the checkpoint.

        The level is the one asked for, else that of the checkpoint's record, else the middle
        one.

        Raises
        ------
        UserError
            If there is no such level.
        """
        from napari_semantic_sam.inference.automatic.picture import main_level, suited_settings

        settings = suited_settings(predictor)
        main, middle = main_level(predictor), settings.levels[(len(settings.levels) - 1) // 2]
        suited = main.level if main else middle
        chosen = suited if level is None else level
        suited_settings(predictor, [chosen])  # complains about a level that does not exist
        return cls(predictor, settings, chosen, channels)

    def image(self, files: PairedFiles) -> AutomaticResult:
        """Measure one picture.

        Raises
        ------
        UserError
            If a file cannot be used.
        """
        from napari_semantic_sam.inference.automatic.picture import segment_picture

        truths = [
            (name, plane)
            for name, path in files.masks.items()
            for plane in _planes(read_labels(path))
        ]
        picture = read_image(files.image)
        start = time.perf_counter()
        found = segment_picture(self.predictor, picture, self.settings, channels=self.channels)
        seconds = time.perf_counter() - start
        for name, truth in truths:
            check_size(files.masks[name], truth.shape, files.image, found.shape)
        classical = self._floor(picture)
        return AutomaticResult(
            levels={
                level: [Agreement.of(truth, found, level) for _, truth in truths]
                for level in found.levels
            },
            floor=[detect(truth, classical, THRESHOLDS) for _, truth in truths],
            level=self.level,
            sources=tuple(name for name, _ in truths),
            seconds=seconds,
            pictures=1,
        )

    def total(self, results: Sequence[AutomaticResult]) -> AutomaticResult:
        """Put the results of several pictures, at least one, together."""
        return AutomaticResult(
            levels={
                level: [entry for each in results for entry in each.levels[level]]
                for level in self.settings.levels
            },
            floor=[entry for each in results for entry in each.floor],
            level=self.level,
            sources=tuple(name for each in results for name in each.sources),
            seconds=sum(each.seconds for each in results),
            pictures=sum(each.pictures for each in results),
        )

    def _floor(self, picture: npt.NDArray[Any]) -> Labels:
        is_plain = picture.ndim == 2 or picture.shape[2:] in ((3,), (4,))
        if self.channels is not None or not is_plain:
            picture = normalise(picture, channels=self.channels)
        return otsu_watershed(picture)


def _planes(labels: Labels) -> Iterable[Labels]:
    return labels if labels.ndim == 3 else (labels,)


def _true_objects(entry: Sequence[Detection]) -> int:
    return entry[0].matched + entry[0].missed


def _scores(entries: Sequence[Agreement]) -> dict[str, float]:
    precision = average_precision([each.ranked for each in entries])
    return _f1([each.detections for each in entries]) | {
        "ap": float(np.mean(list(precision.values())))
    }


def _f1(found: Sequence[Sequence[Detection]]) -> dict[str, float]:
    """F1 of all objects together, and its mean over the pictures."""
    numbers = {}
    for place, together in enumerate(add_detections(found)):
        name = f"f1_{round(100 * together.threshold)}"
        numbers[name] = together.f1
        numbers[f"mean_{name}"] = float(np.mean([each[place].f1 for each in found]))
    return numbers
