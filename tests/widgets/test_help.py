"""One table of keys: bound, explained in the panel, and in the documents."""

from __future__ import annotations

from collections import Counter

import pytest
from qtpy.QtGui import QKeySequence

from napari_semantic_sam.widgets.automatic.tree_view import TreeView
from napari_semantic_sam.widgets.key_table import keys_as_markdown, layer_name, replace_keys
from napari_semantic_sam.widgets.shortcuts import GESTURES, LIST_KEYS, SHORTCUTS, TREE_KEYS
from napari_semantic_sam.widgets.tables import CONTROLS, LAYER_TEXTS


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


def test_the_help_names_every_key_layer_and_control(panel, qtbot):
    dialog = panel.show_help()
    qtbot.addWidget(dialog)
    text = dialog.keys.toPlainText()
    for shortcut in (*SHORTCUTS.values(), *GESTURES, *LIST_KEYS, *TREE_KEYS.values()):
        assert shortcut.shown in text
        assert shortcut.text in text
    for name, what in LAYER_TEXTS.items():
        assert layer_name(name) in text
        assert what in text
    for control in CONTROLS.values():
        assert control.plain in text
        assert not control.plain or control.tooltip in text


@pytest.mark.parametrize("signal", TREE_KEYS)
def test_the_keys_of_the_tree_do_what_the_table_says(qtbot, signal):
    tree = TreeView()
    qtbot.addWidget(tree)
    with qtbot.waitSignal(getattr(tree, signal)):
        qtbot.keySequence(tree, QKeySequence(TREE_KEYS[signal].key))


def test_the_button_opens_the_help(panel, qtbot):
    from napari_semantic_sam.widgets.help import HelpDialog

    panel.help_button.click()
    (dialog,) = panel.findChildren(HelpDialog)
    assert dialog.isVisible()
    assert not dialog.isModal()
    dialog.reject()


def test_no_key_means_two_things():
    keys = Counter(shortcut.key for shortcut in SHORTCUTS.values())
    assert max(keys.values()) == 1


def test_no_alt_key_means_two_things_nor_opens_a_menu():
    letters = Counter(
        control.caption.replace("&&", "").partition("&")[2][:1].lower()
        for control in CONTROLS.values()
        if "&" in control.caption
    )
    assert max(letters.values()) == 1
    assert not set("fvlpwh") & letters.keys()  # napari's menus


def test_a_table_replaces_the_one_before():
    document = "# Keys\n<!-- keys, written by scripts/write_key_table.py -->\nold\n"
    document += "<!-- end of keys -->\nmore\n"
    new = replace_keys(document)
    assert "old" not in new
    assert keys_as_markdown() in new
    assert new.startswith("# Keys\n")
    assert new.endswith("\nmore\n")
    assert replace_keys(new) == new


def test_a_document_without_marks_is_refused():
    with pytest.raises(ValueError, match="needs the lines"):
        replace_keys("# Keys\n")
