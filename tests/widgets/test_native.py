"""Libraries that take seconds to load, loaded beside the user interface."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from napari_semantic_sam.widgets.annotator import Annotator

FRESH = """
import gc, json, sys
from napari_semantic_sam.widgets.native import load_libraries

def note(phase, info):
    if (phase, info["generation"]) == ("start", 2):
        set_aside.append(gc.get_freeze_count())

def is_open(library):
    try:
        with open("/proc/self/maps") as maps:
            return library in maps.read()
    except OSError:
        return None

{prepare}
before, set_aside = (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0), []
gc.callbacks.append(note)
load_libraries(lambda: {cancelled})
more = [[] for _ in range(100_000)]
gc.callbacks.clear()
after = (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0)
print(json.dumps(dict(
    imported=[name for name in ("torch", "timm") if name in sys.modules],
    set_aside=set_aside,
    is_as_before=before == after,
    is_open=is_open("libtorch_cpu"),
)))
"""


def in_a_fresh_interpreter(*, cancelled=False, prepare=""):
    done = subprocess.run(
        [sys.executable, "-c", FRESH.format(cancelled=cancelled, prepare=prepare)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_collector_does_not_go_through_what_is_imported():
    found = in_a_fresh_interpreter()
    assert found["imported"] == ["torch", "timm"]
    assert len(found["set_aside"]) == 1  # none provoked, and none soon after
    assert found["set_aside"][0] > 200_000
    assert found["is_as_before"]


@pytest.mark.parametrize("prepare", ["gc.disable()", "gc.freeze()"])
def test_a_collector_that_the_application_has_set_up_itself_is_left_alone(prepare):
    found = in_a_fresh_interpreter(prepare=prepare)
    assert found["imported"] == ["torch", "timm"]
    assert found["is_as_before"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch does it itself")
def test_large_shared_libraries_are_open_before_anything_is_imported():
    found = in_a_fresh_interpreter(cancelled=True)
    assert (found["imported"], found["is_open"]) == ([], True)


def test_opening_the_panel_loads_ahead_until_it_is_closed(viewer_model, monkeypatch, qtbot):
    asked = []
    monkeypatch.setattr("napari_semantic_sam.widgets.opening.load_libraries", asked.append)
    annotator = Annotator(viewer_model)
    qtbot.waitUntil(lambda: len(asked) == 1)
    assert not asked[0]()
    annotator.close()
    assert asked[0]()
