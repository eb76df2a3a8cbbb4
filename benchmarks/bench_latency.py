"""Time to embed a picture and to answer a click, and how a click depends on the size.

    python benchmarks/bench_latency.py --output benchmarks/results/latency.json

All cases take turns in one run, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from _report import write_report
from _scene import CLICKS, TILE, picture
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.model import SemanticSAM
from napari_semantic_sam.model.config import PRESETS

Result = TypeVar("Result")


@dataclass
class Case:
    """One network on one size of picture.

    Attributes
    ----------
    name : str
    side : int
        Of the picture, in pixels.
    predictor : Predictor
    embeds, clicks : list of float
        Seconds.
    """

    name: str
    side: int
    predictor: Predictor
    embeds: list[float] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._picture = picture(self.side)
        middle = self.side // (2 * TILE) * TILE
        self._points = [(middle + y, middle + x) for y, x in CLICKS]

    def run(self, clicks: int) -> None:
        """Embed once, click some times, and keep the seconds."""
        # One pixel for one pixel, whatever size the network would choose by itself.
        embedding, seconds = timed(lambda: self.predictor.embed(self._picture, scale=1.0))
        self.embeds.append(seconds)
        for point in np.resize(self._points, (clicks, 2)):
            _, seconds = timed(lambda at=point: self.predictor.predict(embedding, points=[at]))
            self.clicks.append(seconds)

    def forget(self) -> None:
        """Drop what was measured so far."""
        self.embeds.clear()
        self.clicks.clear()


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return the result of some work and the seconds it took."""
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


def size_dependence(cases: Sequence[Case]) -> list[float]:
    """Return, for each of several sizes, the share of a click that grows with the picture.

    A straight line through the median times over the number of pixels: its slope is what
    each pixel costs, and what is left at no pixels is independent of the size.
    """
    pixels = np.array([case.side**2 for case in cases], dtype=float)
    seconds = np.array([statistics.median(case.clicks) for case in cases])
    slope, _ = np.polyfit(pixels, seconds, 1)
    return [float(share) for share in np.clip(slope * pixels / seconds, 0.0, 1.0)]


def row(case: Case, share: float) -> dict[str, object]:
    """Return the medians of a case."""
    return {
        "model": case.name,
        "picture": f"{case.side} × {case.side}",
        "embed s": statistics.median(case.embeds),
        "click ms": 1000 * statistics.median(case.clicks),
        "click ms, 90 %": 1000 * float(np.quantile(case.clicks, 0.9)),
        "share of a click that grows with the picture": share,
    }


def build_predictors(tiny: str, device: str) -> dict[str, Predictor]:
    """Return tiny from its checkpoint, and swin-t, whose weights need not be at hand."""
    predictor = Predictor(load_model(tiny, device))
    torch.manual_seed(0)
    published = SemanticSAM(PRESETS["swin-t"]).to(predictor.model.device)
    return {"tiny": predictor, "swin-t, random weights": Predictor(published)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/latency.json"))
    parser.add_argument("--model", default="tiny", help="checkpoint to measure as tiny")
    parser.add_argument("--device", default="auto")
    # Sides in pixels, of tiny and of swin-t; two or more each, from 128 on.
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--swin-sides", type=int, nargs="+", default=[320, 640])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clicks", type=int, default=10, help="per case and round")
    options = parser.parse_args()
    predictors = build_predictors(options.model, options.device)
    groups = [
        [Case(name, side, predictor) for side in sides]
        for (name, predictor), sides in zip(
            predictors.items(), (options.sides, options.swin_sides), strict=True
        )
    ]
    cases = [case for group in groups for case in group]
    for case in cases:
        case.run(clicks=2)  # the first run of a size is slower
        case.forget()
    for _ in range(options.rounds):
        for case in cases:
            case.run(options.clicks)
    shares = [share for group in groups for share in size_dependence(group)]
    settings = {
        "rounds": options.rounds,
        "clicks": options.clicks,
        "torch threads": torch.get_num_threads(),
        "device": str(predictors["tiny"].model.device),
    }
    write_report(
        options.output,
        "Time to embed a picture and to answer a click",
        [row(case, share) for case, share in zip(cases, shares, strict=True)],
        settings,
        [
            "Medians; the cases took turns. The share comes from a straight line through the "
            "click times of a model over the number of pixels."
        ],
    )


if __name__ == "__main__":
    main()
