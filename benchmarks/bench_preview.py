"""How fast the preview follows the mouse, and what it costs to draw candidates.

    QT_QPA_PLATFORM=offscreen python benchmarks/bench_preview.py \
        --output benchmarks/results/preview.json

The mouse is moved across the picture as a hand would, and every outline that reaches the
preview layer is counted. Nothing is drawn on a screen; that is napari's part.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import torch
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils import interactions
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from _report import write_report
from _scene import MOUSE_EVENTS_PER_SECOND, path, picture
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.annotation.engine import LoadedModel, OpenPicture
from napari_semantic_sam.annotation.hover import Spot, outline_under
from napari_semantic_sam.annotation.overlay import Overlay, Scene, compose
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.frame import frame_of
from napari_semantic_sam.widgets.hover import Hover
from napari_semantic_sam.widgets.preview import Preview
from napari_semantic_sam.widgets.tables import LEVEL_COLOURS

LEVELS = 6


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the CPU time of some work on this thread, which hardly depends on other programs."""
    start = time.thread_time()
    work()
    return 1000 * (time.thread_time() - start)


class Failures:
    """Lets an error of the hover preview end the benchmark."""

    def __init__(self) -> None:
        self.heard: list[Exception] = []

    def on_error(self, error: Exception) -> None:
        """Note an error."""
        self.heard.append(error)


def follow(opened: OpenPicture, image: Image, viewer: ViewerModel, seconds: float) -> float:
    """Move the mouse for some seconds and return the outlines per second on the layer."""
    preview, failures = Preview(viewer.layers, image, frame_of(image, viewer.dims)), Failures()
    hover = Hover(viewer, preview, opened, failures.on_error)
    hover.attach()
    updates: list[float] = []
    preview.layer.events.data.connect(lambda: updates.append(time.perf_counter()))
    side = image.data.shape[0]
    start = time.perf_counter()

    def move() -> None:
        step = int((time.perf_counter() - start) * MOUSE_EVENTS_PER_SECOND)
        event = SimpleNamespace(
            position=image.data_to_world(path(step, side)), dims_displayed=[0, 1], is_dragging=False
        )
        interactions.mouse_move_callbacks(viewer, event)

    timer, loop = QTimer(), QEventLoop()
    timer.timeout.connect(move)
    timer.start(1000 // MOUSE_EVENTS_PER_SECOND)
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
    timer.stop()
    rate = len(updates) / (time.perf_counter() - start)
    hover.detach()
    preview.close()
    if failures.heard:
        raise failures.heard[0]
    return rate


def hover_row(opened: OpenPicture, side: int, seconds: float, updates: int) -> dict[str, object]:
    """Return how the preview follows the mouse over a picture."""
    viewer = ViewerModel()
    image = viewer.add_image(picture(side))
    rate = follow(opened, image, viewer, seconds)
    places = [path(step * 10, side) for step in range(updates)]
    spots = [Spot(int(y), int(x), None) for y, x in places]
    layer = viewer.add_image(np.zeros((1, 1, 4), dtype=np.uint8), rgb=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that all of it is on this thread
    costs, handing_over = [], []
    for spot in spots:
        costs.append(cpu_ms(lambda spot=spot: outline_under(opened, spot, LEVEL_COLOURS)))
        overlay = outline_under(opened, spot, LEVEL_COLOURS)
        if overlay is not None:
            handing_over.append(cpu_ms(lambda overlay=overlay: put_on(layer, overlay)))
    torch.set_num_threads(threads)
    return {
        "what": "outline under the mouse",
        "picture": f"{side} × {side}",
        "updates per s": rate,
        "CPU ms, one thread": statistics.median(costs),
        "CPU ms, user interface": statistics.median(handing_over),
    }


def discs(side: int) -> tuple[Candidate, ...]:
    """Nested discs, the largest as large as the picture and the finest a third of it."""
    yy, xx = np.mgrid[:side, :side]
    distance = np.hypot(yy - side / 2, xx - side / 2)
    found = []
    for level in range(1, LEVELS + 1):
        mask = distance < side / 2 * (1 - (level - 1) * 2 / 15)
        rows = np.flatnonzero(mask.any(axis=1))
        start, stop = int(rows[0]), int(rows[-1]) + 1
        box, crop = (start, start, stop, stop), mask[start:stop, start:stop].copy()
        found.append(Candidate(box, crop, (side, side), level - 1, level, 0.9, 0.9))
    return tuple(found)


def put_on(layer: Image, overlay: Overlay) -> None:
    """Do what the user interface does for a new picture."""
    layer.data = overlay.rgba
    layer.translate = overlay.box[:2]


def compose_row(side: int, updates: int) -> dict[str, object]:
    """Return what it takes to draw six candidates as large as a picture."""
    candidates = discs(side)
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((1, 1, 4), dtype=np.uint8), rgb=True)
    costs, handing_over = [], []
    for step in range(updates):
        scene = Scene(candidates, step % LEVELS, marked=frozenset({0, 3}))
        costs.append(cpu_ms(lambda scene=scene: compose(scene, LEVEL_COLOURS)))
        overlay = compose(scene, LEVEL_COLOURS)
        handing_over.append(cpu_ms(lambda overlay=overlay: put_on(layer, overlay)))
    return {
        "what": f"{LEVELS} candidates as large as the picture",
        "picture": f"{side} × {side}",
        "updates per s": None,
        "CPU ms, one thread": statistics.median(costs),
        "CPU ms, user interface": statistics.median(handing_over),
    }


def source_of(pixels: npt.NDArray[np.uint8]) -> ImageSource:
    """Return a grey picture as the panel opens it."""
    return ImageSource((pixels,), "YX")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/preview.json"))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024], help="for the mouse")
    parser.add_argument("--compose-sides", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--seconds", type=float, default=10, help="of moving, per picture")
    parser.add_argument("--updates", type=int, default=20, help="measured one by one")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    application = QApplication([])
    predictor = Predictor(load_model(options.model, options.device))
    model = LoadedModel(options.model, options.device, predictor)
    rows = []
    for side in options.sides:
        source = source_of(picture(side))
        opened = OpenPicture(model, predictor.embed_plane(source.plane()), source)
        predictor.predict(opened.embedding, points=[(side / 2, side / 2)])  # the first is slower
        rows.append(hover_row(opened, side, options.seconds, options.updates))
    rows += [compose_row(side, options.updates) for side in options.compose_sides]
    settings = {
        "seconds": options.seconds,
        "mouse events per second": MOUSE_EVENTS_PER_SECOND,
        "torch threads": torch.get_num_threads(),
        "device": model.place,
        "nice": os.nice(0),
        "load before": f"{load:.1f}",
    }
    write_report(
        options.output,
        "How fast the preview follows",
        rows,
        settings,
        [
            "CPU times are medians; other programs hardly change them, unlike the updates per "
            "second. What the user interface does is to hand the finished picture to its layer. "
            "Drawing it on the screen is not included."
        ],
    )
    application.quit()


if __name__ == "__main__":
    main()
