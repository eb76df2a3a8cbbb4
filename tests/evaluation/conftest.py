from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.results import Candidate, PromptResult


@dataclass(frozen=True)
class Picture:
    """Stands for an embedding: the stub predictor looks at the pixels."""

    pixels: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]


class GreyPredictor:
    """A predictor whose answers can be worked out by hand.

    Of a click it gives three masks: all pixels as grey as the one clicked (expected to have
    IoU 0.6), all that are as grey or brighter (0.8), and nothing (0.1). Of a box it gives the
    box (0.5), its upper half (0.9) and nothing (0.1).
    """

    model = SimpleNamespace(checkpoint_hash="c0ffee", device=torch.device("cpu"))

    def __init__(self) -> None:
        self.clicks: list[tuple[int, int]] = []

    def embed(self, image: np.ndarray, *, channels: Sequence[int] | None = None) -> Picture:
        if channels is not None:
            image = image[..., channels[0]]
        if min(image.shape) < 2:
            raise UserError("The picture is too small.")
        return Picture(image)

    def predict(self, embedding: Picture, points=(), boxes=()) -> list[PromptResult]:
        self.clicks += points
        return [self._click(embedding, *point) for point in points] + [
            self._box(embedding, *box) for box in boxes
        ]

    def _click(self, picture: Picture, y: int, x: int) -> PromptResult:
        grey = picture.pixels[y, x]
        masks = [picture.pixels == grey, picture.pixels >= grey, np.zeros(picture.shape, bool)]
        return PromptResult("click", (y, x), candidates(masks, (0.6, 0.8, 0.1)))

    def _box(self, picture: Picture, y0: int, x0: int, y1: int, x1: int) -> PromptResult:
        masks = np.zeros((3, *picture.shape), bool)
        masks[0, y0:y1, x0:x1] = True
        masks[1, y0 : (y0 + y1) // 2, x0:x1] = True
        return PromptResult("box", (y0, x0, y1, x1), candidates(masks, (0.5, 0.9, 0.1)))


def candidates(masks: Sequence[np.ndarray], predicted: Sequence[float]) -> tuple[Candidate, ...]:
    found = []
    for token, (mask, iou) in enumerate(zip(masks, predicted, strict=True)):
        rows, columns = np.nonzero(mask)
        box = (0, 0, 0, 0)
        if len(rows):
            box = (
                int(rows.min()),
                int(columns.min()),
                int(rows.max()) + 1,
                int(columns.max()) + 1,
            )
        crop = mask[box[0] : box[2], box[1] : box[3]]
        found.append(Candidate(box, crop, mask.shape, token, token + 1, iou, 1.0))
    return tuple(found)


@pytest.fixture
def predictor() -> GreyPredictor:
    return GreyPredictor()


class Folders:
    """Pictures and label images on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = self._made("images")

    def _made(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder

    def picture(self, stem: str, pixels: np.ndarray) -> Path:
        path = self.images / f"{stem}.png"
        PIL.Image.fromarray(pixels.astype(np.uint8)).save(path)
        return path

    def labels(self, stem: str, labels: np.ndarray, name: str = "masks") -> Path:
        path = self._made(name) / f"{stem}.tif"
        tifffile.imwrite(path, labels.astype(np.uint16), photometric="minisblack")
        return path

    def __getitem__(self, name: str) -> Path:
        return self.root / name


@pytest.fixture
def folders(tmp_path) -> Folders:
    return Folders(tmp_path)


def cell_with_nucleus() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, its cells and its nuclei.

    The cell of 21 × 21 pixels is grey (50) with a bright nucleus (200) of 7 × 7 pixels in its
    middle; beside it lies a dim cell (20) of 11 × 11 pixels without one.
    """
    cells, nuclei = np.zeros((2, 60, 40), int)
    cells[10:31, 10:31], cells[40:51, 25:36], nuclei[17:24, 17:24] = 1, 2, 1
    picture = np.where(cells == 1, 50, 0) + np.where(cells == 2, 20, 0)
    return np.where(nuclei == 1, 200, picture), cells, nuclei


@pytest.fixture
def cell_folders(folders) -> Folders:
    picture, cells, nuclei = cell_with_nucleus()
    folders.picture("a", picture)
    folders.labels("a", cells, "cells")
    folders.labels("a", nuclei, "nuclei")
    return folders
