"""How long the user interface is deaf while the panel works.

    QT_QPA_PLATFORM=offscreen python benchmarks/bench_heartbeat.py \
        --output benchmarks/results/heartbeat.json

A timer on the thread of the user interface fires every 10 ms; what is reported is how long it
had to wait. Opening the panel and drawing on the screen, which is napari's part, are not
included. No library of the network is loaded before; the panel does that once, as soon as it is
there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from napari.components import ViewerModel
from napari.settings import get_plugin_settings
from napari.utils import interactions
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from _report import write_report
from _scene import MOUSE_EVENTS_PER_SECOND, path, picture
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.native import load_libraries
from napari_semantic_sam.widgets.panel import SemanticSamPanel

BEAT_MS = 10
LONGEST_WAIT_S = 300


class Heartbeat:
    """Notes when a timer of the user interface fires, and lets it run until something is so."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)

    def during(self, do: Callable[[], object], until: Callable[[], bool]) -> None:
        """Do something and run the user interface until it has had its effect."""
        self._last = start = time.perf_counter()
        do()
        while not until():
            if time.perf_counter() - start > LONGEST_WAIT_S:
                raise TimeoutError("what was waited for did not happen")
            self._run(5)
        self._beat()

    def _run(self, milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last))
        self._last = now


def measured(what: str, side: int, act: Callable[[Heartbeat], None]) -> dict[str, object]:
    """Return how long the user interface was deaf while something was done."""
    heart = Heartbeat()
    act(heart)
    ordered = sorted(heart.gaps)
    return {
        "what": what,
        "picture": f"{side} × {side}",
        "longest gap, ms": ordered[-1],
        "99 of 100, ms": ordered[int(0.99 * (len(ordered) - 1))],
        "median, ms": statistics.median(ordered),
    }


def lasting(seconds: float) -> Callable[[], bool]:
    """Return a condition that comes true after some time."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def rows_of(
    side: int, model: str, device: str, clicks: int, seconds: float
) -> list[dict[str, object]]:
    """Go through a small annotation of a picture."""
    viewer = ViewerModel()
    image = viewer.add_image(picture(side))
    idle = measured("nothing", side, lambda heart: heart.during(_nothing, lasting(seconds)))
    loading = []
    if "torch" not in sys.modules:
        thread = threading.Thread(target=load_libraries, args=(lambda: False,))
        loading = [measured("load libraries", side, _lasting_as_long_as(thread))]
    panel = SemanticSamPanel(viewer)
    annotator = panel.annotator
    opening = measured(
        "open and embed",
        side,
        lambda heart: heart.during(
            lambda: annotator.start(image, model, device), lambda: annotator.session is not None
        ),
    )
    asking, keeping = _clicking(annotator, side, clicks), _keeping(annotator, side, clicks)
    hovering = _hovering(annotator, viewer, side, seconds)
    rows = [
        idle,
        *loading,
        opening,
        measured("click and see the masks", side, asking),
        measured("click and keep", side, keeping),
        measured("preview under the mouse", side, hovering),
    ]
    annotator.close()
    return rows


def _nothing() -> None:
    pass


def _lasting_as_long_as(thread: threading.Thread) -> Callable[[Heartbeat], None]:
    return lambda heart: heart.during(thread.start, lambda: not thread.is_alive())


def _clicking(annotator: Annotator, side: int, clicks: int) -> Callable[[Heartbeat], None]:
    def act(heart: Heartbeat) -> None:
        for step in range(clicks):
            annotator.next_object()
            place = path(step * 40, side)
            heart.during(
                lambda place=place: annotator.clicks.add(place),
                lambda: not annotator.session.waiting,
            )

    return act


def _keeping(annotator: Annotator, side: int, clicks: int) -> Callable[[Heartbeat], None]:
    ask = _clicking(annotator, side, 1)

    def act(heart: Heartbeat) -> None:
        for _ in range(clicks):
            ask(heart)
            heart.during(annotator.keep, lasting(0.1))
            heart.during(annotator.undo, lasting(0.1))

    return act


def _hovering(
    annotator: Annotator, viewer: ViewerModel, side: int, seconds: float
) -> Callable[[Heartbeat], None]:
    def act(heart: Heartbeat) -> None:
        annotator.next_object()
        annotator.set_hover(True)
        end, step = lasting(seconds), 0
        while not end():
            event = SimpleNamespace(
                position=path(step, side), dims_displayed=[0, 1], is_dragging=False
            )
            heart.during(
                lambda event=event: interactions.mouse_move_callbacks(viewer, event),
                lasting(1 / MOUSE_EVENTS_PER_SECOND),
            )
            step += 1
        annotator.set_hover(False)

    return act


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/heartbeat.json"))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--clicks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    assert "torch" not in sys.modules
    application = QApplication([])
    with TemporaryDirectory() as preferences:
        get_plugin_settings(path_dir=preferences)  # not the user's own
        rows = [
            row
            for side in options.sides
            for row in rows_of(side, options.model, options.device, options.clicks, options.seconds)
        ]
    import torch  # late, so that it is the panel that loads it

    settings = {
        "clicks": options.clicks,
        "seconds": options.seconds,
        "torch threads": torch.get_num_threads(),
        "nice": os.nice(0),
        "load before": f"{load:.1f}",
    }
    note = (
        "The rows “nothing” are what other programs on the computer cost; a longer gap in the "
        "others is the panel's."
    )
    write_report(options.output, "How long the user interface is deaf", rows, settings, [note])
    application.quit()


if __name__ == "__main__":
    main()
