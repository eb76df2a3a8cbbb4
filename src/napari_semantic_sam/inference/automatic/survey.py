"""What is known about masks from their logits at mask stride, before anything is full size."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_semantic_sam.inference.automatic.asking import Answers
from napari_semantic_sam.inference.automatic.decisions import groups_of
from napari_semantic_sam.inference.automatic.duplicates import undecided
from napari_semantic_sam.inference.automatic.full_size import POSSIBLE, SURE, Frame, full_size
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.model.predictions import MaskPiece, MaskSource

_MARGIN = (0.02, 0.8)
"""How far the stability at mask stride may be from the one at full size: this, and this over
the root of the mask's number of cells."""
_FEW_CELLS = 4
"""Smaller masks may vanish when they are brought to the size of the picture."""


@dataclass(frozen=True)
class _Sketch:
    """One mask at mask stride.

    Attributes
    ----------
    place : (int, int)
        Number of its source, and its row there.
    token, level : int
    predicted_iou : float
    stability, margin : float
        And how far it may be off.
    box : (y0, x0, y1, x1) floats
        First and last pixels in the picture, off by no more than half a cell and half a pixel.
    cells : int
        Where the logit is above 0.
    """

    place: tuple[int, int]
    token: int
    level: int
    predicted_iou: float
    stability: float
    margin: float
    box: tuple[float, float, float, float]
    cells: int


@dataclass
class Survey:
    """Collects masks and keeps only what is needed to compute the chosen ones again.

    Attributes
    ----------
    frame : Frame
    settings : AutomaticSettings
    covered : (L, h, w) bool array
        Cells that a confident mask of each level in the settings covers.
    crowded : (h, w) bool array
        Cells in and around small confident masks.
    """

    frame: Frame
    settings: AutomaticSettings
    covered: npt.NDArray[np.bool_] = field(init=False)
    crowded: npt.NDArray[np.bool_] = field(init=False)
    _sources: list[MaskSource] = field(default_factory=list, init=False)
    _sketches: list[_Sketch] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        cells = self.frame.cells
        self.covered = np.zeros((len(self.settings.levels), *cells), dtype=bool)
        self.crowded = np.zeros(cells, dtype=bool)

    def add(self, answers: Answers) -> None:
        """Look at the masks of some points."""
        number, some_stay = len(self._sources), False
        facts = zip(
            answers.masks.pieces(),
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

    def undecided(self) -> list[Candidate]:
        """Return at full size all masks that may be kept in the end, best predicted IoU first."""
        thresholds = self.settings.thresholds
        sketches = self._sketches
        (y, x) = self.frame.ratios
        chosen = undecided(
            np.array([each.box for each in sketches], dtype=np.float32).reshape(-1, 4),
            np.array([each.predicted_iou for each in sketches], dtype=np.float32),
            groups_of([each.level for each in sketches], self.settings.across_levels),
            np.array([self._is_certain(each) for each in sketches], dtype=bool),
            0.5 / min(y, x) + 0.5,
            thresholds.box_overlap,
        )
        found = self._full_size([sketches[index] for index in chosen])
        return [found[sketches[index].place] for index in chosen]

    def _is_certain(self, sketch: _Sketch) -> bool:
        least = self.settings.thresholds.stability + sketch.margin
        return sketch.stability >= least and sketch.cells >= _FEW_CELLS

    def _sketch(
        self, place: tuple[int, int], piece: MaskPiece, token: int, level: int, score: float
    ) -> _Sketch | None:
        """Measure a mask; None if it will certainly not be kept."""
        rows, columns = self.frame.cells
        logits = piece.logits[: rows - piece.y0, : columns - piece.x0]
        inside = logits > 0
        sure, possible, cells = (
            int(torch.count_nonzero(each)) for each in (logits > SURE, logits > POSSIBLE, inside)
        )
        if not cells:
            return None
        stability, margin = sure / possible, _MARGIN[0] + _MARGIN[1] / possible**0.5
        least = self.settings.thresholds.stability
        if stability < least - margin:
            return None
        window = _occupied(inside, piece)
        if stability >= least:
            self._mark(piece, inside, level, window, cells)
        y, x = self.frame.ratios
        box = (window[0] / y, window[1] / x, window[2] / y - 1, window[3] / x - 1)
        return _Sketch(place, token, level, score, stability, margin, box, cells)

    def _mark(
        self,
        piece: MaskPiece,
        inside: Tensor,
        level: int,
        window: tuple[int, int, int, int],
        cells: int,
    ) -> None:
        """Note where a confident mask is."""
        rank = self.settings.levels.index(level)
        rows, columns = inside.shape
        covered = self.covered[rank, piece.y0 : piece.y0 + rows, piece.x0 : piece.x0 + columns]
        covered |= inside.cpu().numpy()
        # Across, in pixels of the network's input, if it is a disc.
        across = 1.13 * cells**0.5 * self.frame.stride
        if across < 2 * self.settings.spacing:
            # Where one small object is, others like it are near.
            reach = round(2 * self.settings.spacing / self.frame.stride)
            y0, x0, y1, x1 = window
            self.crowded[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = True

    def _full_size(self, sketches: list[_Sketch]) -> dict[tuple[int, int], Candidate]:
        by_source: dict[int, list[_Sketch]] = {}
        for sketch in sketches:
            by_source.setdefault(sketch.place[0], []).append(sketch)
        found = {}
        for number, those in by_source.items():
            rows = torch.tensor([sketch.place[1] for sketch in those])
            masks = self._sources[number].pick(rows, torch.zeros_like(rows))
            for piece, sketch in zip(masks.pieces(), those, strict=True):
                found[sketch.place] = full_size(
                    piece,
                    self.frame,
                    token=sketch.token,
                    level=sketch.level,
                    predicted_iou=sketch.predicted_iou,
                )
        return found


def _occupied(inside: Tensor, piece: MaskPiece) -> tuple[int, int, int, int]:
    """Return the box of the cells of a mask, ``(y0, x0, y1, x1)``."""
    rows = inside.any(dim=1).nonzero()[:, 0]
    columns = inside.any(dim=0).nonzero()[:, 0]
    top, bottom, left, right = (int(each) for each in (rows[0], rows[-1], columns[0], columns[-1]))
    return piece.y0 + top, piece.x0 + left, piece.y0 + bottom + 1, piece.x0 + right + 1
