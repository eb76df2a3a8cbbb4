"""The panel with a real network, whose weights are random."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from panel_actions import CELLS, click

from napari_semantic_sam.model.registry import checkpoints_folder
from napari_semantic_sam.widgets.panel import SemanticSamPanel


def test_own_checkpoint_click_and_keep(viewer_model, own_checkpoint, qtbot):
    viewer_model.add_image(CELLS, name="cells")
    panel = SemanticSamPanel(viewer_model)
    qtbot.addWidget(panel)
    panel.model.setCurrentText("mine")
    assert panel.description.text() == "Random weights."
    panel.device.setCurrentIndex(panel.device.findData("cpu"))
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None, timeout=60_000)
    assert panel.status.text() == "“cells”  ·  mine on cpu"

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
