"""The whole image at once, of images that are empty, tiny, very long, or damaged."""

from __future__ import annotations

import numpy as np
import pytest
from panel_actions import messages
from seeing_stub import SeeingPredictor, bright

import napari_semantic_sam
from napari_semantic_sam.widgets.panel import SemanticSamPanel


class Stack:
    """A lazy stack, a plane of which cannot be read."""

    def __init__(self, planes, damaged):
        self._planes, self._damaged = planes, damaged
        self.shape, self.dtype, self.ndim = planes.shape, planes.dtype, planes.ndim

    def __getitem__(self, key):
        first = key[0] if isinstance(key, tuple) else key
        if first == self._damaged:
            raise OSError("a chunk is missing")
        return self._planes[key]


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def start(viewer, predictor, qtbot, monkeypatch):
    """Press Start on an image, with a model that sees bright things; returns the panel."""
    seeing = SeeingPredictor()
    seeing.model.device = "cpu"
    seeing.model.automatic = {"predicted_iou": 0.3, "stability": 0.5}
    monkeypatch.setattr(napari_semantic_sam, "load_model", lambda *_, **__: seeing.model)
    monkeypatch.setattr(napari_semantic_sam, "Predictor", lambda _: seeing)
    begun = []

    def do(data):
        viewer.add_image(data, name="image", contrast_limits=(0, 255))
        panel = SemanticSamPanel(viewer)
        begun.append(panel)
        qtbot.addWidget(panel)
        panel.source.channels.axis.setCurrentIndex(0)  # none
        panel.start_button.click()
        qtbot.waitUntil(lambda: panel.annotator.progress is None)
        return panel

    yield do
    for panel in begun:
        panel.annotator.close()


def run(panel, qtbot, slices=0):
    form = panel.automatic.form
    form.slices.setCurrentIndex(slices)
    form.run_button.click()
    qtbot.waitUntil(lambda: panel.annotator.automatic.progress is None, timeout=60_000)


def objects(viewer, level=1):
    """Return the middle of each object along x."""
    labels = viewer.layers[f"image · level {level}"].data
    return [round(float(np.nonzero(labels == n)[-1].mean())) for n in np.unique(labels) if n]


@pytest.mark.parametrize("value", [0, 77])
@pytest.mark.parametrize("shape", [(60, 80), (9, 60, 80)])
def test_an_image_of_one_value_has_no_objects(start, viewer, qtbot, shape, value):
    panel = start(np.full(shape, value, np.uint8))
    run(panel, qtbot, slices=len(shape) - 2)
    assert panel.automatic.form.text.text().startswith("Nothing was found")
    assert not panel.annotator.session.history.undo_text
    assert messages() == []


def test_a_side_below_eight_pixels_is_one_sentence(start):
    panel = start(np.zeros((7, 40), np.uint8))
    assert panel.annotator.session is None
    assert "at least 8" in messages()[-1]
    assert not panel.automatic.form.run_button.isEnabled()


def test_a_strip_of_65_000_pixels(start, viewer, qtbot):
    places = (300, 21_500, 64_700)
    picture = bright((24, 65_000), *((12, x, 9, 255) for x in places)).astype(np.uint8)
    run(start(picture), qtbot)
    assert sorted(objects(viewer)) == pytest.approx(places, abs=2)


def test_axes_with_one_plane_are_no_stack(start, viewer, qtbot):
    picture = bright((60, 80), (20, 20, 12, 255), (40, 60, 12, 255)).astype(np.uint8)
    panel = start(picture[None, None])
    assert panel.automatic.form.slices.count() == 1
    run(panel, qtbot)
    assert sorted(objects(viewer)) == [20, 60]


def test_a_damaged_slice_is_named_and_the_others_are_kept(start, viewer, qtbot):
    plane = bright((60, 80), (20, 20, 12, 255), (40, 60, 12, 255)).astype(np.uint8)
    panel = start(Stack(np.stack([plane] * 9), damaged=1))
    run(panel, qtbot, slices=1)
    assert panel.automatic.form.text.text().startswith("Found: 2 in level 1")
    assert messages()[-1].startswith("image (z = 1) could not be read at rows 0 to 60")
    assert messages()[-1].endswith("This slice was left without labels.")
    levels = panel.annotator.session.levels
    assert [plane for (plane,) in levels.planes_of(1, 1)] == [0, *range(2, 9)]
    panel.annotator.undo()
    assert levels.levels == []
