"""What is known about masks from their logits at mask stride, before anything is full size."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_semantic_sam.inference.automatic.asking import Answers
from napari_semantic_sam.inference.automatic.decisions import group_of
from napari_semantic_sam.inference.automatic.duplicates import KeptBoxes, best_first, corners
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.masks import POSSIBLE, SURE, Frame, full_size
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.model.predictions import MaskPiece, MaskSource

_MARGIN = (0.02, 0.8)
"""How far the stability at mask stride may be from the one at full size: this, and this over
the root of the mask's number of cells."""


@dataclass(frozen=True)
class _Sketch:
    """One mask at mask stride.

    Attributes
    ----------
    place : (int, int)
        Number of its source, and its row there.
    token, level : int
    predicted_iou : float
    box : (y0, x0, y1, x1) floats
        First and last pixels in the picture.
    tolerance : float
        How far these may be off.
    """

    place: tuple[int, int]
    token: int
    level: int
    predicted_iou: float
    box: tuple[float, float, float, float]
    tolerance: float


@dataclass
class Survey:
    """Collects masks and keeps only what is needed to compute the chosen ones again.

    Attributes
    ----------
    frame : Frame
    settings : AutomaticSettings
    covered : (L, h, w) bool array
        Cells that a confident mask of each level in the settings covers.
    crowded, taken : (h, w) bool arrays
        Cells around small confident masks, and cells in them.
    """

    frame: Frame
    settings: AutomaticSettings
    covered: npt.NDArray[np.bool_] = field(init=False)
    crowded: npt.NDArray[np.bool_] = field(init=False)
    taken: npt.NDArray[np.bool_] = field(init=False)
    _sources: list[MaskSource] = field(default_factory=list, init=False)
    _sketches: list[_Sketch] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        cells = self.frame.cells
        self.covered = np.zeros((len(self.settings.levels), *cells), dtype=bool)
        self.crowded, self.taken = np.zeros((2, *cells), dtype=bool)

    def add(self, answers: Answers) -> None:
        """Look at the masks of some points."""
        number, some_stay = len(self._sources), False
        facts = zip(
            answers.masks.sketches(),
            answers.tokens.tolist(),
            answers.levels.tolist(),
            answers.predicted_iou.tolist(),
            strict=True,
        )
        for row, (piece, token, level, score) in enumerate(facts):
            sketch = self._sketch((number, row), piece, token, level, score)
            if sketch is not None:
                self._sketches.append(sketch)
                some_stay = True
        if some_stay:
            self._sources.append(answers.masks)

    def open(self) -> npt.NDArray[np.bool_]:
        """Return the cells that no confident mask covers at some level, ``(h, w)``."""
        return np.asarray(~self.covered.all(axis=0))

    def narrow(self) -> npt.NDArray[np.bool_]:
        """Return the cells beside small objects, where others like them may be, ``(h, w)``."""
        return self.crowded & ~self.taken

    def survivors(self) -> list[Candidate]:
        """Return the stable masks without duplicates at full size, best predicted IoU first.

        In this order the fate of a mask depends on those before it alone. It is brought to
        full size only if no mask that was kept rules it out already.
        """
        thresholds = self.settings.thresholds
        taken, kept = KeptBoxes(thresholds.box_overlap), []
        for index in best_first([sketch.predicted_iou for sketch in self._sketches]):
            sketch = self._sketches[index]
            group = group_of(sketch.level, self.settings.across_levels)
            if taken.rule_out(np.array(sketch.box, np.float32), group, sketch.tolerance):
                continue
            mask = self._full_size(sketch)
            if not mask.area or mask.stability < thresholds.stability:
                continue
            if not taken.rule_out(corners(mask.box), group):
                taken.keep(corners(mask.box), group)
                kept.append(mask)
        return kept

    def _sketch(
        self, place: tuple[int, int], piece: MaskPiece, token: int, level: int, score: float
    ) -> _Sketch | None:
        """Measure a mask; None if it will certainly not be kept."""
        seen = _within(piece, self.frame.cells)
        inside = seen > 0
        sure, possible, positive = (
            int(torch.count_nonzero(each)) for each in (seen > SURE, seen > POSSIBLE, inside)
        )
        if not positive:
            return None
        stability, margin = sure / possible, _MARGIN[0] + _MARGIN[1] / possible**0.5
        least = self.settings.thresholds.stability
        if stability < least - margin:
            return None
        window, cells = _occupied(inside, piece), positive * piece.step**2
        if stability >= least:
            self._mark(piece, inside, level, window, cells)
        y, x = self.frame.ratios
        box = (window[0] / y, window[1] / x, window[2] / y - 1, window[3] / x - 1)
        # The outline is within half a cell of the last one known to be in or out.
        tolerance = (piece.step - 0.5) / min(y, x) + 0.5
        return _Sketch(place, token, level, score, box, tolerance)

    def _mark(
        self,
        piece: MaskPiece,
        inside: Tensor,
        level: int,
        window: tuple[int, int, int, int],
        cells: int,
    ) -> None:
        """Note where a confident mask is."""
        mask = inside.cpu().numpy().repeat(piece.step, axis=0).repeat(piece.step, axis=1)
        height, width = self.frame.cells
        mask = mask[: height - piece.y0, : width - piece.x0]
        place = np.s_[piece.y0 : piece.y0 + mask.shape[0], piece.x0 : piece.x0 + mask.shape[1]]
        self.covered[self.settings.levels.index(level)][place] |= mask
        # Across, in pixels of the network's input, if it is a disc.
        across = 1.13 * cells**0.5 * self.frame.stride
        if across < 2 * self.settings.spacing:
            reach = round(self.settings.spacing / self.frame.stride)
            y0, x0, y1, x1 = window
            self.crowded[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = True
            self.taken[place] |= mask

    def _full_size(self, sketch: _Sketch) -> Candidate:
        source, row = sketch.place
        rows = torch.tensor([row])
        (piece,) = self._sources[source].pick(rows, torch.zeros_like(rows)).pieces()
        return full_size(
            piece,
            self.frame,
            token=sketch.token,
            level=sketch.level,
            predicted_iou=sketch.predicted_iou,
        )


def _within(piece: MaskPiece, cells: tuple[int, int]) -> Tensor:
    """Return the logits that stand for cells of the picture, not of the padding."""
    rows = -(-(cells[0] - piece.y0) // piece.step)
    columns = -(-(cells[1] - piece.x0) // piece.step)
    return piece.logits[: max(0, rows), : max(0, columns)]


def _occupied(inside: Tensor, piece: MaskPiece) -> tuple[int, int, int, int]:
    """Return the box of the cells of a mask, ``(y0, x0, y1, x1)``."""
    rows = inside.any(dim=1).nonzero()[:, 0]
    columns = inside.any(dim=0).nonzero()[:, 0]
    top, bottom, left, right = (
        int(each) * piece.step for each in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
    )
    return piece.y0 + top, piece.x0 + left, piece.y0 + bottom, piece.x0 + right
