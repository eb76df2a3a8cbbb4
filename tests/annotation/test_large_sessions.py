"""Annotations of pictures so large that their labels are in blocks."""

from __future__ import annotations

import annotation_acts
import numpy as np
import pytest
from annotation_acts import facts, new_session, open_journal, random_act
from sessions import facts as made

from napari_semantic_sam.annotation.drawing import Stroke, disc, same_label
from napari_semantic_sam.annotation.recording import restore
from napari_semantic_sam.inference import label_arrays, label_chunks
from napari_semantic_sam.inference.label_chunks import ChunkedLabels

ACTS = 150
FRESH = pytest.mark.parametrize("seed", [4, np.random.SeedSequence().entropy], ids=["4", "fresh"])


@pytest.fixture
def in_blocks(monkeypatch):
    """Let every picture count as large."""

    def switch():
        monkeypatch.setattr(label_arrays, "LARGE", 0)
        monkeypatch.setattr(label_chunks, "BLOCK", 16)

    return switch


def acted(seed):
    session, rng = new_session(), np.random.default_rng(seed)
    for _ in range(ACTS):
        random_act(session, rng)
    return session


@FRESH
def test_the_same_acts_make_the_same_labels(in_blocks, seed, monkeypatch):
    print(f"seed: {seed}")
    # What turns up from elsewhere is no step; undo before it need not lead to the same labels.
    acts = {act: n for act, n in annotation_acts._ACTS.items() if act is not annotation_acts._adopt}
    monkeypatch.setattr(annotation_acts, "_ACTS", acts)
    expected = acted(seed)
    in_blocks()
    session = acted(seed)
    assert all(
        isinstance(session.levels.store(level), ChunkedLabels) for level in session.levels.levels
    )
    assert made(session) == made(expected)
    while expected.undo():
        session.undo()
    assert made(session) == made(expected)
    while expected.redo():
        session.redo()
    assert made(session) == made(expected)


@FRESH
def test_everything_is_restored_with_its_undo(tmp_path, in_blocks, seed):
    print(f"seed: {seed}")
    in_blocks()
    session, rng, path = new_session(), np.random.default_rng(seed), tmp_path / "journal.jsonl"
    session.levels.attach(1, np.eye(60, 80, dtype=np.uint16) * 40)
    journal = open_journal(path, session)
    for _ in range(ACTS):
        random_act(session, rng)
    journal.close()
    again = new_session()
    restore(path, again)
    assert facts(again) == facts(session)
    while session.undo():
        again.undo()
    assert facts(again) == facts(session)


def test_a_stroke_knows_what_was_there(in_blocks):
    in_blocks()
    labels = ChunkedLabels((50, 60), np.int32)
    labels[10:20, 10:20] = 3
    before, stroke = labels[...], Stroke(labels)
    stroke.write((), disc((15, 15), 9, (1, 1), (50, 60)), 5)
    stroke.write((), disc((15, 40), 9, (1, 1), (50, 60)), 6, over=0)
    stroke.write((), disc((15, 12), 3, (1, 1), (50, 60)), 5, over=6)
    after = labels[...]
    assert (after[15, 15], after[15, 40], after[11, 11]) == (5, 6, 3)
    for _, (y0, x0, y1, x1), old, new in stroke.drawn():
        np.testing.assert_array_equal(old, before[y0:y1, x0:x1])
        np.testing.assert_array_equal(new, after[y0:y1, x0:x1])
        before[y0:y1, x0:x1] = new
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("centre", "diameter", "sides", "area"),
    [
        ((5, 5), 1, (1, 1), 1),
        ((5, 5), 3, (1, 1), 9),
        ((0, 0), 3, (1, 1), 4),
        ((5, 5), 5, (2, 1), 11),
        ((-9, 5), 3, (1, 1), 0),
    ],
)
def test_a_brush_is_round_on_the_screen(centre, diameter, sides, area):
    assert disc(centre, diameter, sides, (11, 11)).area == area


def test_the_pixels_of_a_label_are_found_in_all_blocks(in_blocks):
    in_blocks()
    labels = ChunkedLabels((50, 60), np.int32)
    labels[5:45, 30] = 7
    labels[5, 5:31] = 7
    labels[48, 2] = 7
    assert same_label(labels, (), (5, 5), connected=True).area == 65
    assert same_label(labels, (), (5, 5), connected=False).area == 66
