"""The panel at work, from a click to a row of features."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from panel_actions import CELLS, click, draw_box, messages, press, shown
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSlider, QComboBox, QLabel, QProgressBar, QPushButton

from napari_semantic_sam.inference.level_labels import COLUMNS
from napari_semantic_sam.widgets.layers import record_of


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def test_start_adds_layers_ready_for_clicks(started, viewer):
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        "cells · preview",
        "cells · boxes",
        "cells · clicks",
    ]
    assert viewer.layers.selection.active == started.annotator.clicks
    assert started.annotator.clicks.mode == "add"
    assert started.annotator.boxes.mode == "add_rectangle"


def test_from_click_to_features_row(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    assert started.position.text() == "2 of 3  ·  level 2"

    started.slider.setValue(2)
    assert started.position.text() == "3 of 3  ·  level 3"
    started.keep_button.click()

    layer = viewer.layers["cells · level 3"]
    assert isinstance(layer, Labels)
    expected = np.zeros(CELLS.shape, dtype=int)
    expected[26:35, 36:45] = 1
    np.testing.assert_array_equal(layer.data, expected)
    assert tuple(layer.features.columns) == COLUMNS
    (row,) = layer.features.to_dict("records")
    assert (row["index"], row["level"], row["area"], row["source"]) == (1, 3, 81, "click")
    assert (row["predicted_iou"], row["stability"]) == (0.5, 0.8)
    assert record_of(layer) == {
        "image": "cells",
        "image_id": str(viewer.layers["cells"].unique_id),
        "level": 3,
        "checkpoint": "tiny",
        "level_order": (0, 1, 2),
    }
    assert started.position.text() == "3 of 3  ·  level 3  ·  kept"
    assert viewer.layers.selection.active == started.annotator.clicks


def test_the_model_may_see_the_contrast_of_the_layer(started, viewer, qtbot, predictor):
    assert predictor.contrast_limits is None
    viewer.layers["cells"].contrast_limits = (10, 200)
    started.contrast.setChecked(True)
    started.start()
    qtbot.waitUntil(lambda: started.annotator.progress is None)
    assert predictor.contrast_limits == (10, 200)


def test_level_layers_are_ordered_and_linked(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    for index in (2, 0):
        started.annotator.show(index)
        started.annotator.keep()
    names = [layer.name for layer in viewer.layers]
    assert names[:4] == ["cells", "cells · level 1", "cells · level 3", "cells · preview"]
    (row,) = viewer.layers["cells · level 3"].features.to_dict("records")
    assert (row["parent_level"], row["parent"]) == (1, 1)


def test_the_preview_shows_the_candidate_and_what_was_kept(started, viewer, qtbot):
    preview = viewer.layers["cells · preview"]
    assert not preview.data[..., 3].any()
    click(started, qtbot, 30, 40)
    assert preview.data.shape == (21, 21, 4)
    np.testing.assert_array_equal(preview.translate, (20, 30))
    assert preview.data[10, 10, 3] > 0
    started.annotator.keep()
    assert preview.data[10, 10, 3] == 0
    assert preview.data[0, 10, 3] > 0
    assert viewer.layers.selection.active == started.annotator.clicks


@pytest.mark.parametrize("active", ["cells", "cells · clicks", "cells · boxes", "cells · level 2"])
def test_shortcuts_work_whatever_layer_is_active(started, viewer, qtbot, active):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers.selection.active = viewer.layers[active]
    press(viewer, ".")
    assert started.slider.value() == 2
    press(viewer, ",")
    press(viewer, ",")
    press(viewer, ",")
    assert started.slider.value() == 0
    press(viewer, "K")
    assert viewer.layers["cells · level 1"].data.max() == 1


def test_shortcuts_wait_for_a_session(panel, viewer):
    for key in ",.K":
        press(viewer, key)
    assert len(viewer.layers) == 1


def test_a_box_drawn_with_the_mouse(started, viewer, qtbot, predictor):
    draw_box(started.annotator.boxes, (10, 12), (30, 41))
    shown(started, qtbot)
    ((_, ((y0, x0, y1, x1),)),) = predictor.asked
    assert (y0, x0) == pytest.approx((10.5, 12.5), abs=0.01)
    assert (y1, x1) == pytest.approx((30.5, 41.5), abs=0.01)
    started.annotator.keep()
    assert viewer.layers["cells · level 2"].features["source"].tolist() == ["box"]


def test_a_box_without_area_is_refused(started, qtbot, predictor):
    draw_box(started.annotator.boxes, (200, 10), (300, 20))
    assert len(started.annotator.boxes.data) == 0
    assert "covers no area" in messages()[-1]
    draw_box(started.annotator.boxes, (10, 10), (20, 20))
    shown(started, qtbot)
    assert len(predictor.asked) == 1


def test_a_click_outside_is_refused(started, qtbot, predictor):
    click(started, qtbot, 30, 40)
    started.annotator.clicks.add([-5, 10])
    assert "outside" in messages()[-1]
    np.testing.assert_array_equal(started.annotator.clicks.data, [[30, 40]])
    assert started.annotator.session.active.coordinates == (30, 40)
    assert len(predictor.asked) == 1


def test_a_box_the_model_does_not_take_is_refused(panel, qtbot, predictor):
    del predictor.model.config.prompt_types["box"]
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    predictor.gate.clear()
    panel.annotator.clicks.add([30, 40])
    draw_box(panel.annotator.boxes, (10, 10), (20, 20))
    predictor.gate.set()
    shown(panel, qtbot)
    assert messages() == [
        "This model takes no boxes; click on the structure, or choose another model."
    ]
    assert len(panel.annotator.boxes.data) == 0
    assert panel.annotator.session.current.shown is not None
    assert predictor.asked == [(((30, 40),), ())]


def test_moving_a_click_asks_again(started, qtbot, predictor):
    click(started, qtbot, 30, 40)
    started.annotator.clicks.data = [[20, 25]]
    shown(started, qtbot)
    assert predictor.asked == [(((30, 40),), ()), (((20, 25),), ())]
    assert started.annotator.session.current.shown.box == (10, 15, 31, 36)


def test_existing_labels_are_never_overwritten(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    before = viewer.layers["cells · level 2"].data.copy()

    click(started, qtbot, 30, 45)
    started.annotator.keep()
    after = viewer.layers["cells · level 2"].data
    np.testing.assert_array_equal(after[before > 0], before[before > 0])
    assert viewer.layers["cells · level 2"].features["area"].tolist() == [441, 105]

    started.annotator.keep()
    assert "Nothing was kept" in messages()[-1]
    assert after.max() == 2


def test_several_clicks_at_once_are_one_request(started, qtbot, predictor):
    predictor.gate.clear()
    for x in (20, 40, 60):
        started.annotator.clicks.add([30, x])
    assert started.position.text() == "Finding masks …"
    predictor.gate.set()
    shown(started, qtbot)
    assert [len(points) for points, _ in predictor.asked] == [1, 2]
    assert started.annotator.session.current.shown.box == (20, 50, 41, 71)


def test_candidates_of_a_click_that_is_gone_are_dropped(started, viewer, qtbot, predictor):
    predictor.gate.clear()
    started.annotator.clicks.add([30, 40])
    started.annotator.clicks.data = np.zeros((0, 2))
    predictor.gate.set()
    qtbot.waitUntil(lambda: len(predictor.asked) == 1)
    click(started, qtbot, 10, 10)
    assert started.annotator.session.active.coordinates == (10, 10)
    assert started.annotator.session.prompts == (started.annotator.session.active,)


def test_a_click_that_finds_nothing_says_so(started, qtbot, predictor):
    predictor.finds_nothing = True
    started.annotator.clicks.add([30, 40])
    qtbot.waitUntil(lambda: "Nothing found" in started.position.text())
    assert not started.keep_button.isEnabled()
    assert not started.slider.isEnabled()


def test_the_users_strokes_get_rows(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    layer.selected_label = 7
    layer.brush_size = 1
    with layer.block_history():  # as the mouse does
        layer.paint((5, 5), 7)
    assert layer.features["source"].tolist() == ["click", "painted"]
    assert layer.features["index"].tolist() == [1, 7]
    layer.undo()
    click(started, qtbot, 12, 60)
    started.annotator.keep()
    assert layer.features["index"].tolist() == [1, 2]


def test_strokes_are_counted_whatever_was_written_in_features(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    layer.features["object"] = "cell"
    layer.brush_size = 1
    with layer.block_history():
        layer.paint((30, 40), 0)
        layer.paint((3, 70), 9)
    assert layer.features["index"].tolist() == [1, 9]
    assert layer.features["area"].tolist() == [440, 1]
    assert layer.features["object"].tolist() == ["cell", ""]
    layer.selected_label = 0
    layer.fill((20, 40), 0)
    assert layer.features["index"].tolist() == [9]


def test_what_was_erased_is_no_longer_kept(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    assert started.position.text().endswith("kept")
    layer = viewer.layers["cells · level 2"]
    layer.fill((30, 40), 0)
    assert started.position.text() == "2 of 3  ·  level 2"
    started.annotator.keep()
    assert started.position.text().endswith("kept")
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: started.position.text() == "2 of 3  ·  level 2")


def test_labels_of_an_earlier_session_are_taken_over(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    first = started.annotator.session
    started.start_button.click()
    qtbot.waitUntil(lambda: started.annotator.session is not first)
    shown(started, qtbot)  # the click is still there and is answered again
    started.annotator.clicks.add([12, 70])
    shown(started, qtbot)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    assert layer.features["index"].tolist() == [1, 2]
    assert layer.features["predicted_iou"].tolist() == [0.9, 0.9]
    assert [each.name for each in viewer.layers].count("cells · clicks") == 1


def test_what_is_in_use_is_visible(started, panel):
    assert started.status.text() == "“cells”  ·  tiny on cpu"
    assert started.model.currentText().startswith("tiny")
    assert "microscopy" in started.description.text()


def test_what_a_model_lacks_is_said_before_it_is_used(panel):
    panel.model.setCurrentText("swin-t (to download)")
    assert panel.description.text().endswith("Experimental: box.")


def test_every_control_explains_itself(panel):
    kinds = (QAbstractSlider, QComboBox, QLabel, QProgressBar, QPushButton)
    controls = [each for each in panel.children() if isinstance(each, kinds)]
    assert len(controls) > 10
    assert all(each.toolTip() for each in controls)


def test_the_panel_fits_a_small_screen(panel):
    assert panel.minimumSizeHint().width() <= 320
    assert panel.sizeHint().height() <= 480


def test_pictures_are_chosen_from_images_only(started, viewer):
    viewer.add_labels(np.zeros(CELLS.shape, dtype=int), name="mine")
    viewer.add_image(CELLS, name="more")
    texts = [started.image.itemText(index) for index in range(started.image.count())]
    assert texts == ["cells", "more"]
    assert isinstance(viewer.layers["cells · preview"], Image)


def test_the_slider_takes_the_keyboard(started, qtbot):
    click(started, qtbot, 30, 40)
    qtbot.keyClick(started.slider, Qt.Key.Key_Right)
    assert started.position.text() == "3 of 3  ·  level 3"
