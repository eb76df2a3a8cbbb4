"""One stack of steps over prompts, levels, labels and the user's own edits of our layers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from annotating import begin, candidates_come, click
from panel_actions import messages, press

from napari_semantic_sam.inference.label_runs import measure
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets.layers import rows_in

UNDO, REDO = "Control-Z", "Control-Shift-Z"


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def annotator(viewer, cells, predictor, qtbot):
    yield from begin(viewer, qtbot)


@pytest.fixture
def level(annotator, viewer, qtbot):
    """The layer of level 2, with one label."""
    click(annotator, qtbot, 30, 40)
    annotator.keep()
    return viewer.layers["cells · level 2"]


def contents(layer):
    """Return pixels and rows of a level layer, so that they can be compared."""
    return str((layer.data.tolist(), layer.features.to_dict("list")))


def assert_goes_there_and_back(annotator, state, before):
    """Undo leads from the present to the state before, redo back again."""
    after = state()
    assert after != before
    annotator.undo()
    assert state() == before
    annotator.redo()
    assert state() == after


def test_prompts_go_and_come_back_in_their_layers(annotator, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.flip_sign()
    click(annotator, qtbot, 33, 43)
    annotator.boxes.add_rectangles(np.array([[5, 5], [15, 15]]))
    groups = annotator.session.groups
    annotator.undo()
    assert len(annotator.boxes.data) == 0
    annotator.undo()
    annotator.undo()
    assert len(annotator.clicks.data) == 0
    assert not annotator.session.history.undo_text
    for _ in range(3):
        annotator.redo()
    assert annotator.session.groups == groups
    assert annotator.clicks.features["sign"].tolist() == ["positive", "negative"]
    assert [shape.tolist() for shape in annotator.boxes.data] == [
        [[5, 5], [5, 15], [15, 15], [15, 5]]
    ]
    assert not annotator.session.history.redo_text
    candidates_come(annotator, qtbot)
    assert annotator.session.current.candidates


def test_a_moved_and_a_flipped_click_go_back(annotator, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.clicks.data = [[20, 25]]
    annotator.clicks.mode = "select"
    annotator.clicks.selected_data = {0}
    annotator.flip_sign()
    assert annotator.session.groups == {1: (Prompt("click", (20, 25), positive=False),)}
    annotator.undo()
    assert annotator.clicks.features["sign"].tolist() == ["positive"]
    annotator.undo()
    np.testing.assert_array_equal(annotator.clicks.data, [[30, 40]])


def test_what_is_drawn_next_keeps_its_sign_through_undo(annotator, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.flip_sign()
    annotator.undo()
    annotator.redo()
    click(annotator, qtbot, 33, 43)
    assert annotator.clicks.features["sign"].tolist() == ["positive", "negative"]


def test_a_deleted_prompt_layer_comes_back(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    clicks = viewer.layers.pop(viewer.layers.index("cells · clicks"))
    qtbot.waitUntil(lambda: annotator.session.groups == {})
    annotator.undo()
    assert viewer.layers[-1] is clicks
    assert annotator.session.groups == {1: (Prompt("click", (30, 40)),)}


def test_walking_through_the_levels_goes_back(annotator, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.finer()
    assert annotator.session.current.index == 2
    annotator.undo()
    assert annotator.session.current.index == 1
    annotator.redo()
    assert annotator.session.current.index == 2


def test_several_levels_are_kept_in_one_step(annotator, viewer, qtbot):
    click(annotator, qtbot, 30, 40)
    annotator.mark(0)
    annotator.mark(2)
    annotator.keep()
    features = viewer.layers["cells · level 3"].features
    assert features[["parent_level", "parent"]].to_numpy().tolist() == [[2, 1]]
    assert viewer.layers["cells · level 2"].features["parent_level"].tolist() == [1]
    annotator.undo()
    assert not any("level" in each.name for each in viewer.layers)
    annotator.redo()
    levels = [each for each in viewer.layers if "level" in each.name]
    assert [layer.data.max() for layer in levels] == [1, 1, 1]


@pytest.mark.parametrize("name", ["clicks", "boxes", "preview", "level 2"])
def test_keys_on_our_layers(annotator, level, viewer, name):
    viewer.layers.selection.active = viewer.layers[f"cells · {name}"]
    press(viewer, UNDO)
    assert not level.data.any()
    press(viewer, REDO)
    assert level.data.any()


def test_other_layers_keep_their_own_undo(annotator, level, viewer):
    mine = viewer.add_labels(np.zeros((60, 80), dtype=int), name="mine")
    mine.brush_size = 1
    mine.paint((3, 3), 5)
    press(viewer, UNDO)
    assert not mine.data.any()
    assert level.data.any()


def test_keys_are_given_back(annotator, level, viewer):
    annotator.stop()
    assert not any(layer.keymap for layer in viewer.layers)
    level.brush_size = 1
    level.paint((3, 3), 5)
    viewer.layers.selection.active = level
    press(viewer, UNDO)
    assert level.data[3, 3] == 0
    assert level.data.max() == 1


def brush(layer):
    layer.brush_size = 5
    with layer.block_history():  # as the mouse does
        layer.paint((30, 40), 7)
        layer.paint((33, 40), 7)


def bucket(layer):
    layer.fill((30, 40), 9)


def eraser(layer):
    layer.fill((30, 40), 0)


def polygon(layer):
    layer.paint_polygon([(5, 5), (5, 50), (40, 50)], 8)


def indices(layer):
    layer.data_setitem((np.array([3, 30]), np.array([4, 40])), 6)


@pytest.mark.parametrize("stroke", [brush, bucket, eraser, polygon, indices])
def test_a_stroke_is_one_step(annotator, level, stroke):
    before = contents(level)
    stroke(level)
    assert annotator.session.history.undo_text == "draw in level 2"
    assert_goes_there_and_back(annotator, lambda: contents(level), before)


def test_naparis_own_undo_has_nothing_to_undo(annotator, level):
    brush(level)
    after = contents(level)
    level.undo()
    assert contents(level) == after
    annotator.undo()
    level.redo()
    assert level.data.max() == 1


def test_new_data_is_one_step(annotator, level):
    before = contents(level)
    data = np.zeros((60, 80), dtype=np.uint8)
    data[2:5, 2:5] = 200
    level.data = data
    assert level.features["index"].tolist() == [200]
    assert_goes_there_and_back(annotator, lambda: contents(level), before)


def test_data_of_a_type_that_is_too_small_for_what_was_there(annotator, level):
    level.data = np.full((60, 80), 70_000, dtype=np.int32)
    before = contents(level)
    level.data = np.ones((60, 80), dtype=np.uint8)
    assert_goes_there_and_back(annotator, lambda: contents(level), before)


def test_a_deleted_level_layer_comes_back_as_it_was(annotator, level, viewer, qtbot):
    level.name = "nuclei"
    level.opacity = 0.9
    level.metadata["stain"] = "DAPI"
    level.features["checked"] = ["yes"]
    annotator.rename_all([(2, 1)], object="nucleus")
    before, colour = contents(level), level.get_color(1).tolist()
    viewer.layers.remove(level)
    qtbot.waitUntil(lambda: annotator.session.levels.levels == [])
    annotator.undo()
    back = viewer.layers["nuclei"]
    assert contents(back) == before
    assert (back.opacity, back.metadata["stain"]) == (0.9, "DAPI")
    assert back.get_color(1).tolist() == colour
    assert back.features["checked"].tolist() == ["yes"]
    assert [layer.name for layer in viewer.layers].index("nuclei") == 1
    annotator.redo()
    assert "nuclei" not in viewer.layers
    annotator.undo()
    assert contents(viewer.layers["nuclei"]) == before
    brush(back)
    annotator.undo()
    assert contents(back) == before


def test_deleting_is_noticed_before_the_next_act(annotator, level, viewer):
    viewer.layers.remove(level)
    annotator.undo()
    assert viewer.layers["cells · level 2"].data.max() == 1


def test_a_copy_of_a_level_layer_is_not_the_level(annotator, level, viewer):
    viewer.add_labels(level.data.copy(), name="copy", metadata=dict(level.metadata))
    before = annotator.session.history.undo_text
    annotator.show(0)
    annotator.undo()
    brush(level)
    assert annotator.session.history.undo_text != before
    assert annotator.session.levels.array(2) is level.data


def test_a_level_layer_that_is_opened_is_one_step(annotator, level, viewer, qtbot):
    labels = np.zeros((60, 80), dtype=np.uint8)
    labels[25:28, 35:38] = 3
    record = {"napari_semantic_sam": {"image": "cells", "level": 4}}
    opened = viewer.add_labels(labels, name="organelles", metadata=record)
    qtbot.waitUntil(lambda: annotator.session.levels.levels == [2, 4])
    assert opened.features["index"].tolist() == [3]
    assert annotator.session.history.undo_text == "add level 4"
    annotator.undo()
    assert opened not in viewer.layers
    annotator.undo()
    assert annotator.session.levels.levels == []
    annotator.redo()
    annotator.redo()
    assert opened in viewer.layers
    assert opened.data[25:28, 35:38].all()
    assert opened.features["parent"].tolist() == [1]


def test_a_second_layer_of_a_level_is_left_alone_until_the_first_is_gone(
    annotator, level, viewer, qtbot
):
    other = np.full((60, 80), 9, dtype=np.uint8)
    spare = viewer.add_labels(other, name="other", metadata=dict(level.metadata))
    qtbot.waitUntil(lambda: any("“other” is left alone" in each for each in messages()))
    annotator.show(0)
    assert len(messages()) == 1
    levels = annotator.session.levels
    assert [row.index for row in levels.rows(2)] == [1]
    viewer.layers.remove(level)
    qtbot.waitUntil(lambda: [row.index for row in levels.rows(2)] == [9])
    assert levels.array(2) is spare.data


def test_edits_from_the_list_of_objects(annotator, level, viewer, qtbot):
    click(annotator, qtbot, 12, 70)
    annotator.keep()
    state = lambda: [contents(each) for each in viewer.layers if "level" in each.name]  # noqa: E731
    for act in (
        lambda: annotator.rename_all([(2, 1)], object="cell", part="nucleus"),
        lambda: annotator.merge(2, [1, 2]),
        lambda: annotator.split_all([(2, 1)]),
        lambda: annotator.delete_all([(2, 1)]),
    ):
        before = state()
        act()
        assert_goes_there_and_back(annotator, state, before)
    annotator.move_all([(2, 2)], 3)
    assert viewer.layers["cells · level 3"].features["area"].tolist() == [21 * 20]
    annotator.delete_all([(2, 99)])
    assert messages()


@pytest.mark.parametrize(
    ("column", "values", "object"),
    [
        ("object", [np.nan], ""),
        ("index", [1.0], "cell"),
        ("index", ["1"], "cell"),
        ("area", ["many"], "cell"),
        ("predicted_iou", ["good"], "cell"),
        ("source", [None], "cell"),
    ],
)
def test_whatever_is_written_into_the_table_facts_stay_facts(
    annotator, level, column, values, object
):
    annotator.rename_all([(2, 1)], object="cell")
    table = level.features.copy()
    table[column] = values
    table["part"] = "nucleus"
    level.features = table
    annotator.show(0)
    (row,) = annotator.session.levels.rows(2)
    assert (row.object, row.part, row.area) == (object, "nucleus", 441)
    kinds = {name: type(getattr(row, name)) for name in ("index", "level", "area", "predicted_iou")}
    assert kinds == {"index": int, "level": int, "area": int, "predicted_iou": float}
    assert level.features["index"].tolist() == [1]


@pytest.mark.parametrize("record", ["ours", {"level": "2"}, {"level": 0}, {"level": None}])
def test_layers_that_are_no_level_of_ours_are_left_alone(annotator, level, viewer, record):
    if isinstance(record, dict):
        record = {"image": "cells"} | record
    labels = np.ones((60, 80), dtype=np.uint8)
    viewer.add_labels(labels, metadata={"napari_semantic_sam": record})
    annotator.show(0)
    assert annotator.session.levels.levels == [2]


def test_an_edit_behind_the_back_is_counted_but_no_step(annotator, level):
    level.data[50:52, 2:4] = 4
    level.refresh()
    annotator.show(0)
    assert level.features["index"].tolist() == [1, 4]
    level.features.loc[1, "object"] = "debris"
    annotator.delete_all([(2, 1)])
    assert level.features["object"].tolist() == ["debris"]


class Walk:
    """A user who does anything at any time."""

    def __init__(self, annotator, viewer, seed):
        self.annotator, self.viewer = annotator, viewer
        self.dice = random.Random(seed)

    def step(self):
        acts = [each for each in dir(self) if each.startswith("do_")]
        act = self.dice.choice(acts)
        getattr(self, act)()
        return act

    def place(self):
        return self.dice.randrange(60), self.dice.randrange(80)

    def level(self):
        layers = [each for each in self.viewer.layers if "· level" in each.name]
        return self.dice.choice(layers) if layers else None

    def do_click(self):
        self.annotator.clicks.add(self.place())

    def do_box(self):
        self.annotator.boxes.add_rectangles(np.array([self.place(), self.place()]))

    def do_remove_a_click(self):
        if len(self.annotator.clicks.data):
            self.annotator.clicks.remove([self.dice.randrange(len(self.annotator.clicks.data))])

    def do_walk_and_keep(self):
        self.annotator.show(self.dice.randrange(3))
        self.annotator.mark()
        self.annotator.show(self.dice.randrange(3))
        self.annotator.keep()

    def do_flip(self):
        self.annotator.flip_sign()

    def do_next(self):
        self.annotator.next_object()

    def do_undo(self):
        self.annotator.undo()

    def do_redo(self):
        self.annotator.redo()

    def do_paint(self):
        layer = self.level()
        if layer is not None:
            layer.brush_size = self.dice.randrange(1, 20)
            layer.paint(self.place(), self.dice.randrange(4))

    def do_pour(self):
        layer = self.level()
        if layer is not None:
            layer.fill(self.place(), self.dice.randrange(9))

    def do_new_data(self):
        layer = self.level()
        if layer is not None:
            layer.data = np.roll(layer.data, 7, axis=1)

    def do_delete_a_level(self):
        layer = self.level()
        if layer is not None:
            self.viewer.layers.remove(layer)

    def do_rename_a_level(self):
        layer = self.level()
        if layer is not None:
            layer.name = f"{layer.name}'"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_layers_and_session_stay_together_whatever_happens(annotator, viewer, qtbot, seed):
    walk = Walk(annotator, viewer, seed)
    for _ in range(60):
        walk.step()
        if walk.dice.random() < 0.5:
            candidates_come(annotator, qtbot)
    while annotator.session.history.undo_text:
        annotator.undo()
    assert annotator.session.groups == {}
    assert not any(annotator.session.levels.array(n).any() for n in annotator.session.levels.levels)
    while annotator.session.history.redo_text:
        annotator.redo()
    candidates_come(annotator, qtbot)
    session = annotator.session
    shown = {each.metadata["napari_semantic_sam"].get("level"): each for each in viewer.layers
             if "· level" in each.name}  # fmt: skip
    assert sorted(shown) == session.levels.levels
    for level, layer in shown.items():
        assert layer.data is session.levels.array(level)
        assert [row.index for row in rows_in(layer)] == sorted(measure(layer.data, (0, 0)))
        assert str(rows_in(layer)) == str(session.levels.rows(level))
