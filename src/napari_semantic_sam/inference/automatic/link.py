"""Label images of successive slices linked into objects: nuclei in a stack, tracks in a movie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.inference.automatic.overlap import (
    LabelSlice,
    SliceOverlaps,
    assign,
    slice_overlaps,
)
from napari_semantic_sam.inference.drift import STILL, Shift
from napari_semantic_sam.inference.label_runs import LabelArray


@dataclass(frozen=True)
class LinkRules:
    """Which labels of two slices may be the same object.

    Attributes
    ----------
    least_iou : float
        Two labels whose IoU is at least this …
    least_cover : float
        … or of which one covers at least this share of the other, 0..1.
    divisions : bool
        Whether an object may become several, as cells in time do.
    """

    least_iou: float = 0.25
    least_cover: float = 0.6
    divisions: bool = False


@dataclass(frozen=True)
class Link:
    """One row of the table: one label of one slice.

    Attributes
    ----------
    index : int
        Of the slice.
    label : int
        Its number in the label image of that slice.
    object : int
        The number of the object it belongs to, from 1, the same in all slices.
    parent : int
        In the first slice of an object, the one it split off from; 0 elsewhere.
    previous_index, previous_label : int
        The label it continues, or split off from; -1 and 0 where an object begins.
    iou : float
        With that label, moved as the picture moves; 0 where an object begins.
    """

    index: int
    label: int
    object: int
    parent: int = 0
    previous_index: int = -1
    previous_label: int = 0
    iou: float = 0.0


class LinkTable:
    """Which object each label of each slice belongs to.

    Attributes
    ----------
    rows : tuple of Link
        By slice and label.
    """

    def __init__(self, rows: Iterable[Link]) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: (row.index, row.label)))
        self._objects: dict[int, dict[int, int]] = {}
        for row in self.rows:
            self._objects.setdefault(row.index, {})[row.label] = row.object

    def objects(self, index: int) -> dict[int, int]:
        """Return the object of each label of a slice."""
        return dict(self._objects.get(index, {}))

    def relabel(self, index: int, labels: LabelArray) -> npt.NDArray[np.int32]:
        """Return the label image of a slice with the numbers of the objects."""
        known = self._objects.get(index, {})
        values, place = np.unique(labels, return_inverse=True)
        numbers = [known.get(value, 0) for value in values.tolist()]
        return np.array(numbers, dtype=np.int32)[place].reshape(labels.shape)


def link_slices(
    slices: Iterable[Any],
    *,
    drifts: Iterable[Shift] | None = None,
    rules: LinkRules = LinkRules(),
) -> LinkTable:
    """Link the label images of the slices of one level into objects.

    From slice to slice labels are paired one to one so that the sum of the IoUs is largest;
    pairs that `rules` do not allow are no pairs. Then

    1. labels without a partner are paired in the same way with objects that are missing in
       just the slice before: one slice may be bridged (it stays empty there);
    2. with `LinkRules.divisions`, a label that is still left, and is covered by an object
       that went on elsewhere, makes that a division: the object ends, and both labels begin
       new ones that name it as their parent;
    3. every other label begins a new object.

    Parameters
    ----------
    slices : iterable of (H, W) integers
        All of one shape, 0 being background; three are kept at a time. They are read in
        blocks, so that those in a zarr need not fit memory.
    drifts : iterable of (dy, dx), optional
        By how many pixels everything moves from each slice to the next, see `find_drift`;
        one fewer than slices. Without, nothing does.
    rules : LinkRules

    Returns
    -------
    LinkTable
    """
    linker = _Linker(rules)
    moves = iter(drifts) if drifts is not None else None
    for index, labels in enumerate(slices):
        drift = next(moves) if moves is not None and index else STILL
        linker.add(index, LabelSlice(labels), drift)
    return LinkTable(row for rows in linker.rows for row in rows.values())


@dataclass
class _Linker:
    """Slices up to now: the rows of each by label, and the last two label images."""

    rules: LinkRules
    rows: list[dict[int, Link]] = field(default_factory=list)
    _images: list[LabelSlice] = field(default_factory=list)
    _last_drift: Shift = STILL
    _objects: int = 0

    def add(self, index: int, labels: LabelSlice, drift: Shift) -> None:
        rows: dict[int, Link] = {}
        if index:
            overlaps = slice_overlaps(self._images[-1], labels, drift)
            self._continue(index, overlaps, rows, self.rows[-1].keys())
        if index > 1:
            both = (drift[0] + self._last_drift[0], drift[1] + self._last_drift[1])
            self._bridge(index, labels, both, rows)
        if index and self.rules.divisions:
            self._divide(index, overlaps, rows)
        for label in sorted(labels.areas.keys() - rows.keys()):
            rows[label] = Link(index, label, self._new_object())
        self.rows.append(rows)
        self._images = [*self._images[-1:], labels]
        self._last_drift = drift

    def _new_object(self) -> int:
        self._objects += 1
        return self._objects

    def _continue(
        self,
        index: int,
        overlaps: SliceOverlaps,
        rows: dict[int, Link],
        may_go_on: Iterable[int],
        back: int = 1,
    ) -> None:
        """Pair labels that are free with labels of an earlier slice whose objects may go on."""
        covered = np.maximum(overlaps.covered_before, overlaps.covered_after)
        allowed = (overlaps.iou >= self.rules.least_iou) | (covered >= self.rules.least_cover)
        allowed &= np.isin(overlaps.before, list(may_go_on))
        allowed &= ~np.isin(overlaps.after, list(rows))
        earlier = self.rows[-back]
        for before, after, iou in assign(overlaps.only(allowed)).pairs():
            number = earlier[before].object
            rows[after] = Link(index, after, number, 0, index - back, before, iou)

    def _bridge(self, index: int, labels: LabelSlice, drift: Shift, rows: dict[int, Link]) -> None:
        seen = {row.object for row in (*self.rows[-1].values(), *rows.values())}
        seen |= {row.parent for row in self.rows[-1].values()}
        missing = [label for label, row in self.rows[-2].items() if row.object not in seen]
        if missing:
            overlaps = slice_overlaps(self._images[-2], labels, drift)
            self._continue(index, overlaps, rows, missing, back=2)

    def _divide(self, index: int, overlaps: SliceOverlaps, rows: dict[int, Link]) -> None:
        inside = overlaps.only(overlaps.covered_after >= self.rules.least_cover)
        daughters: dict[int, dict[int, float]] = {}
        for before, after, iou in inside.pairs():
            row = rows.get(after)
            if row is None or (row.previous_index, row.previous_label) == (index - 1, before):
                daughters.setdefault(before, {})[after] = iou
        for before, ious in daughters.items():
            if len(ious) > 1 and any(label in rows for label in ious):
                mother = self.rows[-1][before].object
                for label, iou in ious.items():
                    number = self._new_object()
                    rows[label] = Link(index, label, number, mother, index - 1, before, iou)
