"""The plugin in napari's window, through its manifest."""

from __future__ import annotations

import gc
import weakref

import pytest
from npe2 import PluginManifest
from panel_actions import CELLS, click

PLUGIN = "napari-semantic-sam"


@pytest.fixture
def docked(viewer, predictor, qtbot):
    """The dock and the panel in it, after Start, in a list to be taken from."""
    viewer.add_image(CELLS, name="cells")
    dock, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Semantic-SAM")
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    return [dock, panel]


def test_from_click_to_label_in_the_window(docked, viewer, qtbot):
    _, panel = docked
    click(panel, qtbot, 30, 40)
    assert [layer.name for layer in viewer.layers][-1] == "cells · clicks"
    panel.slider.setValue(0)
    panel.keep_button.click()
    assert viewer.layers["cells · level 1"].features["area"].tolist() == [41 * 41]
    assert viewer.layers.selection.active == panel.annotator.clicks


def test_closing_the_dock_ends_the_session_and_frees_the_panel(docked, viewer, qtbot):
    panel, dock = docked.pop(), docked.pop()
    click(panel, qtbot, 30, 40)
    widget = weakref.ref(panel)
    dock.destroyOnClose()
    assert panel.annotator.session is None
    assert not viewer.layers["cells · clicks"].visible
    del dock, panel

    def freed():
        gc.collect()
        return widget() is None

    qtbot.waitUntil(freed)


def test_closing_the_window_while_an_image_is_embedded(viewer, predictor, qtbot):
    viewer.add_image(CELLS, name="cells")
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Semantic-SAM")
    predictor.gate.clear()
    panel.start_button.click()
    viewer.close()
    predictor.gate.set()


def test_closing_the_window_in_a_session(docked, viewer, qtbot):
    _, panel = docked
    click(panel, qtbot, 30, 40)
    viewer.close()


def test_every_sample_opens(viewer):
    samples = PluginManifest.from_distribution(PLUGIN).contributions.sample_data
    for sample in samples:
        (layer,) = viewer.open_sample(PLUGIN, sample.key)
        height, width = layer.data.shape[:2]
        assert min(height, width) >= 100
        assert layer.rgb == (layer.data.ndim == 3)
    assert len(samples) >= 5
