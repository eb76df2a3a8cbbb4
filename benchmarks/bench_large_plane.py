"""Clicks on a 20 000 × 20 000 pyramid that is computed where it is read.

    python benchmarks/bench_large_plane.py --output benchmarks/results/large_plane.json

Nothing of the picture is in memory or on disk. The first click pays for choosing the contrast
and for embedding its tiles; the next ones find tiles at hand.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from _report import write_report
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.inference.image import ImageSource
from napari_semantic_sam.inference.tiles import EmbeddingCache, PlaneEmbedding

FACTORS = (1, 2, 4, 8, 16, 32, 64)
CELL = 48
"""Distance from one nucleus to the next, in pixels."""


class Tissue:
    """One level of a pyramid: nuclei in glands in tissue, computed pixel by pixel.

    Parameters
    ----------
    side : int
        Of the finest level.
    factor : int
        Pixels of the finest level per pixel of this one.
    """

    dtype = np.dtype(np.uint16)
    ndim = 2

    def __init__(self, side: int, factor: int) -> None:
        self.shape = (side // factor, side // factor)
        self._factor = factor

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (
            np.arange(side, dtype=np.float32)[part] * self._factor + (self._factor - 1) / 2
            for part, side in zip(key, self.shape, strict=True)
        )
        y, x = rows[:, None], columns[None, :]
        glands = np.sin(y / 300 + np.sin(x / 500)) * np.sin(x / 270 + np.sin(y / 410))
        shifted_y, shifted_x = y + 9 * np.sin(x / 71), x + 9 * np.sin(y / 53)
        distance = np.hypot(shifted_y % CELL - CELL / 2, shifted_x % CELL - CELL / 2)
        values = 2000 + 6000 * (glands > 0) + 9000 * (distance < 11)
        return (values + 900 * np.sin(x * 1.7) * np.sin(y * 2.3)).astype(self.dtype)


def timed_clicks(
    predictor: Predictor, embedding: PlaneEmbedding, points: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Return the seconds on the clock and the processor seconds of each click."""
    clock, processor = [], []
    for point in points:
        start, work = time.perf_counter(), time.process_time()
        predictor.predict(embedding, points=[point])
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - work)
    return clock, processor


def row(what: str, measured: tuple[list[float], list[float]], tiles: int) -> dict[str, object]:
    """Return the medians and the worst case of some clicks."""
    clock, processor = measured
    return {
        "what": what,
        "clicks": len(clock),
        "s, median": statistics.median(clock),
        "s, slowest": max(clock),
        "CPU s, median": statistics.median(processor),
        "tiles in memory": tiles,
        "peak memory of the process, GB": peak(),
    }


def peak() -> float:
    """Return the largest memory the process has had so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/large_plane.json"))
    parser.add_argument("--model", default="tiny", help="checkpoint")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--clicks", type=int, default=10, help="of each kind")
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model, options.device))
    rng = np.random.default_rng(0)
    first = tuple(rng.uniform(0.3 * options.side, 0.7 * options.side, 2).tolist())
    near = (np.array(first) + rng.uniform(-60, 60, (options.clicks, 2))).tolist()
    far = rng.uniform(0, options.side - 1, (options.clicks, 2)).tolist()

    cache = EmbeddingCache()
    start, work = time.perf_counter(), time.process_time()
    levels = tuple(Tissue(options.side, factor) for factor in FACTORS)
    plane = ImageSource(levels, "YX").plane()
    embedding = predictor.embed_plane(plane, cache=cache)
    predictor.predict(embedding, points=[first])
    opening = [time.perf_counter() - start], [time.process_time() - work]
    rows = [row("open, and the first click", opening, len(cache))]
    for what, points in (("next clicks within 60 px", near), ("clicks anywhere", far)):
        rows.append(row(what, timed_clicks(predictor, embedding, points), len(cache)))
    settings = {
        "model": options.model,
        "checkpoint": predictor.model.checkpoint_hash,
        "side": options.side,
        "pyramid": str(FACTORS),
        "tiles": ", ".join(f"{level.side} px at {level.scale:g}" for level in embedding.levels),
        "cache, bytes": cache.limit_bytes,
        "torch threads": torch.get_num_threads(),
        "device": str(predictor.model.device),
    }
    remarks = [
        "The model is in memory before. Seconds are those of the clock; CPU seconds add up what "
        "all threads worked, and hardly depend on other programs."
    ]
    write_report(options.output, "Clicks on a plane of any size", rows, settings, remarks)


if __name__ == "__main__":
    main()
