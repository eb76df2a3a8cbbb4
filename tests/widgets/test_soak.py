"""Hundreds of things a user may do, in any order, in a window with a real network."""

from __future__ import annotations

import gc
import os
import random
import secrets
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
from napari.layers import Image
from napari.utils._proxies import PublicOnlyProxy
from panel_actions import messages, press
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool

from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.hover import Hover
from napari_semantic_sam.widgets.layers import record_of
from napari_semantic_sam.widgets.panel import SemanticSamPanel
from napari_semantic_sam.widgets.session_view import SessionView
from napari_semantic_sam.widgets.tables import METADATA_KEY
from napari_semantic_sam.widgets.worker import Job

OPERATIONS = 500
FRESH = int(os.environ.get("SOAK_SEED", secrets.randbits(32)))
"""Another one each time; set ``SOAK_SEED`` to the one that a failure names to repeat it."""
SHAPES = {"cells": (60, 80), "nuclei": (48, 64)}
ONE_EACH = (SemanticSamPanel, Annotator, SessionView, Hover)
MOST_BYTES = 64 * 2**20
MOST_MORE_BYTES = 400 * 2**20
"""Of the whole process, from the first check of bounds to the last."""
ODDS = {
    "click": 14, "box": 3, "remove_a_click": 2, "flip": 2, "next": 3, "previous": 2, "walk": 10,
    "mark": 3, "keep": 12, "key": 5, "undo": 12, "redo": 8, "separate": 1, "hover": 1,
    "move_mouse": 4, "paint": 5, "new_data": 2, "open_a_level": 1, "delete": 3, "rename": 3,
    "move": 2, "merge": 2, "split": 1, "refine": 2, "delete_a_layer": 4, "rename_a_layer": 4,
    "change_image": 4, "new_pixels": 1, "cancel": 1, "stop": 1, "close_and_reopen": 4,
    "crash_and_restore": 1, "what_next": 1,
}  # fmt: skip
"""How often each thing is done, compared with the others."""
HAPPENED = {
    "add", "show", "keep", "undo", "redo",
    "delete_a_layer", "rename_a_layer", "change_image", "close_and_reopen",
}  # fmt: skip
"""What has to come about, and not just be tried: steps by their first word, and acts."""


class User:
    """Does something at random; nothing he does may raise.

    Parameters
    ----------
    viewer : napari.Viewer
    qtbot : QtBot
    seed : int
    """

    def __init__(self, viewer, qtbot, seed):
        self.viewer, self.qtbot = viewer, qtbot
        self.dice = random.Random(seed)
        self.done = []
        self.happened = Counter()
        self.resident = []
        self.panel = None
        self._open()

    @property
    def annotator(self):
        return self.panel.annotator

    @property
    def session(self):
        return self.annotator.session

    def act(self):
        """Do one thing, then let some of what it started come to an end."""
        (name,) = self.dice.choices(list(ODDS), ODDS.values())
        self.done.append(name)
        if self.session is None and self.dice.random() < 0.7:
            self._start()
        if self.session is not None and self._on_event not in self.session.listeners:
            self.session.listeners.append(self._on_event)
        before = self._on_screen()
        getattr(self, f"do_{name}")()
        self.happened[name] += self._on_screen() != before
        if self.session is not None and self.dice.random() < 0.4:
            self._wait()
        else:
            self.qtbot.wait(0)

    def _on_event(self, event, step):
        self.happened[step.text.split()[0] if event == "step" else event] += 1

    def _on_screen(self):
        return self.panel, self.annotator.image, [each.name for each in self.viewer.layers]

    def _open(self):
        self.panel = SemanticSamPanel(PublicOnlyProxy(self.viewer))
        self.dock = self.viewer.window.add_dock_widget(self.panel)
        self.panel.model.setCurrentIndex(self.panel.model.findText("mine"))

    def _close(self):
        self.viewer.window.remove_dock_widget(self.dock)
        self.panel = self.dock = None

    def _start(self):
        if not any(each.name in SHAPES for each in self.viewer.layers):
            self._add_images()
        self.panel.start_button.click()
        self.qtbot.waitUntil(lambda: self.session is not None, timeout=60_000)

    def _add_images(self):
        present = {each.name for each in self.viewer.layers}
        pixels = np.random.default_rng(0)
        for name in SHAPES.keys() - present:
            self.viewer.add_image(pixels.integers(0, 255, SHAPES[name], np.uint8), name=name)

    def _wait(self):
        self.qtbot.waitUntil(
            lambda: self.session is None or not self.session.waiting, timeout=60_000
        )

    def _have_masks(self):
        """Mostly click where there are none, and wait; a user may also act without."""
        if self.session is not None and self.dice.random() < 0.8:
            self._wait()
            if self.session is not None and not self.session.current.candidates:
                self.do_click()
                self._wait()

    def _place(self):
        height, width = self.session.levels.shape
        return self.dice.randrange(height), self.dice.randrange(width)

    def _labels(self):
        levels = self.session.levels
        return [(row.level, row.index) for level in levels.levels for row in levels.rows(level)]

    def _label(self):
        labels = self._labels() if self.session else []
        return self.dice.choice(labels) if labels else None

    def _layers(self):
        return [each for each in self.viewer.layers if record_of(each)]

    def _level_layer(self):
        found = [each for each in self._layers() if "level" in record_of(each)]
        return self.dice.choice(found) if found else None

    def do_click(self):
        if self.session:
            self.annotator.clicks.add(self._place())

    def do_box(self):
        if self.session:
            self.annotator.boxes.add_rectangles(np.array([self._place(), self._place()]))

    def do_remove_a_click(self):
        if self.session and len(self.annotator.clicks.data):
            self.annotator.clicks.remove([self.dice.randrange(len(self.annotator.clicks.data))])

    def do_flip(self):
        self.annotator.flip_sign()

    def do_next(self):
        self.annotator.next_object()

    def do_previous(self):
        self.annotator.previous_object()

    def do_walk(self):
        self._have_masks()
        for _ in range(2):
            self.dice.choice([self.annotator.coarser, self.annotator.finer])()

    def do_mark(self):
        self._have_masks()
        self.annotator.mark()

    def do_keep(self):
        if self.dice.random() < 0.5:
            self.do_click()
        self._have_masks()
        self.annotator.keep()

    def do_key(self):
        press(self.viewer, self.dice.choice(list(",.JKQNHU")))

    def do_undo(self):
        for _ in range(self.dice.randrange(1, 4)):
            self.annotator.undo()

    def do_redo(self):
        if self.session and not self.session.history.redo_text:
            self.annotator.undo()
        for _ in range(self.dice.randrange(1, 4)):
            self.annotator.redo()

    def do_separate(self):
        self.annotator.set_separate(self.dice.random() < 0.5)

    def do_hover(self):
        self.annotator.toggle_hover()

    def do_move_mouse(self):
        self.viewer.cursor.position = (self.dice.randrange(70), self.dice.randrange(90))
        for callback in list(self.viewer.mouse_move_callbacks):
            callback(self.viewer, _Event(self.viewer.cursor.position))

    def do_paint(self):
        layer = self._level_layer()
        if layer is not None:
            layer.brush_size = self.dice.randrange(1, 20)
            layer.paint((self.dice.randrange(48), self.dice.randrange(64)), self.dice.randrange(4))

    def do_new_data(self):
        layer = self._level_layer()
        if layer is not None:
            layer.data = np.roll(layer.data, 7, axis=1)

    def do_open_a_level(self):
        if self.session:
            labels = np.zeros(self.session.levels.shape, np.uint8)
            labels[10:20, 10:20] = self.dice.randrange(1, 4)
            record = {"image": self.annotator.image.name, "level": self.dice.randrange(1, 7)}
            self.viewer.add_labels(labels, metadata={METADATA_KEY: record})

    def do_delete(self):
        if label := self._label():
            self.annotator.delete_all([label])

    def do_rename(self):
        if label := self._label():
            self.annotator.rename_all([label], object=self.dice.choice(["cell", "", "nucleus"]))

    def do_move(self):
        if label := self._label():
            self.annotator.move_all([label], self.dice.randrange(1, 7))

    def do_merge(self):
        if label := self._label():
            self.annotator.merge(
                label[0], [each for level, each in self._labels() if level == label[0]]
            )

    def do_split(self):
        if label := self._label():
            self.annotator.split_all([label])

    def do_refine(self):
        if label := self._label():
            self.annotator.refine_label(*label)

    def do_delete_a_layer(self):
        self.viewer.layers.remove(self.dice.choice(list(self.viewer.layers)))
        self._add_images()

    def do_rename_a_layer(self):
        layer = self.dice.choice(list(self.viewer.layers))
        if not isinstance(layer, Image) or record_of(layer):
            layer.name = f"{layer.name}'"[-30:]

    def do_change_image(self):
        others = self.panel.image.count() - 1
        chosen = self.panel.image.currentIndex() + self.dice.randint(1, max(1, others))
        self.panel.image.setCurrentIndex(chosen % (others + 1))
        self.panel.start_button.click()
        if self.dice.random() < 0.7:
            self.qtbot.waitUntil(lambda: self.annotator.progress is None, timeout=60_000)

    def do_new_pixels(self):
        if self.session:
            self.annotator.image.data = self.annotator.image.data[::-1].copy()

    def do_cancel(self):
        self.panel.start_button.click()
        self.annotator.cancel()

    def do_stop(self):
        self.annotator.stop()

    def do_close_and_reopen(self):
        self._close()
        self._open()

    def do_crash_and_restore(self):
        """Leave a journal without an end behind, take the labels away, and restore."""
        if self.session is None or not self.session.history.undo_text:
            return
        image, ours = self.annotator.image, self._layers()
        self.annotator.stop()
        journals = sorted(_folder().glob("*.jsonl"), key=os.path.getmtime)
        if not journals:
            return
        content = journals[-1].read_bytes()
        journals[-1].write_bytes(content.removesuffix(b'{"event": "end"}\n'))
        for layer in ours:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.panel.image.setCurrentText(image.name)
        self._start()
        QThreadPool.globalInstance().waitForDone()
        self.qtbot.wait(0)
        self.annotator.keeper.restore()
        QThreadPool.globalInstance().waitForDone()

    def do_what_next(self):
        self.annotator.what_next()
        if self.dice.random() < 0.5:
            self.annotator.next_region.cancel()


class _Event:
    dims_displayed = (0, 1)
    is_dragging = False

    def __init__(self, position):
        self.position = position


def _folder():
    return Path(os.environ["NAPARI_SEMANTIC_SAM_HOME"]) / "journals"


def _alive(kind):
    return [each for each in gc.get_objects() if type(each) is kind]


def _is_over():
    """Nothing of what the user used is left."""
    # Qt keeps those of jobs that ended while napari drew, outside of any event loop.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert [_alive(kind) for kind in (*ONE_EACH, Job)] == [[]] * (len(ONE_EACH) + 1)


def _check_bounds(user):
    """Nothing piles up: neither memory of steps and masks, nor what a session is made of."""
    if user.session:
        assert user.session.history.nbytes <= MOST_BYTES
        assert len(user.viewer.mouse_move_callbacks) <= 1
    # While a worker builds a tuple, nobody else may hold it, as looking at all objects does.
    QThreadPool.globalInstance().waitForDone()
    gc.collect()
    counts = {kind.__name__: len(_alive(kind)) for kind in ONE_EACH}
    assert all(count <= 1 for count in counts.values()), counts
    assert len(_alive(LevelLabels)) < 40  # one in use, others inside of steps that are done
    assert len(_alive(AnnotationSession)) <= 2
    user.resident.append(psutil.Process().memory_info().rss)
    assert user.resident[-1] - user.resident[0] < MOST_MORE_BYTES


@pytest.fixture
def only_new_objects():
    """Let the collector, and us, look only at what comes into being from now on."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("seed", [20260, FRESH], ids=["fixed", "fresh"])
def test_nothing_that_a_user_does_raises_or_piles_up(
    viewer, own_checkpoint, only_new_objects, qtbot, seed
):
    threads = set(threading.enumerate())
    user = User(viewer, qtbot, seed)
    try:
        user._add_images()
        for number in range(OPERATIONS):
            user.act()
            if number % 50 == 49:
                _check_bounds(user)
        user._close()
        assert QThreadPool.globalInstance().waitForDone(60_000)
        qtbot.waitUntil(_is_over, timeout=60_000)
        ours = [each for each in set(threading.enumerate()) - threads if not each.daemon]
        assert ours == []
        assert not any("Error" in message for message in messages())
        assert HAPPENED - (+user.happened).keys() == set()
    except BaseException:
        print(f"SOAK_SEED={seed}, after {len(user.done)} operations: {user.done[-10:]}")
        raise
