"""The size of objects: typed or taken from a shape, and what the model makes of it."""

from __future__ import annotations

import json

import pytest
from panel_actions import CELLS, click, messages

from napari_semantic_sam.inference.tiles import ObjectSize
from napari_semantic_sam.widgets.panel import SemanticSamPanel
from napari_semantic_sam.widgets.preferences import journal_folder


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def start(panel, qtbot):
    before = panel.annotator.session
    panel.start_button.click()
    qtbot.waitUntil(
        lambda: panel.annotator.session not in (None, before) and panel.annotator.progress is None,
        timeout=60_000,
    )


def test_the_size_counts_from_start_and_is_explained(panel, predictor, qtbot):
    size = panel.source.object_size
    assert size.text() == "automatic"
    start(panel, qtbot)
    assert predictor.scale is None
    assert "seen as a whole: the model sees it 2 times larger." in panel.status.text()
    size.setValue(128)
    assert predictor.scale is None
    start(panel, qtbot)
    assert predictor.scale == 0.5
    assert "about 128 pixels across: the model sees it 2 times smaller." in panel.status.text()
    size.setValue(0)
    start(panel, qtbot)
    assert predictor.scale is None


def test_a_size_in_micrometres_needs_the_size_of_a_pixel(panel, viewer, predictor, qtbot):
    panel.source.object_size.setValue(16)
    panel.source.size_unit.setCurrentText("µm")
    panel.start_button.click()
    qtbot.waitUntil(lambda: any("size of a pixel is not known" in each for each in messages()))
    qtbot.waitUntil(lambda: panel.annotator.progress is None)
    assert panel.annotator.session is None
    (image,) = panel.annotator.images
    image.units, image.scale = ("um", "um"), (0.5, 0.5)
    start(panel, qtbot)
    assert predictor.scale == 2.0
    assert "objects are about 16 µm (32 pixels) across" in panel.status.text()


def test_the_size_of_a_selected_shape(panel, viewer):
    panel.source.size_unit.setCurrentText("µm")
    panel.source.shape_button.click()
    assert "No shape is selected" in messages()[-1]
    shapes = viewer.add_shapes([[[10, 10], [10, 26], [35, 26], [35, 10]]], scale=(1, 1))
    shapes.selected_data = {0}
    panel.source.shape_button.click()
    assert panel.source.chosen_object_size == ObjectSize(20.0)  # 25 by 16
    shapes.scale = (2, 2)
    panel.source.shape_button.click()
    assert panel.source.chosen_object_size == ObjectSize(40.0)


@pytest.mark.parametrize(
    ("kind", "vertices", "size"),
    [
        ("line", [[20, 10], [20, 40]], 30),
        ("line", [[10, 10], [40, 50]], 50),
        ("path", [[10, 10], [40, 10], [10, 10], [10, 50]], 50),
        ("polygon", [[10, 10], [26, 10], [26, 35], [10, 35]], 20),
    ],
)
def test_the_size_of_a_line_is_its_length(panel, viewer, kind, vertices, size):
    shapes = viewer.add_shapes([vertices], shape_type=kind)
    shapes.selected_data = {0}
    panel.source.shape_button.click()
    assert panel.source.chosen_object_size == ObjectSize(size)


def test_a_real_model_is_shown_the_image_at_that_scale(viewer, own_checkpoint, qtbot):
    viewer.add_image(CELLS, name="cells")
    panel = SemanticSamPanel(viewer)
    qtbot.addWidget(panel)
    panel.model.setCurrentText("mine")
    panel.device.setCurrentIndex(panel.device.findData("cpu"))
    panel.source.object_size.setValue(40)
    start(panel, qtbot)
    assert panel.annotator.opened.embedding.scale == pytest.approx(1.6)
    assert "about 40 pixels across" in panel.status.text()
    click(panel, qtbot, 30, 40)
    panel.keep_button.click()
    panel.annotator.stop()
    (journal,) = journal_folder().glob("*.jsonl")
    header = json.loads(journal.read_text(encoding="utf-8").splitlines()[0])
    assert header["scale"] == pytest.approx(1.6)
