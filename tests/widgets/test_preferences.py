"""What the panel remembers, and the page in napari's preferences."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari.settings import get_plugin_settings

from napari_semantic_sam.widgets import preferences


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def page():
    return get_plugin_settings("napari-semantic-sam").annotation


@pytest.fixture
def open_panel(viewer, cells, predictor, qtbot):
    """Open the panel anew, as after a restart: only the file of settings is left."""
    from napari.settings import _clear_plugin_settings_cache

    from napari_semantic_sam.widgets.panel import SemanticSamPanel

    def open_one():
        _clear_plugin_settings_cache()
        panel = SemanticSamPanel(viewer)
        qtbot.addWidget(panel)
        return panel

    return open_one


def close(panel):
    panel.annotator.close()
    panel.close()


def test_every_choice_comes_back_after_a_restart(open_panel):
    panel = open_panel()
    panel.model.setCurrentIndex(panel.model.findData("swin-t"))
    panel.device.setCurrentIndex(panel.device.findData("cpu"))
    panel.contrast.setChecked(True)
    panel.prompts.separate.setChecked(True)
    panel.prompts.hover.setChecked(True)
    panel.options.rule.setCurrentIndex(panel.options.rule.findData("fill"))
    panel.options.fill_holes.setChecked(True)
    panel.options.drop_islands.setChecked(True)
    panel.options.smooth.setValue(3)
    panel.sections["source"].set_open(False)
    panel.sections["prompts"].set_open(False)
    panel.sections["review"].set_open(True)
    close(panel)

    panel = open_panel()
    assert panel.source.checkpoint.name == "swin-t"
    assert panel.device.currentData() == "cpu"
    assert panel.contrast.isChecked()
    assert panel.prompts.separate.isChecked()
    assert panel.annotator.separate
    assert panel.prompts.hover.isChecked()
    assert panel.annotator.hover
    assert panel.options.options == panel.annotator.options
    assert panel.annotator.options.rule == "fill"
    assert panel.annotator.options.cleanup.fill_holes
    assert panel.annotator.options.cleanup.drop_islands
    assert panel.annotator.options.cleanup.smooth == 3
    assert panel.sections["source"].is_open  # it holds the button that begins
    assert not panel.sections["prompts"].is_open
    assert panel.sections["review"].is_open
    assert not panel.sections["options"].is_open


def test_the_dialog_changes_an_open_panel(panel, page):
    page.rule = "replace"
    page.smooth = 2
    page.hover = True
    page.device = "cpu"
    page.folded = "source"
    assert panel.options.rule.currentData() == "replace"
    assert panel.annotator.options.cleanup.smooth == 2
    assert panel.prompts.hover.isChecked()
    assert panel.device.currentData() == "cpu"
    assert not panel.sections["source"].is_open


def test_a_closed_panel_is_left_alone(panel, page):
    panel.annotator.close()
    panel._memory.close()
    page.rule = "replace"
    assert panel.options.rule.currentData() == "keep"


def test_a_remembered_model_that_is_gone_is_no_problem(open_panel, page):
    page.model = "gone"
    page.device = "mps"
    panel = open_panel()
    assert panel.source.checkpoint.name == "tiny"
    assert panel.device.currentData() in ("auto", "mps")
    assert get_plugin_settings("napari-semantic-sam").annotation.model == "gone"


def test_settings_that_cannot_be_saved_do_not_stop_the_work(panel, page, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(get_plugin_settings("napari-semantic-sam")), "save", full)
    panel.options.smooth.setValue(5)
    assert panel.annotator.options.cleanup.smooth == 5


def test_the_journal_has_a_folder_unless_it_is_off(page, tmp_path):
    assert preferences.journal_folder() == tmp_path / "home" / "journals"
    page.journal_folder = " ~/notes "
    assert preferences.journal_folder() == Path.home() / "notes"
    page.journal = False
    assert preferences.journal_folder() is None


def test_every_rule_and_device_can_be_remembered():
    from npe2 import PluginManifest

    from napari_semantic_sam.widgets.tables import DEVICES, RULES

    manifest = PluginManifest.from_distribution("napari-semantic-sam")
    properties = manifest.contributions.configurations["annotation"].properties
    assert properties["rule"].enum == [value for value, _ in RULES]
    assert {value for value, _ in DEVICES} <= set(properties["device"].enum)
