"""What the journal of an annotation of 200 objects costs.

    python benchmarks/bench_journal.py --output benchmarks/results/journal.json

In a picture of 2048 × 2048 pixels, 200 structures with an outline that is not smooth are
clicked; of each the cell and the nucleus are kept and the cell is named. Times are CPU times.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from _report import write_report
from napari_semantic_sam.annotation.changes import Step
from napari_semantic_sam.annotation.journal import Journal
from napari_semantic_sam.annotation.journal_header import Header
from napari_semantic_sam.annotation.picture_hash import picture_hash
from napari_semantic_sam.annotation.recording import read_journal, restore
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.combination import Combined
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, tight

SHAPE = (2048, 2048)
OBJECTS = 200
RADII = (60, 25)
HEADER = Header(
    "cells", "", SHAPE, "tiny", "", tuple(range(6)), "", None, "cpu", "", "", "2026-11-23T10:12:00"
)


def answer(prompt: Prompt, rng: np.random.Generator) -> Combined:
    """Return a cell and its nucleus with a ragged outline around a click."""
    y, x = (int(value) for value in prompt.coordinates)
    found = []
    for level, radius in enumerate(RADII, 2):
        rows, columns = np.ogrid[-radius - 3 : radius + 4, -radius - 3 : radius + 4]
        ragged = np.hypot(rows, columns) + rng.normal(0, 1, (2 * radius + 7, 2 * radius + 7))
        box, crop = tight(ragged < radius, y - radius - 3, x - radius - 3)
        found.append(Candidate(box, crop, SHAPE, level - 1, level, rng.random(), rng.random()))
    return Combined(tuple(found), 0, (1.0, 1.0))


def annotate(session: AnnotationSession, places: Sequence[tuple[float, float]]) -> None:
    """Click, keep two levels and name one of them, at every place."""
    rng = np.random.default_rng(0)
    for where in places:
        group, prompt = session.group_for_next(), Prompt("click", where)
        session.set_prompts({**session.groups, group: (prompt,)})
        session.receive(group, (prompt,), answer(prompt, rng))
        session.mark(1, True)
        first, _ = session.keep()
        session.rename(first.level, first.index, object="cell")


class Timed:
    """A listener that measures how long the journal keeps a session waiting."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.seconds: list[float] = []

    def listen(self, event: str, step: Step) -> None:
        """Hand on an event."""
        start = time.thread_time()
        self.journal.write(event, step)
        self.seconds.append(time.thread_time() - start)


def measure(folder: Path) -> dict[str, float]:
    """Annotate with a journal, restore it, and return the figures."""
    side = int(OBJECTS**0.5) + 1
    step = (SHAPE[0] - 160) / (side - 1)
    places = [(80.0 + step * (n // side), 80.0 + step * (n % side)) for n in range(OBJECTS)]
    session, path = AnnotationSession(LevelLabels(SHAPE)), folder / "journal.jsonl"
    process, thread = time.process_time(), time.thread_time()
    journal = Journal(path, session.levels, lambda: HEADER, print)
    timed = Timed(journal)
    session.listeners.append(timed.listen)
    annotate(session, places)
    journal.close()
    beside = time.process_time() - process - (time.thread_time() - thread)
    start = time.process_time()
    recording = read_journal(path)
    read = time.process_time() - start
    restore(recording, AnnotationSession(LevelLabels(SHAPE)))
    events = len(timed.seconds)
    size = path.stat().st_size
    restored = time.process_time()
    picture_hash(ImageSource((np.zeros(SHAPE, np.uint16),), "YX"))
    hashed = time.process_time()
    return {
        "objects": OBJECTS,
        "labels": sum(len(session.levels.rows(level)) for level in session.levels.levels),
        "events": events,
        "kilobytes": size / 1e3,
        "bytes_per_event": size / events,
        "ms_per_event_waiting": 1e3 * sum(timed.seconds) / events,
        "ms_per_event_beside": 1e3 * beside / events,
        "read_seconds": read,
        "restore_seconds": restored - start - read,
        "hash_ms": 1e3 * (hashed - restored),
    }


def main() -> None:
    """Run the benchmark and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    rows = [
        {"figure": name, "value": f"{value:.3g}" if isinstance(value, float) else str(value)}
        for name, value in figures.items()
    ]
    settings = {"picture": f"{SHAPE[0]} × {SHAPE[1]}", "nice": os.nice(0)}
    write_report(arguments.output, "What a journal costs", rows, settings)


if __name__ == "__main__":
    main()
