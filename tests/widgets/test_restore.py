"""An annotation that a crash interrupted comes back in the panel."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import dask.array as da
import numpy as np
import pytest
from annotating import begin, click
from panel_actions import CELLS, messages
from qtpy.QtCore import QThreadPool

from napari_semantic_sam.annotation import journal_header
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.tiles import ObjectSize


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def folder():
    return Path(os.environ["NAPARI_SEMANTIC_SAM_HOME"]) / "journals"


def journal_of(events, folder, qtbot):
    """Return the file of the session in progress, once everything is in it."""
    (path,) = [
        each for each in folder.glob("*.jsonl") if b'"event": "end"' not in each.read_bytes()
    ]
    qtbot.waitUntil(lambda: path.read_bytes().count(b'{"event": "') >= len(events))
    return path


@pytest.fixture
def annotator(viewer, cells, predictor, qtbot):
    yield from begin(viewer, qtbot)


@pytest.fixture
def crashed(annotator, viewer, folder, qtbot):
    """What was lost in a crash, after which the viewer holds nothing but the image."""
    session, events = annotator.session, []
    session.listeners.append(lambda event, step: events.append(event))
    click(annotator, qtbot, 20, 30)
    annotator.keep()
    annotator.rename_all([(2, 1)], object="nucleus")
    click(annotator, qtbot, 45, 60)
    annotator.coarser()
    annotator.keep()
    annotator.undo()
    lost = {
        "nuclei": session.levels.array(2).copy(),
        "rows": labels_of(session),
        "groups": session.groups,
        "redo": session.history.redo_text,
    }
    path = journal_of(events, folder, qtbot)
    content = path.read_bytes()
    annotator.stop()
    viewer.layers.clear()
    path.write_bytes(content + b'{"event": "st')
    viewer.add_image(CELLS, name="cells")
    return lost


def labels_of(session):
    rows = [row for level in session.levels.levels for row in session.levels.rows(level)]
    return [repr(row) for row in rows]


def start(annotator, qtbot):
    annotator.start(annotator.images[0], "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not None)


def offered(annotator, qtbot):
    qtbot.waitUntil(lambda: annotator.keeper.offer is not None)
    return annotator.keeper.offer


def restore(annotator, qtbot):
    before = annotator.session
    annotator.keeper.restore()
    qtbot.waitUntil(lambda: annotator.session is not before)
    return annotator.session


def test_an_interrupted_annotation_is_offered_and_restored(
    annotator, crashed, viewer, folder, qtbot
):
    start(annotator, qtbot)
    assert "“cells”" in offered(annotator, qtbot).text
    session = restore(annotator, qtbot)
    assert annotator.keeper.offer is None
    assert labels_of(session) == crashed["rows"]
    assert session.groups == crashed["groups"]
    assert session.history.redo_text == crashed["redo"] != ""
    layer = viewer.layers["cells · level 2"]
    np.testing.assert_array_equal(layer.data, crashed["nuclei"])
    assert layer.features["object"].tolist() == ["nucleus"]
    assert len(annotator.clicks.data) == 2
    annotator.redo()
    assert session.levels.rows(1)
    annotator.stop()
    (path,) = folder.glob("*.jsonl")  # the same file, which is ended now
    assert path.read_bytes().endswith(b'{"event": "redo"}\n{"event": "end"}\n')
    start(annotator, qtbot)
    click(annotator, qtbot, 30, 30)
    assert annotator.keeper.offer is None


def test_a_restored_annotation_survives_another_crash(annotator, crashed, viewer, folder, qtbot):
    start(annotator, qtbot)
    offered(annotator, qtbot)
    session = restore(annotator, qtbot)
    annotator.redo()
    (path,) = folder.glob("*.jsonl")
    qtbot.waitUntil(lambda: path.read_bytes().endswith(b'{"event": "redo"}\n'))
    content, groups = path.read_bytes(), session.groups
    annotator.stop()
    path.write_bytes(content)
    viewer.layers.clear()
    viewer.add_image(CELLS, name="other name")
    start(annotator, qtbot)
    offered(annotator, qtbot)
    again = restore(annotator, qtbot)
    assert again.groups == groups
    assert [len(again.levels.rows(level)) for level in (1, 2)] == [1, 1]


def test_an_image_that_was_opened_in_another_way_is_recognised(annotator, crashed, viewer, qtbot):
    viewer.layers.clear()
    viewer.add_image(da.from_array(CELLS, chunks=32), name="cells")
    start(annotator, qtbot)
    assert "“cells”" in offered(annotator, qtbot).text


def test_an_offer_can_be_discarded(annotator, crashed, folder, qtbot):
    start(annotator, qtbot)
    path = offered(annotator, qtbot).path
    annotator.keeper.discard()
    assert annotator.keeper.offer is None
    assert not path.exists()
    annotator.stop()
    assert list(folder.iterdir()) == []


def test_another_picture_of_that_size_is_offered_nothing(annotator, crashed, viewer, qtbot, qapp):
    viewer.layers.clear()
    viewer.add_image(CELLS + 1, name="cells")
    start(annotator, qtbot)
    click(annotator, qtbot, 20, 30)
    QThreadPool.globalInstance().waitForDone()
    qapp.processEvents()
    assert annotator.keeper.offer is None


def test_labels_on_the_screen_are_not_put_aside(annotator, crashed, qtbot):
    start(annotator, qtbot)
    offered(annotator, qtbot)
    click(annotator, qtbot, 10, 10)
    annotator.keep()
    session = annotator.session
    annotator.keeper.restore()
    qtbot.waitUntil(lambda: any("does not know" in message for message in messages()))
    assert annotator.session is session
    assert session.levels.rows(2)
    assert annotator.keeper.offer is not None


def test_labels_on_the_screen_that_the_journal_knows_are_restored(
    annotator, crashed, viewer, qtbot, monkeypatch
):
    """Without a copy of a whole level, for which large pictures have no room."""
    start(annotator, qtbot)
    offered(annotator, qtbot)
    click(annotator, qtbot, 20, 30)
    annotator.keep()
    np.testing.assert_array_equal(annotator.session.levels.array(2), crashed["nuclei"])

    def refuse(levels, level):
        raise AssertionError("a whole level was copied")

    monkeypatch.setattr(LevelLabels, "array", refuse)
    session = restore(annotator, qtbot)
    assert labels_of(session) == crashed["rows"]


def test_a_journal_that_cannot_be_written_does_not_stop_the_work(
    viewer, cells, predictor, folder, qtbot
):
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    for annotator in begin(viewer, qtbot):
        click(annotator, qtbot, 20, 30)
        annotator.keep()
        assert annotator.session.levels.rows(2)
        assert any("journals" in message for message in messages())


def test_ending_does_not_wait_for_a_slow_file(annotator, viewer, qtbot, folder, monkeypatch):
    may_read = Event()

    def slow_hash(*given):
        may_read.wait(30)
        return "hash"

    # That of the fixture's session is there once its thread has had a turn.
    qtbot.waitUntil(lambda: [bool(each.read_bytes()) for each in folder.glob("*.jsonl")] == [True])
    monkeypatch.setattr(journal_header, "picture_hash", slow_hash)
    start(annotator, qtbot)
    click(annotator, qtbot, 20, 30)
    annotator.stop()
    (path,) = [each for each in folder.glob("*.jsonl") if not each.read_bytes()]
    may_read.set()
    qtbot.waitUntil(lambda: b'"end"' in path.read_bytes())


def test_nothing_is_left_of_a_session_without_steps(annotator, folder):
    annotator.stop()
    assert list(folder.iterdir()) == []


def test_a_restored_annotation_keeps_the_scale_it_was_made_with(
    annotator, predictor, folder, qtbot
):
    def start_with(size):
        before = annotator.session
        annotator.start(annotator.images[0], "tiny", "cpu", object_size=size)
        qtbot.waitUntil(lambda: annotator.session not in (None, before))

    events = []
    start_with(ObjectSize(128))
    annotator.session.listeners.append(lambda event, step: events.append(event))
    click(annotator, qtbot, 20, 30)
    annotator.keep()
    path = journal_of(events, folder, qtbot)
    content = path.read_bytes()
    annotator.stop()
    path.write_bytes(content)
    start_with(None)
    assert annotator.opened.scale is None
    offered(annotator, qtbot)
    restore(annotator, qtbot)
    assert annotator.opened.scale == predictor.scale == 0.5
    assert annotator.opened.because.startswith("The annotation was made so before: the model sees")
