"""Libraries that take seconds to load, loaded beside the user interface."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_semantic_sam.widgets.annotator import Annotator

FRESH = """
import gc, sys
from napari_semantic_sam.widgets.native import load_libraries

seen = []
gc.callbacks.append(lambda phase, info: seen.append((phase, info["generation"])))
load_libraries(lambda: {cancelled})
gc.callbacks.clear()
print("torch" in sys.modules, "timm" in sys.modules, seen.count(("start", 2)), gc.isenabled())
try:
    with open("/proc/self/maps") as maps:
        print("libtorch_cpu" in maps.read())
except OSError:
    print(None)
"""


def in_a_fresh_interpreter(*, cancelled):
    done = subprocess.run(
        [sys.executable, "-c", FRESH.format(cancelled=cancelled)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_collector_goes_through_what_is_imported_once():
    imported, has_timm, collections, is_enabled, _ = in_a_fresh_interpreter(cancelled=False)
    assert (imported, has_timm) == ("True", "True")
    assert (collections, is_enabled) == ("1", "True")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch does it itself")
def test_large_shared_libraries_are_open_before_anything_is_imported():
    imported, _, _, _, is_open = in_a_fresh_interpreter(cancelled=True)
    assert (imported, is_open) == ("False", "True")


def test_opening_the_panel_loads_ahead_until_it_is_closed(viewer_model, monkeypatch, qtbot):
    asked = []
    monkeypatch.setattr("napari_semantic_sam.widgets.opening.load_libraries", asked.append)
    annotator = Annotator(viewer_model)
    qtbot.waitUntil(lambda: len(asked) == 1)
    assert not asked[0]()
    annotator.close()
    assert asked[0]()
