"""The same clicks and boxes on many files: label images per level and a table for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.batch.files import SegmentReport, segment_each
from napari_semantic_sam.batch.finished import FinishedPictures, fingerprint_of
from napari_semantic_sam.batch.pictures import AS_THE_FILES_SAY, PictureOptions, open_picture
from napari_semantic_sam.batch.planes import PlaneResult, segment_planes
from napari_semantic_sam.batch.tables import MASKS, Table
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.inference.level_labels import COLUMNS, LabelRow, LevelLabels
from napari_semantic_sam.inference.levels import distinct_candidates
from napari_semantic_sam.inference.results import PromptResult
from napari_semantic_sam.io.files import make_folder
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
    options: PictureOptions = AS_THE_FILES_SAY,
    progress: Callable[[SegmentReport], None] | None = None,
) -> list[SegmentReport]:
    """Segment what lies under the same clicks and in the same boxes of many pictures.

    For each picture, `output` receives ``<stem>_level<k>.tif`` for every level k (empty
    where no mask has it) and ``<stem>_masks.csv`` with a row for each label. The distinct
    masks of each prompt go to their levels, into what earlier prompts left free. Of a
    stack every plane is segmented by itself, and a plane that cannot be is reported and has
    no labels. A picture that cannot be segmented is reported and leaves nothing behind, and
    earlier results of it as they were; the others go on. Earlier results in the folder are
    treated as `segment_everything` treats them.

    Parameters
    ----------
    paths : iterable of str or Path
        TIFF, PNG or JPEG files, OME-Zarr folders.
    predictor : Predictor
    points, boxes
        See `Predictor.predict`.
    output : str or Path
        A folder, made if missing.
    options : PictureOptions
        How the pictures are read.
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
    finished = FinishedPictures(folder)
    prompts = [[list(map(float, each)) for each in some] for some in (points, boxes)]
    how = ["prompts", predictor.model.checkpoint_hash, asdict(options), prompts]

    def segment(stem: str, path: Path) -> SegmentReport:
        def anew() -> SegmentReport:
            with open_picture(path, options) as picture:
                return segment_planes(
                    path,
                    picture,
                    lambda plane: _segment(plane, predictor, points, boxes, options),
                    lambda name: folder / f"{stem}_{name}",
                )

        return finished.segment(stem, path, fingerprint_of(path, (), how), anew)

    return segment_each(pictures, segment, progress)


def _segment(
    plane: Plane,
    predictor: Predictor,
    points: Sequence[tuple[float, float]],
    boxes: Sequence[tuple[float, float, float, float]],
    options: PictureOptions,
) -> PlaneResult:
    wished = options.object_scale.of(plane.pixel_size)
    scale = None if wished is None else wished.scale
    results = predictor.predict(predictor.embed_plane(plane, scale=scale), points, boxes)
    labels, origins = _collect(results)
    rows = [
        _row_of(row, origins[row.level, row.index], results)
        for level in labels.levels
        for row in labels.rows(level)
    ]
    return PlaneResult(
        {level: labels.array(level) for level in predictor.levels},
        {MASKS: Table((*COLUMNS, *PROMPT_COLUMNS), rows)},
    )


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


def _row_of(row: LabelRow, origin: int, results: Sequence[PromptResult]) -> dict[str, Any]:
    """Return the facts about a label and the prompt it comes from."""
    prompt = results[origin].prompt
    corners = prompt if len(prompt) == 4 else prompt * 2
    return {**asdict(row), **dict(zip(PROMPT_COLUMNS, (origin + 1, *corners), strict=True))}
