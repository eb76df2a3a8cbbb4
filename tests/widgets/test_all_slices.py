"""The whole image at once, in all slices of a stack."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from panel_actions import automatic_answers, messages

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.labels import label_levels
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.panel import SemanticSamPanel

DRAFT = "stack · draft"
CELL, NUCLEUS, OTHER = (5, 5, 30, 30), (10, 10, 20, 20), (35, 50, 55, 75)
OBJECTS = [
    {1: [CELL], 2: []},
    {1: [CELL], 2: [NUCLEUS]},
    {1: [OTHER, CELL], 2: [NUCLEUS]},
    {1: [OTHER], 2: []},
]
"""What there is to find in each slice, by level, in the order in which it is found."""


class Engine:
    """Stands for `segment_plane`: finds `OBJECTS`; knows slices by their only value."""

    def __init__(self):
        self.asked = []
        self.gates = {}
        self.errors = {}

    def __call__(self, predictor, embedding, settings, *, guide, progress, cancelled, draft):
        number = int(embedding.plane.levels[0].read((0, 0, 1, 1))[0, 0, 0])
        self.asked.append((number, guide))
        progress(1, 2)
        if number in self.gates:
            self.gates[number].wait(20)
        if number in self.errors:
            raise self.errors[number]
        found = []
        for level in settings.levels:
            for box in OBJECTS[number % len(OBJECTS)].get(level, []):
                crop = np.ones((box[2] - box[0], box[3] - box[1]), dtype=bool)
                score = 0.9 - 0.1 * len(found)
                mask = Candidate(box, crop, embedding.shape, level - 1, level, score, 0.8)
                if guide.inside is None or guide.inside.window(box).mean() >= 0.5:
                    found.append(mask)
        draft(found)
        progress(2, 2)
        return label_levels(found, settings.levels, embedding.shape)


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def engine(monkeypatch, predictor):
    engine = Engine()
    automatic_answers(monkeypatch, predictor, engine)
    yield engine
    for gate in engine.gates.values():
        gate.set()


def stack_of(*shape):
    """Return slices of which each has the value of its number."""
    count = int(np.prod(shape))
    numbers = np.arange(count, dtype=np.uint8).reshape(*shape, 1, 1)
    return np.broadcast_to(numbers, (*shape, 60, 80)).copy()


@pytest.fixture
def start(engine, viewer, qtbot):
    """Begin a session on an array; returns the panel."""
    begun = []

    def do(data, **options):
        viewer.add_image(data, name="stack", contrast_limits=(0, 100), **options)
        panel = SemanticSamPanel(viewer)
        begun.append(panel)
        qtbot.addWidget(panel)
        panel.sections["automatic"].set_open(True)
        panel.show()
        panel.source.channels.axis.setCurrentIndex(0)  # none
        panel.start_button.click()
        qtbot.waitUntil(lambda: panel.annotator.session is not None)
        return panel

    yield do
    for panel in begun:
        panel.annotator.close()


@pytest.fixture
def panel(start):
    return start(stack_of(4), scale=(2, 0.5, 0.5), units=("um", "um", "um"))


def run(panel, qtbot, linked=None):
    form = panel.automatic.form
    form.slices.setCurrentIndex(1)
    if linked is not None:
        form.linked.setCurrentIndex(form.linked.findData(linked))
    form.run_button.click()
    done(panel, qtbot)


def done(panel, qtbot):
    qtbot.waitUntil(lambda: panel.annotator.automatic.progress is None)


def at(viewer, level, y, x):
    """The numbers at a place in every slice."""
    return viewer.layers[f"stack · level {level}"].data[..., y, x].tolist()


def test_a_single_plane_has_no_choice_of_slices(start):
    form = start(stack_of(1)[0]).automatic.form
    assert form.slices.isHidden()
    assert form.linked.isHidden()


def test_a_stack_begins_with_the_slice_on_display(panel):
    form = panel.automatic.form
    assert not form.slices.isHidden()
    assert [form.slices.itemText(each) for each in range(2)] == ["This slice", "All slices (4)"]
    assert not form.is_all_slices
    assert not form.linked.isEnabled()
    form.slices.setCurrentIndex(1)
    assert form.linked.isEnabled()
    texts = [form.linked.itemText(each) for each in range(form.linked.count())]
    assert texts == ["In depth (Z)", "In time (T)", "Not at all"]


def test_objects_have_one_number_in_all_slices_and_are_one_step(panel, viewer, qtbot):
    run(panel, qtbot)
    assert panel.automatic.form.text.text() == "Found: 2 in level 1, 1 in level 2."
    assert at(viewer, 1, 7, 7) == [1, 1, 1, 0]
    assert at(viewer, 1, 40, 60) == [0, 0, 2, 2]
    assert at(viewer, 2, 15, 15) == [0, 1, 1, 0]
    assert DRAFT not in viewer.layers
    levels = panel.annotator.session.levels
    nucleus = levels.row(2, 1)
    assert (nucleus.area, nucleus.parent_level, nucleus.parent) == (200, 1, 1)
    assert levels.row(1, 1).predicted_iou == pytest.approx(np.mean([0.9, 0.9, 0.8]))
    assert panel.annotator.session.history.undo_text == "segment the image"
    panel.annotator.undo()
    assert levels.levels == []
    assert not panel.annotator.session.history.undo_text
    panel.annotator.redo()
    assert at(viewer, 1, 40, 60) == [0, 0, 2, 2]


def test_slices_may_stay_unlinked(panel, viewer, qtbot):
    run(panel, qtbot, linked="")
    assert at(viewer, 1, 7, 7) == [1, 2, 4, 0]
    assert at(viewer, 1, 40, 60) == [0, 0, 3, 5]


def test_results_appear_slice_by_slice_and_stopping_keeps_them(panel, engine, viewer, qtbot):
    form = panel.automatic.form
    engine.gates[2] = threading.Event()
    form.slices.setCurrentIndex(1)
    form.run_button.click()
    qtbot.waitUntil(lambda: DRAFT in viewer.layers and viewer.layers[DRAFT].data[1].any())
    assert viewer.layers[DRAFT].data.shape == (4, 60, 80)
    qtbot.waitUntil(lambda: form.text.text().startswith("Slice 3 of 4"))
    assert "left" in form.text.text()
    assert form.progress.value() in (50, 62)
    assert panel.annotator.session.levels.levels == []
    form.stop_button.click()
    engine.gates[2].set()
    done(panel, qtbot)
    assert [number for number, _ in engine.asked] == [0, 1, 2]
    assert at(viewer, 1, 7, 7) == [1, 1, 1, 0]
    panel.annotator.undo()
    assert panel.annotator.session.levels.levels == []


def test_a_damaged_slice_is_named_and_the_others_are_kept(panel, engine, viewer, qtbot):
    engine.errors[1] = UserError("stack (z = 1) could not be read at rows 0 to 60.")
    run(panel, qtbot)
    assert at(viewer, 1, 7, 7) == [1, 0, 1, 0]
    assert messages()[-1] == (
        "stack (z = 1) could not be read at rows 0 to 60. This slice was left without labels."
    )


def test_without_a_usable_slice_there_is_one_sentence(panel, engine, viewer, qtbot):
    engine.errors |= {number: UserError("It could not be read.") for number in range(4)}
    run(panel, qtbot)
    assert messages()[-1] == "stack (z = 0): It could not be read."
    assert DRAFT not in viewer.layers
    assert not panel.annotator.session.history.undo_text


@pytest.mark.parametrize(("linked", "asked"), [("Z", [0, 1, 2, 3]), ("T", [0, 2, 1, 3])])
def test_of_time_and_depth_one_is_linked(start, engine, viewer, qtbot, linked, asked):
    panel = start(stack_of(2, 2))
    form = panel.automatic.form
    assert form.slices.itemText(1) == "All slices (4)"
    run(panel, qtbot, linked=linked)
    assert [number for number, _ in engine.asked] == asked
    cells = np.array(at(viewer, 1, 7, 7))  # by time, by depth
    numbers = cells.T if linked == "T" else cells
    assert numbers[0, 0] == numbers[0, 1] > 0
    assert numbers[1, 0] not in (0, numbers[0, 0])


def test_axes_with_one_plane_do_not_count(start, engine, viewer, qtbot):
    panel = start(stack_of(4, 1))
    form = panel.automatic.form
    assert form.linked.itemText(0) == "In time (T)"
    run(panel, qtbot)
    assert np.ravel(at(viewer, 1, 7, 7)).tolist() == [1, 1, 1, 0]


def test_four_axes_of_which_two_have_one_plane(start, engine, viewer, qtbot):
    panel = start(stack_of(1, 1))
    assert panel.automatic.form.slices.isHidden()
    panel.automatic.form.run_button.click()
    done(panel, qtbot)
    assert at(viewer, 1, 7, 7) == [[1]]


def test_inside_of_the_selected_objects(panel, engine, viewer, qtbot):
    run(panel, qtbot)
    engine.asked.clear()
    form = panel.automatic.form
    panel.sections["review"].set_open(True)
    form.where.setCurrentIndex(form.where.findData("objects"))
    form.run_button.click()
    assert "No object is selected" in messages()[-1]
    panel.review.table.select({(1, 2)})
    form.run_button.click()
    done(panel, qtbot)
    assert [number for number, _ in engine.asked] == [2, 3]
    for _, guide in engine.asked:
        assert guide.inside.window(OTHER).all()
        assert not guide.inside.window(CELL).any()
    form.slices.setCurrentIndex(0)
    form.run_button.click()
    assert "not in this slice" in messages()[-1]
    viewer.dims.set_point(0, 3 * 2)
    form.run_button.click()
    done(panel, qtbot)
    assert [number for number, _ in engine.asked] == [2, 3, 3]
    panel.sections["review"].content.setCurrentWidget(panel.tree)
    panel.tree.view.select([(2, 1)])  # which goes to a slice that holds it
    form.run_button.click()
    done(panel, qtbot)
    number, guide = engine.asked[-1]
    assert number == 2
    assert guide.inside.window(NUCLEUS).all()


def test_measurements_and_the_tree_are_of_all_slices(panel, viewer, qtbot):
    run(panel, qtbot)
    panel.sections["review"].set_open(True)
    panel.sections["review"].content.setCurrentWidget(panel.tree)
    view = panel.tree.view
    shown = [
        view.model().headerData(column, orientation)
        for orientation in (view.header().orientation(),)
        for column in range(view.model().columnCount())
        if not view.isColumnHidden(column)
    ]
    assert shown == ["Object", "Contains", "Area", "Quality", "Slices", "Volume"]
    first = [view.model().index(0, column).data() for column in (0, 1, 2, 4, 5)]
    assert first == ["level 1 · 1", "2 × 1", "1875", "z 0–2", "937.5"]
    window = panel.measure()
    qtbot.addWidget(window)
    qtbot.waitUntil(lambda: window.save_button.isEnabled())
    table = window.model.table
    nucleus = dict(zip(table.columns, table.rows[2], strict=True))
    assert (nucleus["voxels"], nucleus["volume_um3"]) == (200, 100)
    assert (nucleus["slices"], nucleus["first_slice"], nucleus["last_slice"]) == (2, 1, 2)
    assert (nucleus["parent_level"], nucleus["parent"]) == (1, 1)
    window.what.setCurrentIndex(1)
    table = window.model.table
    inside = dict(zip(table.columns, table.rows[0], strict=True))
    assert (inside["inside_count"], inside["inside_voxels"]) == (1, 200)
    window.what.setCurrentIndex(2)
    assert window.status.text().startswith("2 rows")


def test_a_gap_is_told_in_the_tree(panel, engine, qtbot):
    engine.errors[1] = UserError("It could not be read.")
    run(panel, qtbot)
    panel.sections["review"].set_open(True)
    panel.sections["review"].content.setCurrentWidget(panel.tree)
    assert panel.tree.view.model().index(0, 4).data() == "z 0–2 (2)"
