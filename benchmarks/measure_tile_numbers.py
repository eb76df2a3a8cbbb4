"""What a tile changes in the numbers of a published network whose weights mean nothing.

    python benchmarks/measure_tile_numbers.py PICTURE --output benchmarks/results/tile_numbers.json

The weights are those of the reference, made from the names of the tensors: masks segment nothing.
They are compared all the same, because every number of the network goes into them: around clicks
at random places, the masks of every token on the tile that answers the click with those on the
whole picture, both pixel for pixel.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from _report import write_report
from napari_semantic_sam import Predictor
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.results import Box, PromptResult
from napari_semantic_sam.inference.tiles import EmbeddingCache, PlaneEmbedding
from napari_semantic_sam.io.images import read_image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from published_reference import synthetic_model, synthetic_weights

REACH = 96
"""Pixels around a click in which masks are compared."""


def same_pixels(
    whole: PromptResult, tile: PromptResult, box: Box, corner: tuple[int, int]
) -> float:
    """Return the share of pixels of a box on which the masks of all tokens agree."""
    top, left = corner
    on_tile = (box[0] - top, box[1] - left, box[2] - top, box[3] - left)
    pairs = zip(whole.candidates, tile.candidates, strict=True)
    return float(np.mean([one.window(box) == other.window(on_tile) for one, other in pairs]))


def compare(predictor: Predictor, picture: np.ndarray, edge: int, clicks: int) -> dict[str, float]:
    """Click a picture on a tile and as a whole, and the whole also one pixel beside."""
    rng = np.random.default_rng(0)
    whole = predictor.embed(picture, scale=1.0)
    tiled = PlaneEmbedding(
        Plane.of(picture), predictor.model, EmbeddingCache(), scale=1.0, edge=edge
    )
    rows = []
    for _ in range(clicks):
        y, x = (int(rng.uniform(REACH, side - REACH)) for side in whole.shape)
        box = (y - REACH, x - REACH, y + REACH, x + REACH)
        tile = tiled.tile_for(("click", (y, x)))
        top, left = tile.box[:2]
        plain, beside = predictor.predict(whole, points=[(y, x), (y, x + 1)])
        (found,) = predictor.predict(tiled.embed(tile), points=[(y - top, x - left)])
        scores = [
            abs(one.predicted_iou - other.predicted_iou)
            for one, other in zip(plain.candidates, found.candidates, strict=True)
        ]
        rows.append(
            (
                same_pixels(plain, found, box, (top, left)),
                same_pixels(plain, beside, box, (0, 0)),
                float(np.mean(scores)),
            )
        )
        print(rows[-1], flush=True)
    tile_agrees, beside_agrees, difference = np.median(rows, axis=0)
    return {
        "clicks": clicks,
        "same pixels, tile": float(tile_agrees),
        "same pixels, whole, clicked 1 px beside": float(beside_agrees),
        "difference of predicted IoU": float(difference),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", default="swin-t", choices=["swin-t", "swin-l"])
    parser.add_argument("--edge", type=int, default=640, help="of a tile, in pixels")
    parser.add_argument("--clicks", type=int, default=20)
    options = parser.parse_args()
    predictor = Predictor(synthetic_model(options.model, synthetic_weights(options.model)))
    picture = read_image(options.picture)
    row = compare(predictor, picture, options.edge, options.clicks)
    settings = {"model": options.model, "weights": "of the reference, not trained"}
    settings |= {"picture": options.picture.name, "side": str(picture.shape[:2])}
    remarks = ["Medians over the clicks. The weights segment nothing: these compare numbers."]
    rows = [{"what": f"tiles of {options.edge} px against the whole", **row}]
    write_report(options.output, "Numbers on tiles", rows, settings, remarks)


if __name__ == "__main__":
    main()
