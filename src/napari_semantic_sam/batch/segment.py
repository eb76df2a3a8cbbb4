"""The same clicks and boxes on many files: label images per level and a table for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_semantic_sam.batch.files import (
    SegmentReport,
    segment_each,
    write_csv,
    write_together,
)
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow, LevelLabels
from napari_semantic_sam.inference.levels import distinct_candidates
from napari_semantic_sam.inference.results import PromptResult
from napari_semantic_sam.io.files import make_folder
from napari_semantic_sam.io.images import read_image, write_labels
from napari_semantic_sam.io.pairs import by_stem

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import Predictor

PROMPT_COLUMNS = ("prompt", "prompt_y0", "prompt_x0", "prompt_y1", "prompt_x1")
"""Number of the prompt from 1, clicks first, and its place; both corners of a click agree."""


def segment_files(
    paths: Iterable[str | Path],
    predictor: Predictor,
    points: Sequence[tuple[float, float]],
    boxes: Sequence[tuple[float, float, float, float]],
    output: str | Path,
    *,
    channels: Sequence[int] | None = None,
    progress: Callable[[SegmentReport], None] | None = None,
) -> list[SegmentReport]:
    """Segment what lies under the same clicks and in the same boxes of many pictures.

    For each picture, `output` receives ``<stem>_level<k>.tif`` for every level k (empty
    where no mask has it) and ``<stem>_masks.csv`` with a row for each label. The distinct
    masks of each prompt go to their levels, into what earlier prompts left free. A picture
    that cannot be segmented is reported and leaves nothing behind, and earlier results of
    it as they were; the others go on.

    Parameters
    ----------
    paths : iterable of str or Path
        TIFF, PNG or JPEG files.
    predictor : Predictor
    points, boxes
        See `Predictor.predict`.
    output : str or Path
        A folder, made if missing.
    channels : one to three ints, optional
        See `Predictor.embed`.
    progress : callable, optional
        Called with each report as soon as its file is done.

    Raises
    ------
    UserError
        Before anything is done, if there is no picture or no prompt, two pictures have the
        same name, or the folder cannot be made.
    """
    pictures = by_stem(paths)
    if not pictures or not (len(points) or len(boxes)):
        raise UserError("Give at least one picture and at least one click or box.")
    folder = make_folder(output)

    def segment(stem: str, path: Path) -> SegmentReport:
        results = _predict(path, predictor, points, boxes, channels)
        return _write(path, stem, results, predictor.levels, folder)

    return segment_each(pictures, segment, progress)


def _predict(
    path: Path,
    predictor: Predictor,
    points: Sequence[tuple[float, float]],
    boxes: Sequence[tuple[float, float, float, float]],
    channels: Sequence[int] | None,
) -> list[PromptResult]:
    embedding = predictor.embed(read_image(path), channels=channels)
    return predictor.predict(embedding, points, boxes)


def _write(
    path: Path, stem: str, results: Sequence[PromptResult], levels: Iterable[int], folder: Path
) -> SegmentReport:
    labels, prompts = _collect(results)
    rows = [row for level in labels.levels for row in labels.rows(level)]
    origins = [prompts[row.level, row.index] for row in rows]
    writers: dict[Path, Callable[[Path], None]] = {
        folder / f"{stem}_level{level}.tif": partial(write_labels, labels=labels.array(level))
        for level in levels
    }
    writers[folder / f"{stem}_masks.csv"] = partial(
        _write_table, rows=rows, origins=origins, results=results
    )
    write_together(writers)
    return SegmentReport(path, tuple(writers), masks=len(rows))


def _collect(results: Sequence[PromptResult]) -> tuple[LevelLabels, dict[tuple[int, int], int]]:
    """Put the distinct masks of all prompts into their levels, earlier prompts first.

    Parameters
    ----------
    results : sequence of PromptResult
        Of one picture, at least one.

    Returns
    -------
    LevelLabels
    dict of (level, index) to int
        Which of `results` each label comes from.
    """
    labels = LevelLabels(results[0].candidates[0].shape)
    origins = {}
    for number, result in enumerate(results):
        for candidate in distinct_candidates(result.candidates):
            row = labels.add(candidate, candidate.level, result.kind)
            if row is not None:
                origins[row.level, row.index] = number
    return labels, origins


def _write_table(
    path: Path, rows: Sequence[LabelRow], origins: Sequence[int], results: Sequence[PromptResult]
) -> None:
    """Write the rows of one picture and the prompts they come from as CSV, atomically."""
    lines = []
    for row, origin in zip(rows, origins, strict=True):
        prompt = results[origin].prompt
        corners = prompt if len(prompt) == 4 else prompt * 2
        lines.append((*asdict(row).values(), origin + 1, *corners))
    write_csv(path, (*COLUMNS, *PROMPT_COLUMNS), lines)
