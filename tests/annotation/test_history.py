"""Steps that are remembered within a bounded amount of memory."""

from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.annotation.changes import Choice, ChoiceChange, LabelsChange, Step
from napari_semantic_sam.annotation.history import History


def step(text, size=1):
    pixels = np.arange(size, dtype=np.uint8)[None]
    return Step(text, (LabelsChange(1, (0, 0, 1, size), pixels, pixels, (), ()),))


def test_steps_are_undone_and_redone_in_turn():
    history, first, second = History(), step("first"), step("second")
    assert not history.undo_text
    assert not history.redo_text
    assert (history.undo(), history.redo()) == (None, None)
    assert (history.undo_text, history.redo_text) == ("", "")
    history.push(first)
    history.push(second)
    assert history.undo_text == "second"
    assert history.undo() is second
    assert (history.undo_text, history.redo_text) == ("first", "second")
    assert history.undo() is first
    assert not history.undo_text
    assert (history.redo(), history.redo()) == (first, second)
    assert not history.redo_text


def test_a_new_step_forgets_those_that_were_taken_back():
    history = History()
    history.push(step("first"))
    alone = history.nbytes
    history.push(step("taken back", 1000))
    history.undo()
    history.push(step("other"))
    assert history.redo() is None
    assert history.nbytes == 2 * alone


def test_the_oldest_steps_fall_out():
    history = History(limit_bytes=10_000)
    for number in range(20):
        history.push(step(str(number), 1000))
        assert history.nbytes <= 10_000
    undone = []
    while history.undo_text:
        undone.append(history.undo().text)
    assert undone == ["19", "18", "17", "16"]


def test_filling_empty_background_takes_the_memory_of_what_came():
    labels = np.arange(10_000, dtype=np.uint8).reshape(100, 100)
    fill = LabelsChange(1, (0, 0, 100, 100), np.zeros_like(labels), labels, (), ())
    assert 10_000 <= fill.nbytes < 10_100
    assert not fill.before.any()
    assert fill.before.shape == labels.shape
    assert np.array_equal(fill.reversed().before, labels)


def test_the_newest_step_stays_however_large():
    history = History(limit_bytes=100)
    history.push(step("small"))
    history.push(step("large", 5000))
    assert history.undo().text == "large"
    assert history.undo() is None


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0, 255], "uint8"), ([0, 256], "uint16"), ([0, 2**31], "uint32"), ([-1, 200], "int16")],
)
def test_pixels_take_as_little_memory_as_they_can(values, dtype):
    pixels = np.array([values], dtype=np.int64)
    change = LabelsChange(1, (0, 0, 1, 2), pixels, pixels, (), ())
    assert change.before.dtype == dtype
    assert change.before.tolist() == [values]
    pixels[:] = 7
    assert change.after.tolist() == [values]
    with pytest.raises(ValueError, match="read-only"):
        change.after[0, 0] = 1


def test_a_reversed_step_is_made_backwards():
    changes = (
        ChoiceChange(1, Choice(0), Choice(1)),
        ChoiceChange(1, Choice(1), Choice(2, frozenset({1}))),
    )
    assert Step("walk", changes).reversed().changes == (
        ChoiceChange(1, Choice(2, frozenset({1})), Choice(1)),
        ChoiceChange(1, Choice(1), Choice(0)),
    )
