"""The panel on a small screen, and with nothing but a keyboard."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QLabel,
    QProgressBar,
    QScrollArea,
    QScrollBar,
    QSlider,
    QSpinBox,
    QTabBar,
    QWidget,
)

from napari_semantic_sam.widgets.automatic.tree_model import COLUMNS as TREE_COLUMNS
from napari_semantic_sam.widgets.automatic.tree_view import TreeView
from napari_semantic_sam.widgets.review_model import COLUMNS as LIST_COLUMNS
from napari_semantic_sam.widgets.review_table import ReviewTable
from napari_semantic_sam.widgets.steps import StepButtons
from napari_semantic_sam.widgets.tables import CONTROLS

CONTROL_KINDS = (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QLabel,
    QProgressBar,
    QSlider,
    QSpinBox,
)
DOCK = (330, 640)
"""What is left for the panel in a window of 1280 by 720 pixels."""


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def small(started):
    started.resize(*DOCK)
    for section in started.sections.values():
        section.set_open(True)
    started.show()
    return started


def controls(panel):
    """Return the controls that we made, without those Qt makes inside of them."""
    found = [each for each in panel.findChildren(QWidget) if isinstance(each, CONTROL_KINDS)]
    inner = (QComboBox, QSpinBox, QAbstractItemView, QTabBar)
    return [
        each
        for each in found
        if not isinstance(each, QScrollBar)
        and not any(isinstance(above, inner) for above in ancestors(each))
    ]


def ancestors(widget):
    while widget.parentWidget() is not None:
        widget = widget.parentWidget()
        yield widget


def by_tab(panel):
    """Return the controls that Tab leads to, in its order."""
    order, widget = [], panel.nextInFocusChain()
    while widget is not panel:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and panel.isAncestorOf(widget):
            order.append(widget)
        widget = widget.nextInFocusChain()
    return order


def test_every_control_explains_itself(small):
    found = controls(small)
    assert len(found) > 40
    assert [each for each in found if not each.toolTip()] == []
    assert [each for each in found if not each.accessibleName()] == []


def test_nothing_is_cut_off_at_the_side(small):
    area = small.findChild(QScrollArea)
    content = area.widget()
    assert content.width() <= area.viewport().width() <= DOCK[0]
    for each in controls(small):
        if each.isVisible() and content.isAncestorOf(each):
            right = each.mapTo(content, QPoint(each.width(), 0)).x()
            assert right <= area.viewport().width(), each.accessibleName()


def test_no_caption_is_cut_off(small):
    metrics = small.fontMetrics()
    cut = [
        each.text()
        for each in small.findChildren(QAbstractButton)
        if each.isVisible()
        and each.width() < metrics.horizontalAdvance(each.text().replace("&", ""))
    ]
    assert cut == []


def test_the_list_of_objects_shows_its_whole_texts(small):
    longest = small.fontMetrics().horizontalAdvance("Object 100  ·  12 prompts")
    assert small.prompts.object.width() > longest + small.prompts.object.height()


def test_folded_sections_lie_close_together(small, qtbot):
    for section in small.sections.values():
        section.set_open(False)

    def heights():
        tops = [
            section.header.mapTo(small, QPoint(0, 0)).y() for section in small.sections.values()
        ]
        return [below - above for above, below in pairwise(tops)]

    qtbot.waitUntil(lambda: max(heights()) < 2 * small.sections["source"].header.height())


def test_the_panel_asks_for_no_more_than_a_small_screen_has(panel):
    assert panel.minimumSizeHint().width() <= DOCK[0]
    assert panel.minimumWidth() <= DOCK[0]
    assert panel.minimumSizeHint().height() <= DOCK[1]
    assert panel.sizeHint().height() <= DOCK[1]


def test_the_sections_for_annotating_fit_without_scrolling(started, qtbot):
    started.resize(*DOCK)
    for name, section in started.sections.items():
        section.set_open(name in ("source", "prompts", "candidates"))
    started.show()
    area = started.findChild(QScrollArea)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() == 0)


def test_the_wheel_changes_no_control_and_is_left_to_the_panel(small):
    small.options.smooth.setValue(3)
    watched = (small.options.rule, small.options.smooth, small.model, small.automatic.form.quality)
    before = [value_of(each) for each in watched]
    for control in watched:
        control.setFocus()
        assert not turn_wheel(control).isAccepted()
    assert [value_of(each) for each in watched] == before


def value_of(control):
    return control.currentIndex() if isinstance(control, QComboBox) else control.value()


def turn_wheel(control):
    """Turn the wheel downwards by one notch over a control; Qt goes on with what is ignored."""
    middle = QPointF(control.rect().center())
    where = QPointF(control.mapToGlobal(control.rect().center()))
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        middle, where, QPoint(), QPoint(0, -120), *none, Qt.ScrollPhase.NoScrollPhase, False
    )
    QApplication.sendEvent(control, event)
    return event


def test_tab_leads_to_every_control_from_top_to_bottom(small):
    order = by_tab(small)
    for kind in (QAbstractButton, QComboBox, QSlider, QSpinBox, QAbstractItemView):
        reachable = [each for each in controls(small) if isinstance(each, kind)]
        assert set(reachable) <= set(order), kind
    headers = [order.index(section.header) for section in small.sections.values()]
    assert headers == sorted(headers)
    for section, following in zip(headers, [*headers[1:], len(order)], strict=True):
        assert following - section > 1
    feet = [small.steps.undo_button, small.steps.redo_button, small.help_button]
    assert order[-3:] == feet


def test_tab_leaves_the_tables(small, qtbot):
    table = small.review.table
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Tab)
    assert table not in (small.focusWidget(), None)


def test_every_alt_key_has_a_control(small):
    for each in small.findChildren(QLabel):
        if "&" in each.text() and each.text() == CONTROLS["image"].caption:
            assert each.buddy() is small.image
    captions = {each.text(): each.buddy() for each in small.findChildren(QLabel)}
    for name in ("image", "model", "device", "rule", "target", "smooth"):
        assert "&" in CONTROLS[name].caption
        assert captions[CONTROLS[name].caption] is not None


@pytest.mark.parametrize(
    ("make", "columns"), [(ReviewTable, LIST_COLUMNS), (TreeView, TREE_COLUMNS)]
)
def test_names_are_shortened_where_qualities_would_not_be_in_view(qtbot, make, columns):
    view = make()
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.show()
    name, quality = columns.index("object"), columns.index("predicted_iou")
    usual = view.columnWidth(name)

    def right():
        return view.columnViewportPosition(quality) + view.columnWidth(quality)

    narrow = right() - usual // 4 + 2 * view.frameWidth()
    view.resize(narrow, 300)
    assert right() <= view.viewport().width()
    assert view.columnWidth(name) < usual
    assert view.columnWidth(quality) >= view.fontMetrics().horizontalAdvance("Quality")
    view.resize(600, 300)
    assert view.columnWidth(name) == usual


def test_undo_and_redo_say_all_they_have_to_say(qtbot):
    buttons = StepButtons()
    qtbot.addWidget(buttons)
    buttons.show()
    long = SimpleNamespace(
        undo_text="clean up label 12 of level 3", redo_text="move label 12 to level 4"
    )
    buttons.show_history(long)
    undo, redo = buttons.undo_button, buttons.redo_button
    for width, is_beside in ((undo.whole_width + redo.whole_width + 20, True), (280, False)):
        buttons.resize(width, 60)
        qtbot.waitUntil(lambda beside=is_beside: (undo.y() == redo.y()) == beside)
        assert undo.text().replace("&", "") == "Undo clean up label 12 of level 3"
        assert redo.text().replace("&", "") == "Redo move label 12 to level 4"


def test_what_there_is_to_undo_takes_the_room_of_redo(qtbot):
    buttons = StepButtons()
    qtbot.addWidget(buttons)
    buttons.show()
    buttons.show_history(SimpleNamespace(undo_text="keep levels 2, 3 and 5", redo_text=""))
    undo, redo = buttons.undo_button, buttons.redo_button
    buttons.resize(undo.whole_width + redo.whole_width + 10, 40)
    qtbot.waitUntil(lambda: undo.y() == redo.y() and undo.width() >= undo.whole_width)
    assert undo.text().replace("&", "") == "Undo keep levels 2, 3 and 5"
