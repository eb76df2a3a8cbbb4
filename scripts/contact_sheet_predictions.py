"""Write a PNG with what one click gives on annotated images: typical objects, and the worst.

``python scripts/contact_sheet_predictions.py images masks sheet.png``. Every tile is an object
after a click at its centre (yellow dot): the annotation in white, the mask with the highest
predicted IoU in orange, and the best of the six in blue where it is another one. The upper rows
are objects drawn at random, the lower ones those with the worst mask of highest predicted IoU
among ten times as many.
"""

from __future__ import annotations

import argparse
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.evaluation.objects import TrueObject, find_objects
from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.inference.pieces import centre_pixel
from napari_semantic_sam.inference.results import Candidate, CroppedMask
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import pair_files

TILE = 160
COLUMNS = 8
WHITE, ORANGE, BLUE, YELLOW = (255, 255, 255), (255, 140, 0), (0, 170, 255), (255, 230, 0)
_CONTEXT = 2.2
"""Side of a tile as a multiple of the object's."""

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """An object, where it was clicked and what came of it."""

    picture: Picture
    target: TrueObject
    click: tuple[int, int]
    shown: Candidate
    best: Candidate

    @property
    def iou(self) -> float:
        """Of the mask with the highest predicted IoU."""
        return self.shown.iou(self.target)


def answers(
    predictor: Predictor, images: Path, masks: Path, number: int, seed: int
) -> list[Answer]:
    """Click on so many objects, an equal share of every image."""
    files = pair_files(images, {"": masks}).files
    share = -(-number // len(files))
    found = []
    for each in files:
        rng = np.random.default_rng([seed, zlib.crc32(each.stem.encode())])
        objects = find_objects(read_labels(each.masks[""]))
        chosen = [objects[index] for index in rng.permutation(len(objects))[:share]]
        if chosen:
            found += _answers_in(predictor, read_image(each.image), chosen)
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[index] for index in order]


def _answers_in(
    predictor: Predictor, image: npt.NDArray[Any], objects: list[TrueObject]
) -> list[Answer]:
    picture = normalise(image).round().astype(np.uint8)
    clicks = [centre_pixel(target) for target in objects]
    results = predictor.predict(predictor.embed(image), points=clicks)
    return [
        Answer(
            picture,
            target,
            click,
            result.best,
            max(result.candidates, key=lambda mask, target=target: mask.iou(target)),  # type: ignore[misc]
        )
        for target, click, result in zip(objects, clicks, results, strict=True)
    ]


def tile(answer: Answer) -> Picture:
    """Draw one answer, magnified to the size of a tile."""
    y0, x0, y1, x1 = answer.target.box
    side = max(24, round(_CONTEXT * max(y1 - y0, x1 - x0)))
    top, left = (y0 + y1 - side) // 2, (x0 + x1 - side) // 2
    window = _window(answer.picture, top, left, side)
    drawn = np.array(Image.fromarray(window).resize((TILE, TILE), Image.Resampling.BICUBIC))
    outlines: list[tuple[CroppedMask, tuple[int, int, int]]] = [(answer.target, WHITE)]
    if answer.best is not answer.shown:
        outlines.append((answer.best, BLUE))
    for mask, colour in [*outlines, (answer.shown, ORANGE)]:
        drawn[_outline(mask, top, left, side)] = colour
    y, x = ((np.array(answer.click) - (top, left) + 0.5) * TILE / side).astype(int)
    drawn[y - 1 : y + 2, x - 1 : x + 2] = YELLOW
    return drawn


def _window(picture: Picture, top: int, left: int, side: int) -> Picture:
    """Cut a square window, black beyond the border."""
    padded = np.pad(picture, ((side, side), (side, side), (0, 0)))
    return padded[top + side : top + 2 * side, left + side : left + 2 * side]


def _outline(mask: CroppedMask, top: int, left: int, side: int) -> npt.NDArray[np.bool_]:
    """Border of a mask in the magnified window."""
    cells = (np.arange(TILE) + 0.5) * side / TILE
    rows, columns = (top + cells).astype(int), (left + cells).astype(int)
    full = np.pad(mask.full_mask(), side)
    shown = full[np.ix_(rows + side, columns + side)]
    border: npt.NDArray[np.bool_] = shown & ~ndimage.binary_erosion(shown)
    return border


def main() -> None:
    """Read the options and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", type=int, default=2, help="of each half")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    count = options.rows * COLUMNS
    predictor = Predictor(load_model(options.model))
    found = answers(predictor, options.images, options.masks, 11 * count, options.seed)
    typical, others = found[:count], found[count:]
    worst = sorted(others, key=lambda answer: answer.iou)[:count]
    tiles = [np.pad(tile(each), ((0, 2), (0, 2), (0, 0))) for each in [*typical, *worst]]
    lines = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    widest = max(line.shape[1] for line in lines)
    sheet = [np.pad(line, ((0, 0), (0, widest - line.shape[1]), (0, 0))) for line in lines]
    Image.fromarray(np.concatenate(sheet)).save(options.output)


if __name__ == "__main__":
    main()
