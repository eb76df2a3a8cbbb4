"""How napari shows, redraws and paints labels of a large plane, by what holds them.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/bench_level_layers.py \
        --output benchmarks/results/level_layers.json

Every combination runs in a process of its own. Needs a display, because drawing is included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from _report import write_report
from napari_semantic_sam.inference.label_chunks import ChunkedLabels
from napari_semantic_sam.widgets.frame import Frame
from napari_semantic_sam.widgets.large_labels import large_labels

LABELS = 2_000
RADIUS = 12
EDIT = 64
"""Pixels: side of what is changed before each redraw."""
SIDES = (8_192, 20_000)


class Lazy:
    """The least that napari takes for an array: it is read and written by slices."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data
        self.shape, self.dtype, self.ndim = data.shape, data.dtype, data.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._data[key].copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        self._data[key] = value


def discs(data: Any) -> None:
    """Draw labels at random places."""
    rng = np.random.default_rng(0)
    y, x = np.ogrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = (y * y + x * x <= RADIUS * RADIUS).astype(np.int32)
    corners = rng.integers(0, data.shape[0] - 2 * RADIUS - 1, (LABELS, 2))
    for index, (top, left) in enumerate(corners.tolist(), start=1):
        data[top : top + len(disc), left : left + len(disc)] = disc * index


def in_numpy(side: int, folder: Path) -> Any:
    data = np.zeros((side, side), dtype=np.int32)
    discs(data)
    return data


def in_memory_map(side: int, folder: Path) -> Any:
    data = np.lib.format.open_memmap(folder / "labels.npy", "w+", np.int32, (side, side))
    discs(data)
    return data


def in_zarr(side: int, folder: Path) -> Any:
    import zarr

    data = zarr.create_array(
        folder / "labels.zarr", shape=(side, side), chunks=(1024, 1024), dtype="int32"
    )
    data[:] = in_numpy(side, folder)
    return data


def in_dask(side: int, folder: Path) -> Any:
    import dask.array

    return dask.array.from_array(in_numpy(side, folder), chunks=1024)


def pyramid_of_views(side: int, folder: Path) -> Any:
    data = in_numpy(side, folder)
    return [data[::step, ::step] for step in (1, 2, 4, 8, 16, 32)]


def pyramid_of_zarr(side: int, folder: Path) -> Any:
    import zarr

    finest = in_zarr(side, folder)
    levels = [finest]
    for step in (2, 4, 8, 16, 32):
        path = folder / f"labels{step}.zarr"
        levels.append(zarr.array(finest[::step, ::step], store=path, chunks=(1024, 1024)))
    return levels


def in_lazy(side: int, folder: Path) -> Any:
    return Lazy(in_numpy(side, folder))


def in_blocks(side: int, folder: Path) -> Any:
    labels = ChunkedLabels((side, side), np.int32)
    discs(labels)
    return large_labels(labels, Frame((side, side), 0, 1))


KINDS: dict[str, Callable[[int, Path], Any]] = {
    "numpy": in_numpy,
    "memory map": in_memory_map,
    "zarr": in_zarr,
    "dask": in_dask,
    "own array": in_lazy,
    "pyramid of numpy views": pyramid_of_views,
    "pyramid of zarr": pyramid_of_zarr,
    "blocks, as level layers": in_blocks,
}


def measured(kind: str, side: int) -> dict[str, Any]:
    """Show labels in a viewer, change and paint them, and go through them."""
    import napari

    with tempfile.TemporaryDirectory() as folder:
        data = KINDS[kind](side, Path(folder))
        viewer = napari.Viewer(show=True)
        row: dict[str, Any] = {"labels in": kind, "plane": f"{side}²"}
        for what, seconds in _seconds(viewer, data, side // 2):
            row[what] = seconds
        layer = viewer.layers[0]
        row["on the screen"] = " × ".join(map(str, _texture_shape(viewer, layer)))
        row["memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        viewer.close()
    return row


def _seconds(viewer: Any, data: Any, middle: int) -> Iterator[tuple[str, float | str]]:
    """Yield what was done, and the seconds of the processor it took with drawing it."""
    add = viewer.add_labels if kind_of(data) != "layer" else viewer.add_layer
    viewer.screenshot(flash=False)
    yield "draw only, s", _timed(viewer, lambda: None)
    yield "add, s", _timed(viewer, lambda: add(data))
    layer = viewer.layers[0]
    yield "edit and redraw, s", _timed(viewer, lambda: _edit(layer, middle))
    yield "edit by data_setitem, s", _timed(viewer, lambda: _set_item(layer, middle + 200))
    camera = viewer.scene.camera
    camera.center, camera.zoom = (middle, middle), 1
    yield "zoom, s", _timed(viewer, lambda: setattr(camera, "zoom", 1.01))
    yield "edit when zoomed in, s", _timed(viewer, lambda: _edit(layer, middle + 100))
    place = (middle + 900, middle + 900)
    yield "pan, s", _timed(viewer, lambda: setattr(camera, "center", place))
    yield "brush, s", _timed(viewer, lambda: _paint(layer, middle))


def _timed(viewer: Any, do: Callable[[], object]) -> float | str:
    start = time.process_time()
    try:
        do()
        viewer.screenshot(flash=False)
    except Exception as error:  # whatever napari or an array raises
        return type(error).__name__
    return time.process_time() - start


def kind_of(data: Any) -> str:
    """Tell layers, pyramids and arrays apart."""
    return "layer" if hasattr(data, "events") else "list" if isinstance(data, list) else "array"


def _finest(layer: Any) -> Any:
    pyramid = getattr(layer, "pyramid", None)
    return pyramid.labels if pyramid else layer.data[0] if layer.multiscale else layer.data


def _edit(layer: Any, corner: int) -> None:
    _finest(layer)[corner : corner + EDIT, corner : corner + EDIT] = 7
    if hasattr(layer, "pyramid"):
        layer.show_again()
    else:
        layer.refresh()


def _set_item(layer: Any, corner: int) -> None:
    where = np.indices((EDIT, EDIT)).reshape(2, -1) + corner
    layer.data_setitem(tuple(where), 8)


def _paint(layer: Any, middle: int) -> None:
    layer.mode = "paint"
    if layer.mode != "paint":
        raise PermissionError("napari does not offer its brush")
    layer.brush_size = 40
    layer.paint((middle + 300, middle + 300), 9)
    if _finest(layer)[middle + 300, middle + 300] != 9:
        raise ValueError("the brush left nothing")


def _texture_shape(viewer: Any, layer: Any) -> tuple[int, ...]:
    """What is on the graphics card, for which napari has no public name."""
    visual = viewer.window._qt_viewer.canvas.layer_to_visual[layer]
    return tuple(visual.node._texture.shape[:2])


def in_own_process(kind: str, side: int) -> dict[str, Any]:
    """Measure in a new process, so that its memory is its own."""
    command = [sys.executable, __file__, "--kind", kind, "--sides", str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/level_layers.json"))
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES))
    parser.add_argument("--kind", choices=KINDS, help="only this one, in this process")
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(measured(options.kind, options.sides[0])))
        return
    rows = [in_own_process(kind, side) for side in options.sides for kind in KINDS]
    settings = {"labels": LABELS, "edit, px": EDIT}
    remarks = [
        "Seconds are those of the processor, drawing by software included; an error's name "
        "stands where napari or the array refused. Memory is the most the process had."
    ]
    write_report(options.output, "Labels of large planes in napari", rows, settings, remarks)


if __name__ == "__main__":
    main()
