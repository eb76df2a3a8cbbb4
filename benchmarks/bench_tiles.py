"""Agreement of segmenting a picture in tiles with segmenting it at once.

``python benchmarks/bench_tiles.py FOLDER``; FOLDER holds one folder per set, each with
``images``. Pictures are seen at one scale, at once whatever their size and in tiles of several
sizes. 1024 pixels are the tiles that `tiny` uses, on pictures beyond that size; ``--scale 2`` shows
pictures of 1024 pixels as if they had 2048.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, lil_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from _report import write_report
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.evaluation.metrics import Detection, add_detections, detect
from napari_semantic_sam.inference.automatic.boxes import BoxIndex
from napari_semantic_sam.inference.automatic.objects import MainLevel
from napari_semantic_sam.inference.automatic.picture import main_level, suited_settings
from napari_semantic_sam.inference.automatic.plane import segment_plane
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding
from napari_semantic_sam.io.images import IMAGE_SUFFIXES, read_image

THRESHOLD = 0.75


@dataclass(frozen=True)
class Compared:
    """One picture at once and in tiles.

    Attributes
    ----------
    levels : list of one Detection for each level
    whatever : Detection
        Of masks of any level.
    seconds : (float, float)
        At once, in tiles.
    """

    levels: list[list[Detection]]
    whatever: Detection
    seconds: tuple[float, float]


def pictures(folder: Path, count: int, longest: int) -> list[Path]:
    """Return the largest pictures of a set that are not longer than so many pixels."""
    sizes = {}
    for path in sorted(folder.glob("images/*")):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            height, width = read_image(path).shape[:2]
            if max(height, width) <= longest:
                sizes[path] = height * width
    largest = [path for path, size in sizes.items() if size == max(sizes.values())]
    if len(largest) >= count:  # evenly spread, as neighbours in a folder are often alike
        return largest[:: len(largest) // count][:count]
    return sorted(sizes, key=lambda path: -sizes[path])[:count]


def segment(
    predictor: Predictor, plane: Plane, scale: float, edge: int
) -> tuple[LevelLabels, float]:
    """Segment a plane at a scale, in tiles of so many pixels of the input, and time it."""
    start = time.perf_counter()
    embedding = PlaneEmbedding(plane, predictor.model, EmbeddingCache(), scale=scale, edge=edge)
    labels = segment_plane(predictor, embedding, suited_settings(predictor))
    return labels, time.perf_counter() - start


def masks_of(labels: LevelLabels) -> list[CroppedMask]:
    """Return the labels of all levels as masks."""
    masks = []
    for level in labels.levels:
        for each in labels.rows(level):
            y0, x0, y1, x1 = box = labels.box(level, each.index)
            crop = labels.array(level)[y0:y1, x0:x1] == each.index
            masks.append(CroppedMask(box, crop, labels.shape))
    return masks


def any_level(first: LevelLabels, second: LevelLabels, threshold: float) -> Detection:
    """Match masks one to one whatever their levels are."""
    ones, others = masks_of(first), masks_of(second)
    index = BoxIndex(mask.box for mask in others)
    graph = lil_array((len(ones), len(others)), dtype=bool)
    for row_number, mask in enumerate(ones):
        for column in index.meeting(mask.box):
            graph[row_number, column] = mask.iou(others[column]) >= threshold
    pairs = int((maximum_bipartite_matching(csr_array(graph)) >= 0).sum())
    return Detection(threshold, pairs, len(ones) - pairs, len(others) - pairs)


def compare(whole: LevelLabels, tiled: LevelLabels, seconds: tuple[float, float]) -> Compared:
    """Compare all levels."""
    levels = [detect(whole.array(level), tiled.array(level), [THRESHOLD]) for level in whole.levels]
    return Compared(levels, any_level(whole, tiled, THRESHOLD), seconds)


def row(
    name: str, edge: int, compared: Sequence[Compared], main: MainLevel | None
) -> dict[str, Any]:
    """Make a row of the results of some pictures."""
    levels = [
        add_detections(same) for same in zip(*(each.levels for each in compared), strict=True)
    ]
    (of_levels,) = add_detections([[level] for same in levels for level in same])
    (whatever,) = add_detections([[each.whatever] for each in compared])
    at_once, tiled = np.mean([each.seconds for each in compared], axis=0)
    return {
        "set": name,
        "pictures": len(compared),
        "tile": edge,
        "masks at once": whatever.matched + whatever.missed,
        "F1 any level": whatever.f1,
        "F1 same level": of_levels.f1,
        **({} if main is None else {"F1 objects": levels[main.level - 1][0].f1}),
        **{f"level {n}": same.f1 for n, (same,) in enumerate(levels, start=1)},
        "s at once": at_once,
        "s tiled": tiled,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=["dsb2018", "usiigaci_phase", "em_vnc"])
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--longest", type=int, default=1536, help="side of a picture")
    parser.add_argument("--scale", type=float, default=1.0, help="pixels seen per pixel")
    parser.add_argument("--tiles", type=int, nargs="+", default=[1024, 512, 256])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/tiles.json"))
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model, "cpu"))
    objects = main_level(predictor)
    rows: list[dict[str, Any]] = []
    every: dict[int, list[Compared]] = {edge: [] for edge in options.tiles}
    for name in options.sets:
        mine: dict[int, list[Compared]] = {edge: [] for edge in options.tiles}
        for path in pictures(options.folder / name, options.pictures, options.longest):
            plane = Plane.of(read_image(path))
            longest = math.ceil(options.scale * max(plane.shape))
            whole, at_once = segment(predictor, plane, options.scale, longest)
            for edge in (each for each in options.tiles if each < longest):
                tiled, seconds = segment(predictor, plane, options.scale, edge)
                mine[edge].append(compare(whole, tiled, (at_once, seconds)))
        rows += [row(name, edge, mine[edge], objects) for edge in options.tiles if mine[edge]]
        every = {edge: every[edge] + mine[edge] for edge in options.tiles}
    if len(options.sets) > 1:
        rows += [row("all", edge, every[edge], objects) for edge in options.tiles if every[edge]]
    write_report(
        options.output,
        "Segmenting in tiles against segmenting at once",
        rows,
        {
            "model": options.model,
            "checkpoint": predictor.model.checkpoint_hash,
            "longest side": options.longest,
            "scale": options.scale,
            "torch threads": torch.get_num_threads(),
            "device": "cpu",
        },
        [
            f"F1 at an IoU of {THRESHOLD}; what is found at once counts as the truth. Objects are "
            "the masks of the level that the checkpoint names."
        ],
    )


if __name__ == "__main__":
    main()
