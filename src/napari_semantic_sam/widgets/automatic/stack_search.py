"""All slices of a stack: segmented one by one beside the viewer, then linked into objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_semantic_sam.annotation.automatic import AutomaticRequest, Found, Pace, label_plane
from napari_semantic_sam.annotation.bulk import Patch, patches_of
from napari_semantic_sam.annotation.engine import OpenPicture, Report
from napari_semantic_sam.batch.label_stack import LabelStack
from napari_semantic_sam.batch.linking import Movements, Numbers
from napari_semantic_sam.errors import UserError, naming
from napari_semantic_sam.inference.automatic.guided import Region
from napari_semantic_sam.inference.automatic.link import LinkRules
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate

Part = tuple[PlaneIndex, Sequence[Candidate]]
"""Masks that were found in a plane, before they are labels."""


@dataclass(frozen=True)
class Linking:
    """Along which axis objects go on.

    Attributes
    ----------
    axis : int
        Of the axes of planes.
    divisions : bool
        Whether an object may become several, as cells in time do.
    """

    axis: int
    divisions: bool

    @classmethod
    def along(cls, letter: str, axes: str, counts: Sequence[int]) -> Linking:
        """Return how objects go on along T or Z.

        Parameters
        ----------
        letter : str
        axes : str
            Of T and Z those that planes lie along. If there are several planes along one of
            them only, that may be either, because few pictures say what it is.
        counts : sequence of int
            Number of planes along each of them.
        """
        long = _long(axes, counts)
        return cls(axes.index(letter if letter in long else long), divisions=letter == "T")


def offered_axes(axes: str, counts: Sequence[int]) -> str:
    """Return the letters that objects may go on along, the likeliest first; see `Linking.along`."""
    long = _long(axes, counts)
    return "".join(sorted("TZ", key=lambda letter: letter != long[-1])) if long else ""


def _long(axes: str, counts: Sequence[int]) -> str:
    return "".join(letter for letter, count in zip(axes, counts, strict=True) if count > 1)


@dataclass(frozen=True)
class StackRequest:
    """What to look for in all planes.

    Attributes
    ----------
    everywhere : AutomaticRequest
        The same in every plane, but for `inside`.
    inside : mapping of PlaneIndex to Region, optional
        Where to look in each plane, and nowhere in planes without an entry; as `everywhere` says
        when left out.
    linking : Linking, optional
        Without, every label is an object of its own.
    """

    everywhere: AutomaticRequest
    inside: Mapping[PlaneIndex, Region] | None = None
    linking: Linking | None = None

    def of(self, plane: PlaneIndex) -> AutomaticRequest | None:
        """Return what to look for in a plane; None for nothing."""
        if self.inside is None:
            return self.everywhere
        inside = self.inside.get(plane)
        return None if inside is None else replace(self.everywhere, inside=inside)

    def planes(self, counts: Sequence[int]) -> list[PlaneIndex]:
        """Return all planes, those that are linked one after the other."""
        axes = list(range(len(counts)))
        if self.linking is not None:
            axes.append(axes.pop(self.linking.axis))
        back = [axes.index(axis) for axis in range(len(counts))]
        walked = np.ndindex(tuple(counts[axis] for axis in axes))
        return [tuple(index[place] for place in back) for index in walked]


def find_in_stack(
    opened: OpenPicture,
    wanted: StackRequest,
    report: Report,
    stopped: Callable[[], bool],
    draft: Callable[[Part], None],
) -> Found:
    """Segment every plane of a picture, and link the labels; runs on a worker thread.

    A plane that cannot be segmented is named and left without labels. Label images wait
    compressed; predicted IoU and stability of an object are the means of its labels.

    Parameters
    ----------
    opened : OpenPicture
        Any plane of the picture.
    wanted : StackRequest
    report : callable
        Told the share that is done, and the time left in words.
    stopped : callable
        Asked now and then. What was found until it is true is linked and is the result.
    draft : callable
        Told of masks, and of their plane, as soon as they are likely to be kept.

    Raises
    ------
    UserError
        If a level does not exist, or no plane can be segmented.
    """
    counts = opened.source.plane_counts
    planes = wanted.planes(counts)
    length = counts[wanted.linking.axis] if wanted.linking else 1  # every plane by itself
    survey = _Survey(opened, wanted, planes, Movements(length))
    survey.run(report, stopped, draft)
    report("Linking the slices …", 1.0)
    return survey.found()


class _Survey:
    """The planes that were segmented so far."""

    def __init__(
        self,
        opened: OpenPicture,
        wanted: StackRequest,
        planes: Sequence[PlaneIndex],
        movements: Movements,
    ) -> None:
        self._opened = opened
        self._wanted = wanted
        self._planes = planes
        self._movements = movements
        self._labels = LabelStack(opened.source.shape, len(planes))
        self._rows: dict[int, dict[int, list[LabelRow]]] = {}
        self._skipped: list[str] = []

    def run(
        self, report: Report, stopped: Callable[[], bool], draft: Callable[[Part], None]
    ) -> None:
        """Segment plane by plane."""
        pace, count = Pace(), len(self._planes)
        for number, index in enumerate(self._planes):
            if stopped():
                break

            def progress(share: float, number: int = number) -> None:
                done = (number + share) / count
                report(pace.text(done, f"Slice {number + 1} of {count}"), done)

            def tell(masks: Sequence[Candidate], index: PlaneIndex = index) -> None:
                draft((index, masks))

            progress(0)
            self._add(number, index, progress, stopped, tell)
        if len(self._skipped) == count:
            raise UserError(self._skipped[0])

    def found(self) -> Found:
        """Return the labels of all planes, numbered by their objects."""
        linking = self._wanted.linking
        rules = LinkRules(divisions=linking is not None and linking.divisions)
        _, numbers = self._labels.link(self._movements, rules)
        objects = {level: set[int]() for level in self._labels.levels}
        for (_, level, _), number in numbers.items():
            objects[level].add(number)
        counts = {level: len(found) for level, found in objects.items() if found}
        return Found(list(self._patches(numbers)), counts, tuple(self._skipped))

    def _add(
        self,
        number: int,
        index: PlaneIndex,
        progress: Callable[[float], None],
        stopped: Callable[[], bool],
        draft: Callable[[Sequence[Candidate]], None],
    ) -> None:
        request = self._wanted.of(index)
        if request is None:
            return
        plane = self._opened.source.plane(index)
        opened = self._opened if index == self._opened.plane else self._opened.at(index)
        try:
            labels = label_plane(opened, request, progress, stopped, draft)
            if self._wanted.linking is not None:
                self._movements.add(number, plane)
        except UserError as error:
            self._skipped.append(naming(error, plane.name))
            return
        self._labels.add(number, {level: labels.array(level) for level in labels.levels})
        self._rows[number] = {level: labels.rows(level) for level in labels.levels}

    def _patches(self, numbers: Numbers) -> Iterator[Patch]:
        """Yield the labels level by level, coarse to fine."""
        for level, planes in self._labels.levels.items():
            rows = self._objects(level, numbers)
            for number, array in enumerate(planes):
                if number in self._rows:
                    labels = LevelLabels(self._opened.source.shape)
                    labels.attach(level, array, rows)
                    yield from patches_of(labels, self._planes[number])

    def _objects(self, level: int, numbers: Numbers) -> list[LabelRow]:
        """Return what is known about each object of a level."""
        parts: dict[int, list[LabelRow]] = {}
        for number, levels in self._rows.items():
            for row in levels[level]:
                parts.setdefault(numbers[number, level, row.index], []).append(row)
        return [
            replace(
                rows[0],
                index=index,
                predicted_iou=float(np.mean([row.predicted_iou for row in rows])),
                stability=float(np.mean([row.stability for row in rows])),
            )
            for index, rows in parts.items()
        ]
