"""The panel with a real network, whose weights are random."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from panel_actions import CELLS, click
from skimage import data

from napari_semantic_sam.model.registry import checkpoints_folder
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.panel import SemanticSamPanel


def test_own_checkpoint_click_and_keep(viewer_model, own_checkpoint, qtbot):
    viewer_model.add_image(CELLS, name="cells")
    panel = SemanticSamPanel(viewer_model)
    qtbot.addWidget(panel)
    panel.model.setCurrentText("mine")
    assert panel.description.text().startswith("Random weights.")
    panel.device.setCurrentIndex(panel.device.findData("cpu"))
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None, timeout=60_000)
    assert panel.status.text().startswith("“cells”  ·  mine on cpu")

    click(panel, qtbot, 30, 40)
    candidates = panel.annotator.session.current.candidates
    assert candidates
    assert [each.area for each in candidates] == sorted(
        (each.area for each in candidates), reverse=True
    )
    panel.keep_button.click()
    shown = panel.annotator.session.current.shown
    layer = viewer_model.layers[f"cells · level {shown.level}"]
    np.testing.assert_array_equal(layer.data, shown.full_mask())


def test_all_kinds_of_prompts_and_back(viewer_model, own_checkpoint, qtbot):
    cells = viewer_model.add_image(CELLS, name="cells")
    annotator = Annotator(viewer_model)
    annotator.start(cells, "mine", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not None, timeout=60_000)
    session = annotator.session

    def answered():
        return not session.waiting

    annotator.clicks.add([30, 40])
    annotator.boxes.add_rectangles([[20, 30], [40, 50]])
    annotator.boxes.add([[25, 35], [30, 40], [35, 35]], shape_type="path")
    annotator.boxes.add([[20, 30], [20, 50], [45, 40]], shape_type="polygon")
    qtbot.waitUntil(answered, timeout=30_000)
    annotator.mark(0, True)
    annotator.finer()
    annotator.keep()
    kept = {level: session.levels.array(level).copy() for level in session.levels.levels}
    assert kept
    level, row = next((n, session.levels.rows(n)[0]) for n in session.levels.levels)
    annotator.refine_label(level, row.index)
    annotator.flip_sign()
    annotator.clicks.add([2, 2])
    qtbot.waitUntil(lambda: not session.waiting, timeout=30_000)

    while session.history.undo_text:
        annotator.undo()
    assert len(annotator.clicks.data) == len(annotator.boxes.data) == 0
    assert not any(session.levels.array(each).any() for each in session.levels.levels)
    while session.history.redo_text:
        annotator.redo()
    for each, pixels in kept.items():
        np.testing.assert_array_equal(viewer_model.layers[f"cells · level {each}"].data, pixels)
    annotator.close()


def test_a_damaged_checkpoint_is_listed_with_its_problem(viewer_model, qtbot):
    checkpoints_folder().mkdir(parents=True)
    (checkpoints_folder() / "cut off.safetensors").write_bytes(b"{")
    panel = SemanticSamPanel(viewer_model)
    qtbot.addWidget(panel)
    panel.model.setCurrentText("cut off (cannot be used)")
    assert "cannot be read" in panel.description.text()


def test_the_panel_appears_without_torch():
    code = (
        "import sys; from qtpy.QtWidgets import QApplication; app = QApplication([]);"
        "from napari.components import ViewerModel;"
        "from napari_semantic_sam.widgets.panel import SemanticSamPanel;"
        "panel = SemanticSamPanel(ViewerModel()); panel.show(); app.processEvents();"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_whole_image_with_the_bundled_checkpoint(viewer_model, qtbot):
    coins = viewer_model.add_image(data.coins()[60:160, 40:160], name="coins")
    panel = SemanticSamPanel(viewer_model)
    qtbot.addWidget(panel)
    panel.model.setCurrentText("tiny")
    panel.device.setCurrentIndex(panel.device.findData("cpu"))
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None, timeout=60_000)
    form, levels = panel.automatic.form, panel.annotator.session.levels
    assert form.chosen_levels == (1, 2, 3, 4, 5, 6)
    for level in (1, 3, 5, 6):
        form.levels[level - 1].setChecked(False)
    form.quality.setValue(-10)
    form.run_button.click()
    qtbot.waitUntil(lambda: panel.annotator.automatic.progress is None, timeout=120_000)
    rows = [row for level in levels.levels for row in levels.rows(level)]
    assert {row.source for row in rows} == {"automatic"}
    assert form.text.text().startswith("Found: ")
    assert all(0 < row.predicted_iou <= 1 for row in rows)
    for level in levels.levels:
        layer = viewer_model.layers[f"coins · level {level}"]
        assert layer.data.shape == coins.data.shape
        assert sorted(set(layer.data.flat) - {0}) == [row.index for row in levels.rows(level)]
    panel.annotator.undo()
    assert not any(levels.array(level).any() for level in levels.levels)
    panel.annotator.close()
