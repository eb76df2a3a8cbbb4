"""Images that cannot be used, as layers: one sentence each, and the viewer stays usable."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import tifffile
import zarr
from panel_actions import CELLS, click, messages

SHAPE = (9, 64, 96)


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def start(panel, viewer, qtbot, name):
    """Press Start on an image, and wait for a session or a message."""
    before, told = panel.annotator.session, len(messages())
    panel.image.setCurrentText(name)
    panel.start_button.click()
    qtbot.waitUntil(
        lambda: (
            panel.annotator.progress is None
            and (panel.annotator.session is not before or len(messages()) > told)
        )
    )
    return messages()[told:]


def usable(panel, viewer, qtbot):
    """Whether another image can be annotated."""
    if "cells" not in viewer.layers:
        viewer.add_image(CELLS, name="cells")
    start(panel, viewer, qtbot, "cells")
    click(panel, qtbot, 30, 40)
    return panel.annotator.image.name == "cells"


def failing(path):
    """A graph that raises on one slice."""

    def check(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 2:
            raise OSError("the disk\nis gone")
        return block

    return dask.array.ones(SHAPE, chunks=(1, 64, 96)).map_blocks(check, dtype=float)


def cut_off(path):
    """A stack that is read slice by slice from a file whose second half is missing."""
    values = np.random.default_rng(0).integers(0, 999, SHAPE, dtype=np.uint16)
    tifffile.imwrite(path, values, photometric="minisblack", rowsperstrip=8)
    with tifffile.TiffFile(path) as file:
        place = file.pages[2].dataoffsets[0]
    path.write_bytes(path.read_bytes()[: place + 100])

    def read(block_info):
        (index, _), *_ = block_info[None]["array-location"]
        with path.open("rb") as file:
            file.seek(8 + index * 2 * 64 * 96)
            content = file.read(2 * 64 * 96)
        return np.frombuffer(content, np.uint16).reshape(1, 64, 96)

    return dask.array.map_blocks(read, chunks=((1,) * 9, 64, 96), dtype=np.uint16)


def torn(path):
    """A zarr of which one chunk is no longer what was written."""
    array = zarr.create_array(path, data=np.ones(SHAPE, np.uint16), chunks=(1, 64, 96))
    for chunk in path.rglob("c/2/0/0"):
        chunk.write_bytes(b"torn")
    return array


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (failing, "the disk is gone"),
        (cut_off, "cannot reshape"),
        (torn, "decompression"),
    ],
    ids=["dask", "cut off", "torn chunk"],
)
def test_a_slice_that_cannot_be_read(panel, viewer, qtbot, tmp_path, make, words):
    viewer.add_image(make(tmp_path / "stack"), name="stack", contrast_limits=(0, 9))
    viewer.dims.set_point(0, 0)
    assert start(panel, viewer, qtbot, "stack") == []
    assert panel.annotator.image.name == "stack"
    # The slice on display decides. napari itself must not read the bad one meanwhile.
    viewer.layers["stack"].visible = False
    with viewer.dims.events.blocker_all():
        viewer.dims.set_point(0, 2)
    (message,) = start(panel, viewer, qtbot, "stack")
    assert message.startswith("stack (z = 2) could not be read at rows 0 to 64")
    assert words in message
    assert "\n" not in message
    with viewer.dims.events.blocker_all():
        viewer.dims.set_point(0, 0)
    assert usable(panel, viewer, qtbot)


def test_a_missing_chunk_is_empty(panel, viewer, qtbot, tmp_path):
    array = zarr.create_array(tmp_path / "a", data=np.ones(SHAPE, np.uint16), chunks=(1, 64, 96))
    for chunk in (tmp_path / "a").rglob("c/2/0/0"):
        chunk.unlink()
    viewer.add_image(array, name="stack", contrast_limits=(0, 9))
    viewer.dims.set_point(0, 2)
    assert start(panel, viewer, qtbot, "stack") == []
    assert panel.annotator.opened.plane == (2,)


def test_channels_beyond_three_are_chosen_for_the_model(panel, viewer, qtbot):
    viewer.add_image(np.zeros((37, 64, 96), np.uint8), name="spectrum", axis_labels=("c", "y", "x"))
    assert start(panel, viewer, qtbot, "spectrum") == []
    assert panel.annotator.opened.source.channels == (0, 1, 2)


def test_levels_that_disagree(panel, viewer, qtbot):
    levels = [np.zeros((64, 96), np.uint8), np.zeros((48, 20), np.uint8)]
    viewer.add_image(levels, name="pyramid", multiscale=True, contrast_limits=(0, 9))
    (message,) = start(panel, viewer, qtbot, "pyramid")
    assert message.startswith("pyramid is a pyramid whose levels disagree")
    assert "\n" not in message
    assert usable(panel, viewer, qtbot)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((0, 64, 96)), "stack is empty"),
        (np.full((64, 96), np.nan), "stack has no finite value"),
    ],
    ids=["nothing along z", "nan"],
)
def test_arrays_without_usable_values(panel, viewer, qtbot, data, words):
    with np.errstate(all="ignore"):  # napari makes a thumbnail of it
        viewer.add_image(data, name="stack", contrast_limits=(0, 9))
    (message,) = start(panel, viewer, qtbot, "stack")
    assert message.startswith(words)
    assert "\n" not in message
    viewer.layers.remove("stack")
    assert usable(panel, viewer, qtbot)


def test_borders_of_nan_do_not_disturb(panel, viewer, qtbot):
    data = CELLS.astype(np.float32)
    data[:9] = data[:, 70:] = np.nan
    viewer.add_image(data, name="registered", contrast_limits=(0, 4000))
    assert start(panel, viewer, qtbot, "registered") == []
    click(panel, qtbot, 30, 40)
    panel.annotator.keep()
    assert viewer.layers["registered · level 2"].data.any()
