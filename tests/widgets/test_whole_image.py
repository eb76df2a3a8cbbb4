"""The whole image at once, from the panel."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from panel_actions import CELLS, automatic_answers, click, messages
from qtpy.QtCore import QTimer

from napari_semantic_sam.inference.automatic import plane as automatic_plane
from napari_semantic_sam.inference.automatic.guided import SizeRange
from napari_semantic_sam.inference.automatic.labels import label_levels
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.automatic.region import regions_of

DRAFT = "cells · draft"
BOXES = {
    1: [(5, 5, 30, 30), (5, 45, 30, 70), (35, 5, 58, 30)],
    2: [(10, 10, 20, 20), (10, 50, 20, 60)],
    3: [(12, 12, 15, 15)],
}
"""What there is to find, by level."""


class Engine:
    """Stands for `segment_plane`: finds `BOXES` tile by tile."""

    def __init__(self):
        self.asked = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.error = None

    def __call__(
        self, predictor, embedding, settings, *, guide, progress, cancelled, draft
    ) -> LevelLabels:
        self.asked.append((settings, guide))
        found = []
        boxes = [(level, box) for level in settings.levels for box in BOXES[level]]
        for done, (level, box) in enumerate(boxes):
            if cancelled():
                break
            if self.error:
                raise self.error
            y0, x0, y1, x1 = box
            crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
            mask = Candidate(box, crop, embedding.shape, level - 1, level, 0.9, 0.8)
            if guide.inside is None or guide.inside.window(box).mean() >= 0.5:
                found.append(mask)
                draft([mask])
            progress(done + 1, len(boxes))
            if done == 1:
                self.go_on.wait(10)
        return label_levels(found, settings.levels, embedding.shape)


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def engine(monkeypatch, predictor):
    engine = Engine()
    automatic_answers(monkeypatch, predictor, engine)
    yield engine
    engine.go_on.set()


@pytest.fixture
def form(engine, started):
    started.sections["automatic"].set_open(True)
    started.show()
    return started.automatic.form


def done(panel, qtbot):
    qtbot.waitUntil(lambda: panel.annotator.automatic.progress is None)


def run(panel, qtbot):
    panel.automatic.form.run_button.click()
    done(panel, qtbot)


def counts(panel):
    levels = panel.annotator.session.levels
    return {each: len(levels.rows(each)) for each in levels.levels if levels.rows(each)}


def test_everything_is_found_and_kept_as_one_step(form, started, viewer, qtbot):
    run(started, qtbot)
    assert counts(started) == {1: 3, 2: 2, 3: 1}
    assert form.text.text() == "Found: 3 in level 1, 2 in level 2, 1 in level 3."
    assert DRAFT not in viewer.layers
    layer = viewer.layers["cells · level 2"]
    assert layer.data[10:20, 50:60].min() > 0
    row = layer.features.iloc[0]
    assert (row["source"], row["parent_level"], row["predicted_iou"]) == ("automatic", 1, 0.9)
    assert started.annotator.session.history.undo_text == "segment the image"
    started.annotator.undo()
    assert counts(started) == {}
    started.annotator.redo()
    assert counts(started) == {1: 3, 2: 2, 3: 1}


def test_levels_quality_and_size_are_what_the_form_says(form, started, engine, qtbot):
    assert form.chosen_levels == (1, 2, 3)
    form.levels[0].setChecked(False)
    form.quality.setValue(5)
    form.smallest.setValue(8)
    run(started, qtbot)
    settings, guide = engine.asked[0]
    assert settings.levels == (2, 3)
    assert settings.thresholds.predicted_iou == pytest.approx(0.7)
    assert settings.thresholds.stability == pytest.approx(0.55)
    assert guide.sizes == dict.fromkeys((2, 3), SizeRange(8))
    assert guide.inside is None


def test_what_cannot_be_looked_for_is_said(form, started, engine, qtbot):
    for box in form.levels:
        box.setChecked(False)
    form.run_button.click()
    assert "at least one level" in messages()[-1]
    form.levels[0].setChecked(True)
    form.smallest.setValue(20)
    form.largest.setValue(10)
    form.run_button.click()
    assert "no range" in messages()[-1]
    form.largest.setValue(0)
    form.where.setCurrentIndex(1)
    form.run_button.click()
    assert "No shape is selected" in messages()[-1]
    form.where.setCurrentIndex(0)
    form.like_kept.setChecked(True)
    form.run_button.click()
    assert "no object yet" in messages()[-1]
    assert engine.asked == []
    assert started.annotator.automatic.progress is None


def test_a_model_without_clicks_cannot_segment(form, started, predictor, engine):
    del predictor.model.config.prompt_types["click"]
    form.run_button.click()
    assert "takes no clicks" in messages()[-1]
    assert engine.asked == []


def test_inside_of_the_selected_shape(form, started, viewer, qtbot):
    shapes = viewer.add_shapes(scale=(2, 2), translate=(1, 1))
    started.annotator.image.scale = (2, 2)
    shapes.add_rectangles([[0, 0], [60, 35]])
    shapes.selected_data = {0}
    form.where.setCurrentIndex(1)
    run(started, qtbot)
    assert counts(started) == {1: 2, 2: 1, 3: 1}
    shapes.data = [np.array([[100, 100], [100, 130], [130, 130], [130, 100]])]
    shapes.selected_data = {0}
    form.run_button.click()
    assert "outside" in messages()[-1]


def test_an_ellipse_is_a_shape_too(form, started, viewer, qtbot, engine):
    shapes = viewer.add_shapes()
    shapes.add_ellipses([[0, 0], [0, 40], [40, 40], [40, 0]])
    shapes.selected_data = {0}
    form.where.setCurrentIndex(1)
    run(started, qtbot)
    inside = engine.asked[0][1].inside
    assert inside.window((19, 19, 22, 22)).all()
    assert not inside.window((0, 0, 3, 3)).any()


def test_lines_enclose_nothing(form, started, viewer, qtbot, engine):
    shapes = viewer.add_shapes([[[5, 5], [50, 60]], [[5, 5], [50, 9]]], shape_type=["line", "path"])
    shapes.selected_data = {0, 1}
    form.where.setCurrentIndex(1)
    form.run_button.click()
    assert "No shape is selected" in messages()[-1]
    assert engine.asked == []
    shapes.add_rectangles([[0, 0], [10, 10]])
    shapes.selected_data = {0, 1, 2}
    run(started, qtbot)
    assert np.count_nonzero(engine.asked[0][1].inside.window((0, 0, 60, 80))) == 100


def test_distant_objects_are_read_each_in_its_own_box(monkeypatch):
    levels, labels = LevelLabels((900, 900)), np.zeros((900, 900), np.int32)
    labels[:10, :10], labels[890:, 890:] = 1, 2
    levels.attach(1, labels)
    levels.attach(2, np.pad(labels[:5, :20], ((3, 892), (0, 880))))
    read, pixels = [], LevelLabels.pixels
    monkeypatch.setattr(LevelLabels, "pixels", lambda *args: read.append(pixels(*args)) or read[-1])
    ((plane, region),) = regions_of(levels, [(1, 1), (1, 2), (2, 1)])
    assert plane == ()
    np.testing.assert_array_equal(region.window((0, 0, 900, 900)), labels > 0)
    assert sum(each.size for each in read) == 250


def test_more_like_what_was_kept(form, started, qtbot, engine):
    click(started, qtbot, 45, 60)
    started.annotator.show(1)
    started.annotator.keep()
    form.like_kept.setChecked(True)
    assert not any(each.isEnabled() for each in (*form.levels, form.smallest, form.largest))
    run(started, qtbot)
    settings, guide = engine.asked[0]
    assert settings.levels == (2,)
    assert 441 in guide.sizes[2]
    assert 9 not in guide.sizes[2]


def test_existing_labels_stay(form, started, qtbot):
    click(started, qtbot, 15, 15)
    started.annotator.show(1)
    started.annotator.keep()
    kept = started.annotator.session.levels.array(2) == 1
    run(started, qtbot)
    assert (started.annotator.session.levels.array(2)[kept] == 1).all()
    assert counts(started)[2] == 2
    assert "left out" in messages()[-1]


def test_a_preview_looks_at_the_view_and_keeps_nothing(form, started, viewer, qtbot, engine):
    viewer.canvas.size = (100, 100)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 15, 15), 2
    form.preview_button.click()
    done(started, qtbot)
    assert form.text.text().startswith("In this view: 1 in level 1, 1 in level 2, 1 in level 3.")
    drawn = viewer.layers[DRAFT].data
    assert (drawn[5:30, 5:30] > 0).all()
    assert len(np.unique(drawn[5:30, 5:30])) == 3
    assert not drawn[:, 45:].any()
    assert counts(started) == {}
    assert not started.annotator.session.history.undo_text
    run(started, qtbot)
    assert DRAFT not in viewer.layers


def test_an_image_out_of_view_has_no_preview(form, started, viewer, engine):
    viewer.scene.camera.center = (0, 9000, 9000)
    form.preview_button.click()
    assert "in view" in messages()[-1]
    assert engine.asked == []


def test_results_appear_while_it_runs_and_stopping_keeps_them(form, started, viewer, qtbot, engine):
    engine.go_on.clear()
    form.run_button.click()
    assert form.run_button.isHidden()
    assert not form.stop_button.isHidden()
    qtbot.waitUntil(lambda: DRAFT in viewer.layers and viewer.layers[DRAFT].data[6, 50] > 0)
    qtbot.waitUntil(lambda: form.progress.value() == 33)
    assert "left" in form.text.text()
    assert counts(started) == {}
    form.stop_button.click()
    assert form.text.text() == "Stopping …"
    engine.go_on.set()
    done(started, qtbot)
    assert counts(started) == {1: 2}
    started.annotator.undo()
    assert counts(started) == {}


def test_annotating_goes_on_meanwhile(form, started, qtbot, engine):
    engine.go_on.clear()
    form.run_button.click()
    click(started, qtbot, 45, 60)
    started.annotator.show(1)
    started.annotator.keep()
    engine.go_on.set()
    done(started, qtbot)
    assert counts(started)[2] == 3
    started.annotator.undo()
    assert counts(started) == {2: 1}


def test_a_session_that_ends_takes_its_run_along(form, started, viewer, qtbot, engine):
    engine.go_on.clear()
    form.run_button.click()
    qtbot.waitUntil(lambda: DRAFT in viewer.layers)
    started.annotator.stop()
    engine.go_on.set()
    assert DRAFT not in viewer.layers
    assert started.annotator.automatic.progress is None
    assert form.text.text() == ""


def test_errors_are_told_and_end_the_run(form, started, viewer, engine, qtbot):
    from napari_semantic_sam.errors import UserError

    engine.error = UserError("There is not enough memory.")
    run(started, qtbot)
    assert messages()[-1] == "There is not enough memory."
    assert DRAFT not in viewer.layers
    assert not form.run_button.isHidden()


def test_a_deleted_draft_is_no_trouble(form, started, viewer, engine, qtbot):
    engine.go_on.clear()
    form.run_button.click()
    qtbot.waitUntil(lambda: DRAFT in viewer.layers)
    viewer.layers.remove(DRAFT)
    engine.go_on.set()
    done(started, qtbot)
    assert counts(started) == {1: 3, 2: 2, 3: 1}


def test_nothing_found_is_said(form, started, viewer, engine, qtbot, monkeypatch):
    monkeypatch.setitem(BOXES, 3, [])
    for box in form.levels[:2]:
        box.setChecked(False)
    run(started, qtbot)
    assert form.text.text().startswith("Nothing was found")
    assert not started.annotator.session.history.undo_text


def test_a_slice_of_a_stack(engine, predictor, viewer, qtbot):
    from napari_semantic_sam.widgets.panel import SemanticSamPanel

    viewer.add_image(np.stack([CELLS] * 9), name="cells")
    viewer.dims.set_point(0, 1)
    panel = SemanticSamPanel(viewer)
    qtbot.addWidget(panel)
    panel.show()
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    engine.go_on.clear()
    panel.automatic.form.run_button.click()
    qtbot.waitUntil(lambda: DRAFT in viewer.layers and viewer.layers[DRAFT].data.any())
    assert viewer.layers[DRAFT].data.shape == (1, *CELLS.shape)
    assert viewer.layers[DRAFT].translate[0] == 1
    viewer.dims.set_point(0, 2)
    engine.go_on.set()
    done(panel, qtbot)
    labels = viewer.layers["cells · level 1"].data
    assert [len(np.unique(each)) for each in labels] == [1, 4, *[1] * 7]
    panel.annotator.undo()
    assert not labels.any()
    panel.annotator.close()


def test_thousands_of_objects_come_in_bit_by_bit(form, started, viewer, qtbot, monkeypatch):
    from napari_semantic_sam.widgets.automatic import runner

    numbers = np.arange(1, 1201).reshape(30, 40)

    def segment(predictor, embedding, settings, **_) -> LevelLabels:
        found = LevelLabels(embedding.shape)
        array = np.kron(numbers, np.ones((2, 2), int))
        found.attach(2, array, [LabelRow(each, 2) for each in range(1, 1201)])
        return found

    progress = []
    monkeypatch.setattr(automatic_plane, "segment_plane", segment)
    monkeypatch.setattr(runner, "_SECONDS_AT_ONCE", 0.001)  # as on a slow computer
    timer = QTimer()
    timer.timeout.connect(lambda: progress.append(started.annotator.automatic.progress))
    timer.start(0)
    run(started, qtbot)
    timer.stop()
    assert counts(started) == {2: 1200}
    assert sum(each is not None and each.text.startswith("Writing") for each in progress) > 2
    started.annotator.undo()
    assert started.annotator.session.is_writing
    done(started, qtbot)
    assert counts(started) == {}
    assert "cells · level 2" not in viewer.layers
    started.annotator.redo()
    started.annotator.delete_all([(2, 7)])
    done(started, qtbot)
    assert counts(started) == {2: 1199}
