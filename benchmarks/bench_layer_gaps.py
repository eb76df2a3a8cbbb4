"""What it costs that level layers come and go, step by step.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/bench_layer_gaps.py \
        --output benchmarks/results/layer_gaps.json

All of it is done on the thread of the user interface, which waits meanwhile. torch is loaded,
as in the panel, because napari collects garbage whenever layers are removed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import napari
import numpy as np
import torch  # noqa: F401  # what it leaves in memory is gone through by every collection
from napari.layers import Image, Labels
from napari.viewer import Viewer

from _report import write_report
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.layers import insert_quietly, level_layer

LEVELS = 6


def once(viewer: Viewer, image: Image, side: int) -> dict[str, float]:
    """Return the milliseconds of the processor that each step takes."""
    frame = Frame((side, side), 0, 1)
    labels = np.arange(side * side, dtype=np.int32).reshape(side, side) // 4000
    steps: dict[str, float] = {}

    def timed(what: str, do: Callable[[], object]) -> object:
        start = time.process_time()
        result = do()
        steps[what] = 1000 * (time.process_time() - start)
        return result

    def make(*, visible: bool) -> Labels:
        return level_layer(image, 1, labels, frame, visible=visible)

    shown = timed("make a layer that is shown at once", lambda: make(visible=True))
    timed("insert it", lambda: insert_quietly(viewer.layers, 1, shown))
    hidden = timed("make a hidden layer", lambda: make(visible=False))
    timed("insert the hidden layer", lambda: insert_quietly(viewer.layers, 2, hidden))
    timed("show it", lambda: setattr(hidden, "visible", True))
    timed("draw", lambda: viewer.screenshot(flash=False))
    timed("redraw all of a layer", lambda: shown.refresh(extent=False))
    timed("remove a layer", lambda: viewer.layers.remove(hidden))
    viewer.layers.remove(shown)
    layers = [make(visible=False) for _ in range(LEVELS)]
    for layer in layers:
        insert_quietly(viewer.layers, 1, layer)

    def remove_all() -> None:
        with viewer.layers.batched_update():
            for layer in layers:
                viewer.layers.remove(layer)

    timed(f"remove {LEVELS} layers at once", remove_all)
    return steps


def rows_of(measured: Mapping[str, list[float]]) -> list[dict[str, object]]:
    return [
        {"what": what, "processor ms, median": statistics.median(each), "most": max(each)}
        for what, each in measured.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/layer_gaps.json"))
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    viewer = napari.Viewer(show=True)
    pixels = np.random.default_rng(0).integers(0, 255, (options.side,) * 2, np.uint8)
    image = viewer.add_image(pixels, name="picture")
    viewer.screenshot(flash=False)
    once(viewer, image, options.side)  # what is loaded and compiled at the first time
    measured: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for what, milliseconds in once(viewer, image, options.side).items():
            measured.setdefault(what, []).append(milliseconds)
    settings = {"picture": f"{options.side}²", "rounds": options.rounds}
    write_report(options.output, "Level layers that come and go", rows_of(measured), settings)
    viewer.close()


if __name__ == "__main__":
    main()
