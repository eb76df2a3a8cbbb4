"""What is recorded is restored exactly, whatever happens to the process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import annotation_acts
import numpy as np
import pytest
from annotation_acts import (
    HEADER,
    SHAPE,
    answer,
    count_events,
    facts,
    new_session,
    open_journal,
    random_act,
)

from napari_semantic_sam.annotation.journal import Journal
from napari_semantic_sam.annotation.journal_folder import (
    discard_journal,
    new_journal,
    remove_old_journals,
    unfinished_journals,
)
from napari_semantic_sam.annotation.recording import read_journal, restore
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import LabelRow, LevelLabels
from napari_semantic_sam.inference.prompt import Prompt

CLICK = Prompt("click", (20.0, 30.0))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journals" / "cells.jsonl"


def restored(path):
    session = new_session()
    restore(path, session)
    return session


def click_and_keep(session):
    session.set_prompts({1: (CLICK,)})
    session.receive(1, (CLICK,), answer((CLICK,)))
    session.keep()


def session_of_the_same_acts(path):
    """Do again what the other process did up to the last event in its journal."""
    count = len(read_journal(path).events)
    session, rng = new_session(), np.random.default_rng(5)
    events = count_events(session)
    while len(events) < count:
        random_act(session, rng)
    return session


@pytest.mark.parametrize("seed", [1, 2, np.random.SeedSequence().entropy], ids=["1", "2", "fresh"])
def test_everything_is_restored_with_its_undo(path, seed):
    print(f"seed: {seed}")
    rng = np.random.default_rng(seed)
    session = new_session()
    journal = open_journal(path, session)
    for _ in range(150):
        random_act(session, rng)
    journal.close()
    again = restored(path)
    assert facts(again) == facts(session)
    for _ in range(3):  # all the way back and forth
        while session.undo():
            again.undo()
        assert facts(again) == facts(session)
        while session.redo():
            again.redo()
        assert facts(again) == facts(session)
    again.options = session.options  # which are the panel's to remember
    for _ in range(20):
        state = rng.bit_generator.state
        random_act(session, rng)
        rng.bit_generator.state = state
        random_act(again, rng)
    assert facts(again) == facts(session)


@pytest.mark.parametrize("tail", [b"", b'{"event": "step", "text": "keep lev', b"\0\0\0"])
def test_a_killed_process_loses_nothing_that_was_written(path, tail):
    path.parent.mkdir()
    command = [sys.executable, annotation_acts.__file__, "die", str(path), "5", "30", "50"]
    assert subprocess.run(command, timeout=120).returncode == 9
    with path.open("ab") as file:
        file.write(tail)
    assert len(read_journal(path).events) >= 29
    assert facts(restored(path)) == facts(session_of_the_same_acts(path))


def test_a_program_that_is_left_in_order_ends_its_journal(path):
    path.parent.mkdir()
    command = [sys.executable, annotation_acts.__file__, "leave", str(path), "5", "2", "20"]
    assert subprocess.run(command, timeout=120).returncode == 0
    assert unfinished_journals(path.parent) == []
    assert facts(restored(path)) == facts(session_of_the_same_acts(path))


def test_a_torn_journal_can_be_continued(path):
    session, rng = new_session(), np.random.default_rng(8)
    journal = open_journal(path, session)
    for _ in range(40):
        random_act(session, rng)
    journal.close()
    whole = path.read_bytes().removesuffix(b'{"event": "end"}\n')
    path.write_bytes(whole + b'{"event": "st')
    again = restored(path)
    journal = open_journal(path, again)
    for _ in range(40):
        random_act(again, rng)
    journal.close()
    assert facts(restored(path)) == facts(again)
    assert len(read_journal(path).headers) == 2


def test_labels_that_were_there_before_are_restored(path):
    array = np.zeros(SHAPE, dtype=np.uint16)
    array[5:50, 5:70] = 900
    levels = LevelLabels(SHAPE)
    levels.attach(1, array, [LabelRow(900, 1, object="tissue")])
    session = AnnotationSession(levels)
    journal = open_journal(path, session)
    click_and_keep(session)
    journal.close()
    again = restored(path)
    assert facts(again) == facts(session)
    assert again.levels.array(1).dtype == np.uint16
    (kept,) = again.levels.rows(2)
    assert (kept.parent_level, kept.parent) == (1, 900)


def test_the_file_is_plain_json_without_nan(path):
    session = new_session()
    journal = open_journal(path, session)
    click_and_keep(session)
    session.delete(2, 1)
    session.undo()
    session.redo()
    journal.close()

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    lines = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    header, *events = lines
    assert header["journal"] == 3
    assert header["image_hash"] == HEADER.image_hash
    assert [each["event"] for each in events] == ["step", "step", "step", "undo", "redo", "end"]


def test_a_full_disk_is_told_once_and_annotating_goes_on(path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full, where writing fails as on a full disk")
    path.parent.mkdir()
    path.symlink_to(full)
    session, problems = new_session(), []
    journal = open_journal(path, session, problems)
    click_and_keep(session)
    journal.close()
    (problem,) = problems
    assert "the disk is full" in problem
    assert str(path) in problem
    assert session.levels.rows(2)
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "journals").write_text("a file")
    with pytest.raises(UserError, match="journals"):
        open_journal(tmp_path / "journals" / "a.jsonl", new_session())


def test_only_interrupted_journals_with_steps_are_unfinished(path):
    folder = path.parent
    in_use, ended, empty = (folder / f"{name}.jsonl" for name in ("used", "ended", "empty"))
    journals = []
    for each in (in_use, ended, empty):
        session = new_session()
        journals.append(open_journal(each, session))
        if each != empty:
            click_and_keep(session)
    for journal in journals[1:]:
        journal.close()
    assert not empty.exists()
    assert ended.exists()
    assert unfinished_journals(folder) == []
    journals[0].close()
    in_use.write_bytes(in_use.read_bytes().removesuffix(b'{"event": "end"}\n'))
    (folder / "torn.jsonl").write_bytes(b'{"journal": 1, "ima')
    (found,) = unfinished_journals(folder)
    assert (found.path, found.header, found.steps) == (in_use, HEADER, 2)
    assert "“cells”" in found.text
    assert "2 steps" in found.text
    discard_journal(in_use)
    assert unfinished_journals(folder) == []
    assert sorted(each.name for each in folder.iterdir()) == ["ended.jsonl", "torn.jsonl"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (UserError("Slice 3 cannot be read; copy it again."), "Slice 3 cannot be read"),
        (MemoryError(), "there is not enough memory"),
        (TypeError("no number"), "no number"),
        (KeyError(), "KeyError"),
    ],
)
def test_whatever_stops_the_journal_is_told_and_annotating_goes_on(path, error, why):
    def header():
        raise error

    session, problems = new_session(), []
    journal = Journal(path, session.levels, header, problems.append)
    session.listeners.append(journal.write)
    click_and_keep(session)
    journal.close()
    (problem,) = problems
    assert f"{path} cannot be written any more ({why}" in problem
    assert problem.endswith("save your labels often.")
    assert session.levels.rows(2)
    assert list(path.parent.iterdir()) == []  # what has gaps is not offered for restoring


def test_a_journal_in_use_is_not_discarded_nor_written_twice(path):
    journal = open_journal(path, new_session())
    with pytest.raises(UserError, match="in use"):
        discard_journal(path)
    with pytest.raises(UserError, match="in use"):
        open_journal(path, new_session())
    journal.close()


def test_only_the_newest_ended_journals_are_kept(tmp_path):
    for _ in range(4):
        session = new_session()
        journal = open_journal(new_journal(tmp_path, "a/b: c"), session)
        click_and_keep(session)
        journal.close()
    names = sorted(each.name for each in tmp_path.glob("*.jsonl"))
    assert len(names) == 4
    assert all(name.startswith("a_b_c-") for name in names)
    remove_old_journals(tmp_path, keep=3)
    assert sorted(each.name for each in tmp_path.glob("*.jsonl")) == names[1:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a journal"),
        (b"hello\n", "not a journal"),
        (b'{"event": "step"}\n', "not a journal"),
        (b"[1]\n", "not a journal"),
        (b'{"journal": 99}\n', "later version"),
        (b'HEADER\n{"event": "st\n{"event": "undo"}\n', "line 2"),
        (b'HEADER\n{"event": "dance"}\n', "line 2"),
        (b'HEADER\n{"event": "step", "text": "a", "changes": [{"what": "x"}]}\n', "line 2"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content.replace(b"HEADER", json.dumps(HEADER.to_plain()).encode()))
    with pytest.raises(UserError, match=message) as caught:
        read_journal(path)
    assert str(path) in str(caught.value)


def test_a_missing_journal_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl"):
        read_journal(tmp_path / "none.jsonl")


def test_runs_that_do_not_fit_are_damage(path):
    session = new_session()
    journal = open_journal(path, session)
    click_and_keep(session)
    journal.close()
    text = path.read_text()
    assert '"uint8", "shape": [' in text
    path.write_text(text.replace('"uint8", "shape": [', '"uint8", "shape": [2'))
    with pytest.raises(UserError, match="damaged: its line 3"):
        read_journal(path)


def test_steps_that_do_not_fit_together_are_damage(path):
    session = new_session()
    journal = open_journal(path, session)
    click_and_keep(session)
    journal.close()
    text = path.read_text()
    assert '"window": [' in text
    path.write_text(text.replace('"window": [', '"window": [7'))
    with pytest.raises(UserError, match="damaged: its event 2"):
        restore(path, new_session())


def test_a_walk_is_one_step_after_a_restart_too(path):
    session = new_session()
    journal = open_journal(path, session)
    click_and_keep(session)
    for index in (0, 2, 3, 2):
        session.show(index)
    session.undo()
    session.redo()
    session.show(0)
    journal.close()
    other = new_session()
    restore(path, other)
    assert facts(other) == facts(session)
    assert other.history.undo_text == session.history.undo_text == "show level 1"
    other.undo()
    assert other.history.undo_text == "keep level 2"


def test_another_size_of_picture_is_refused(path):
    open_and_keep = new_session()
    journal = open_journal(path, open_and_keep)
    click_and_keep(open_and_keep)
    journal.close()
    with pytest.raises(UserError, match="another size"):
        restore(path, AnnotationSession(LevelLabels((9, 9))))


def test_headers_survive(path):
    header = replace(HEADER, contrast_limits=(0.1, 1e300), image="Ünïcode/\ud800")
    assert type(header).from_plain(json.loads(json.dumps(header.to_plain()))) == header
