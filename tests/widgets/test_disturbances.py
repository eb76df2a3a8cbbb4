"""Layers that come, go, change and lie; errors beside the user interface; a panel that closes."""

from __future__ import annotations

import gc
import weakref

import dask.array
import numpy as np
import pytest
from napari.layers import Labels
from panel_actions import CELLS, click, messages, press, shown

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets.layers import record_of


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def restart(panel, qtbot):
    """Press Start and wait for the new session."""
    before = panel.annotator.session
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session not in (None, before))


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_without_an_image_start_says_what_to_do(panel, viewer):
    viewer.layers.clear()
    panel.start_button.click()
    assert messages() == ["Open an image first, for example with File › Open Sample."]


def test_a_volume_is_refused_in_one_sentence(panel, viewer):
    viewer.layers.clear()
    viewer.add_image(np.zeros((4, 20, 30)), name="stack")
    viewer.dims.ndisplay = 3
    panel.start_button.click()
    (message,) = messages()
    assert message.startswith("“stack” is shown as a volume")
    assert panel.annotator.progress is None


def test_opening_shows_progress_and_can_be_cancelled(panel, predictor, qtbot):
    predictor.gate.clear()
    panel.start_button.click()
    assert not panel.start_button.isVisibleTo(panel)
    assert panel.progress.isVisibleTo(panel)
    qtbot.waitUntil(lambda: panel.position.text() == "Embedding cells …")

    panel.cancel_button.click()
    assert panel.start_button.isVisibleTo(panel)
    assert not panel.progress.isVisibleTo(panel)
    predictor.gate.set()
    restart(panel, qtbot)
    assert messages() == []


def test_a_second_image_does_not_disturb_the_session(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    viewer.add_image(CELLS[:40], name="second")
    assert started.image.currentText() == "cells"
    started.annotator.keep()
    assert viewer.layers["cells · level 2"].data.shape == CELLS.shape


def test_a_session_on_a_second_image_and_back(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.add_image(CELLS[:40], name="second")
    started.image.setCurrentText("second")
    restart(started, qtbot)
    assert not viewer.layers["cells · clicks"].visible
    assert names(viewer)[-3:] == ["second · preview", "second · boxes", "second · clicks"]
    click(started, qtbot, 10, 10)
    started.annotator.keep()
    assert viewer.layers["second · level 2"].data.shape == (40, 80)
    assert viewer.layers["cells · level 2"].data.max() == 1

    started.image.setCurrentText("cells")
    restart(started, qtbot)
    assert names(viewer)[-3:] == ["cells · preview", "cells · boxes", "cells · clicks"]
    assert viewer.layers["cells · clicks"].visible
    assert not viewer.layers["second · clicks"].visible
    shown(started, qtbot)
    assert started.annotator.session.groups == {1: (Prompt("click", (30, 40)),)}


def test_renaming_the_image_keeps_its_layers_together(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers["cells · level 2"].name = "nuclei"
    started.annotator.show(2)
    started.annotator.keep()
    viewer.layers["cells"].name = "slide 7"
    assert started.image.currentText() == "slide 7"
    assert set(names(viewer)) == {
        "slide 7", "nuclei", "slide 7 · level 3", "slide 7 · preview", "slide 7 · boxes",
        "slide 7 · clicks",
    }  # fmt: skip
    restart(started, qtbot)
    click(started, qtbot, 12, 70)
    started.annotator.keep()
    assert viewer.layers["nuclei"].data.max() == 2
    assert record_of(viewer.layers["nuclei"])["image"] == "slide 7"


def test_the_image_is_deleted_while_it_is_embedded(panel, viewer, predictor, qtbot):
    predictor.gate.clear()
    panel.start_button.click()
    viewer.layers.remove("cells")
    qtbot.waitUntil(lambda: panel.annotator.progress is None)
    predictor.gate.set()
    (message,) = messages()
    assert "“cells” was removed" in message
    viewer.add_image(CELLS, name="another")
    restart(panel, qtbot)
    assert panel.annotator.image.name == "another"


def test_the_image_is_deleted_half_way(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers.remove("cells")
    qtbot.waitUntil(lambda: started.annotator.session is None)
    assert "“cells” was removed" in messages()[-1]
    assert not viewer.layers["cells · clicks"].visible
    assert viewer.layers["cells · level 2"].data.max() == 1

    viewer.add_image(CELLS, name="another")
    restart(started, qtbot)
    assert len(started.annotator.clicks.data) == 0
    assert names(viewer)[-3:] == ["another · preview", "another · boxes", "another · clicks"]


def test_an_act_just_after_the_image_was_deleted_is_too_late(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers.selection.active = viewer.layers["cells · level 2"]
    viewer.layers.remove("cells")
    started.annotator.undo()  # before anything else had a turn
    assert started.annotator.session is None
    assert "cells · level 2" in viewer.layers
    assert "was removed, which ends its annotation" in messages()[-1]


@pytest.mark.parametrize("how", ["before", "after"])
def test_another_image_of_the_same_name_starts_afresh(started, viewer, qtbot, how):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    old = viewer.layers["cells · level 2"]
    first = viewer.layers["cells"]
    if how == "after":
        viewer.layers.remove(first)
        qtbot.waitUntil(lambda: started.annotator.session is None)
    second = viewer.add_image(CELLS[::-1])
    if how == "before":
        viewer.layers.remove(first)
        qtbot.waitUntil(lambda: started.annotator.session is None)
    second.name = "cells"
    restart(started, qtbot)
    assert started.annotator.session.groups == {}
    assert started.annotator.session.levels.levels == []
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    assert old.data.max() == 1
    assert old.features["index"].tolist() == [1]
    assert viewer.layers["cells · level 2 [1]"].data.max() == 1


def test_an_image_that_comes_back_finds_its_labels(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    cells = viewer.layers.pop(0)
    qtbot.waitUntil(lambda: started.annotator.session is None)
    viewer.layers.append(cells)
    restart(started, qtbot)
    assert [row.index for row in started.annotator.session.levels.rows(2)] == [1]


def test_level_labels_without_an_id_go_by_name(panel, viewer, qtbot):
    data = np.zeros(CELLS.shape, dtype=int)
    data[4:8, 4:8] = 3
    record = {"napari_semantic_sam": {"image": "cells", "level": 2}}
    viewer.add_labels(data, name="from a file", metadata=record)
    restart(panel, qtbot)
    assert [row.index for row in panel.annotator.session.levels.rows(2)] == [3]


def test_prompt_layers_are_deleted_half_way(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    viewer.layers.remove("cells · clicks")
    qtbot.waitUntil(lambda: started.annotator.session.groups == {})
    assert "“cells · clicks” was removed" in messages()[-1]
    viewer.layers.remove("cells · boxes")
    qtbot.waitUntil(lambda: "“cells · boxes” was removed" in messages()[-1])
    restart(started, qtbot)
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    assert viewer.layers["cells · level 2"].data.max() == 1


def test_a_level_layer_is_deleted_half_way(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers.remove("cells · level 2")
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    assert layer.features["index"].tolist() == [1]
    assert layer.data.max() == 1


def test_a_level_layer_gets_other_data(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    layer = viewer.layers["cells · level 2"]
    layer.data = np.where(np.arange(80) > 60, 5, 0) * np.ones((60, 1), dtype=int)
    started.annotator.keep()
    assert layer.features["index"].tolist() == [5, 6]
    layer.data = np.zeros((9, 9), dtype=int)
    started.annotator.keep()
    assert layer.data.max() == 0
    assert len([each for each in viewer.layers if isinstance(each, Labels)]) == 2


def test_the_preview_is_deleted_half_way(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    viewer.layers.remove("cells · preview")
    started.annotator.show(0)
    assert names(viewer) == ["cells", "cells · preview", "cells · boxes", "cells · clicks"]
    assert viewer.layers.selection.active == started.annotator.clicks


@pytest.mark.parametrize("how", ["clear", "remove_selected"])
def test_everything_is_deleted_at_once(started, viewer, qtbot, how):
    click(started, qtbot, 30, 40)
    started.annotator.keep()
    viewer.layers.select_all()
    getattr(viewer.layers, how)()
    qtbot.waitUntil(lambda: started.annotator.session is None)
    assert len(viewer.layers) == 0
    assert started.image.count() == 0


def test_new_pixels_end_the_session(started, viewer, qtbot):
    click(started, qtbot, 30, 40)
    viewer.layers["cells"].data = CELLS[::-1]
    assert started.annotator.session is None
    assert "new pixels" in messages()[-1]


def test_new_pixels_while_the_old_ones_are_embedded(panel, viewer, predictor, qtbot):
    predictor.gate.clear()
    panel.start_button.click()
    viewer.layers["cells"].data = CELLS[::-1]
    predictor.gate.set()
    qtbot.waitUntil(lambda: bool(messages()))
    assert "new pixels" in messages()[-1]
    assert panel.annotator.session is None


def test_an_error_of_the_worker_becomes_a_notification(panel, predictor, qtbot):
    predictor.error = UserError("The picture has no finite value.")
    panel.start_button.click()
    qtbot.waitUntil(lambda: bool(messages()))
    assert messages() == ["cells: The picture has no finite value."]
    assert panel.start_button.isVisibleTo(panel)
    predictor.error = None
    restart(panel, qtbot)


def test_an_error_after_a_click_becomes_a_notification(started, predictor, qtbot):
    predictor.error = UserError("There is not enough memory for this picture.")
    started.annotator.clicks.add([30, 40])
    qtbot.waitUntil(lambda: bool(messages()))
    assert messages() == ["There is not enough memory for this picture."]
    predictor.error = None
    click(started, qtbot, 20, 20)
    assert started.annotator.session.current.shown is not None


def test_a_defect_is_raised_and_the_panel_goes_on(started, predictor, qtbot):
    predictor.error = RuntimeError("shapes do not match")  # torch's favourite kind
    with qtbot.capture_exceptions() as raised:
        started.annotator.clicks.add([30, 40])
        qtbot.waitUntil(lambda: bool(raised))
    assert raised[0][1] is predictor.error
    predictor.error = None
    click(started, qtbot, 20, 20)
    assert started.annotator.session.current.shown is not None


def test_masks_lie_where_the_image_lies(panel, viewer, qtbot):
    viewer.layers.clear()
    image = viewer.add_image(
        CELLS, name="turned", scale=(0.5, 2), translate=(7, -3), rotate=30, shear=[0.2],
        affine=[[1, 0.1, 4], [0, 1, 5], [0, 0, 1]], units=("um", "um"),
    )  # fmt: skip
    restart(panel, qtbot)
    click(panel, qtbot, 30, 40)
    panel.annotator.keep()

    preview = viewer.layers["turned · preview"]
    qtbot.waitUntil(lambda: len(preview.data) > 1)

    def check():
        corner = panel.annotator.session.current.candidates[0].box[:2]
        expected = image.data_to_world(corner)
        np.testing.assert_allclose(preview.data_to_world((0, 0)), expected)
        for name in ("turned · level 2", "turned · clicks", "turned · boxes"):
            np.testing.assert_allclose(viewer.layers[name].data_to_world(corner), expected)
            assert viewer.layers[name].units == image.units

    check()
    image.scale = (3, 1)
    image.affine = np.diag([2, 1, 1])
    check()


@pytest.mark.parametrize(
    "data",
    [
        np.dstack([CELLS] * 3).astype(np.uint8),
        [CELLS, CELLS[::2, ::2]],
        dask.array.from_array(CELLS.astype(float), chunks=20),
    ],
    ids=["rgb", "multiscale", "dask"],
)
def test_other_kinds_of_images(panel, viewer, qtbot, data):
    viewer.layers.clear()
    viewer.add_image(data, name="picture")
    restart(panel, qtbot)
    click(panel, qtbot, 30, 40)
    panel.annotator.keep()
    assert viewer.layers["picture · level 2"].data.shape == CELLS.shape


def gone(reference):
    gc.collect()
    return reference() is None


@pytest.fixture
def loose_panel(viewer, cells, predictor, qtbot):
    """A panel nobody else holds, in a list to be taken from."""
    from napari_semantic_sam.widgets.panel import SemanticSamPanel

    return [SemanticSamPanel(viewer)]


def bring_to(panel, stage, predictor, qtbot):
    """Work with a panel up to a stage."""
    if stage == "idle":
        return
    if stage == "opening":
        predictor.gate.clear()
    panel.start()
    if stage == "opening":
        return
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    if stage == "finding":
        predictor.gate.clear()
    panel.annotator.clicks.add([30, 40])
    if stage == "shown":
        shown(panel, qtbot)


def test_a_closed_panel_gives_the_users_keys_back(viewer, cells, predictor, qtbot):
    from napari_semantic_sam.widgets.panel import SemanticSamPanel

    pressed = []
    viewer.bind_key("K", pressed.append)
    panel = SemanticSamPanel(viewer)
    qtbot.addWidget(panel)
    press(viewer, "K")
    assert pressed == []
    panel.annotator.close()
    press(viewer, "K")
    assert pressed == [viewer]
    assert len(viewer.keymap) == 1


@pytest.mark.parametrize("stage", ["idle", "opening", "finding", "shown"])
def test_a_closed_panel_is_freed(loose_panel, viewer, predictor, qtbot, stage):
    bring_to(loose_panel[0], stage, predictor, qtbot)
    annotator = weakref.ref(loose_panel[0].annotator)
    panel = weakref.ref(loose_panel.pop())
    qtbot.waitUntil(lambda: gone(panel))
    predictor.gate.set()
    qtbot.waitUntil(lambda: gone(annotator))

    assert not viewer.keymap
    viewer.add_image(CELLS, name="later")
    viewer.layers["later"].name = "still later"
    assert not [layer for layer in viewer.layers if record_of(layer) and layer.visible]


def test_prompts_that_are_left_are_answered_when_the_other_layer_goes(viewer, started, qtbot):
    annotator = started.annotator
    click(started, qtbot, 30, 40)
    annotator.boxes.add_rectangles(np.array([[10.0, 20.0], [50.0, 60.0]]))
    shown(started, qtbot)
    viewer.layers.remove(annotator.boxes)
    qtbot.waitUntil(lambda: [len(each) for each in annotator.session.groups.values()] == [1])
    shown(started, qtbot)
