"""Everything in many files: a label image per level, a table, and a run that can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari_semantic_sam.batch.files import (
    SegmentReport,
    segment_each,
    write_csv,
    write_together,
)
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.measurements import (
    columns_of,
    measure_masks,
    measure_parents,
)
from napari_semantic_sam.inference.automatic.picture import segment_picture
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.level_labels import COLUMNS, LevelLabels
from napari_semantic_sam.inference.predictor import Predictor
from napari_semantic_sam.io.files import make_folder
from napari_semantic_sam.io.images import read_image, write_labels
from napari_semantic_sam.io.pairs import by_stem

JOURNAL = "automatic.jsonl"
"""In the output folder: a line for each finished picture, how it was segmented and its masks."""


@dataclass(frozen=True)
class Measuring:
    """Measurements to be written beside the labels.

    Attributes
    ----------
    pixel_size : float or None
        Side of a pixel in micrometres; None measures in pixels.
    """

    pixel_size: float | None = None


def segment_everything(
    paths: Iterable[str | Path],
    predictor: Predictor,
    settings: AutomaticSettings,
    output: str | Path,
    *,
    channels: Sequence[int] | None = None,
    measuring: Measuring | None = None,
    progress: Callable[[SegmentReport], None] | None = None,
) -> list[SegmentReport]:
    """Segment everything in many pictures at several levels.

    For each picture, `output` receives ``<stem>_level<k>.tif`` for every level k of the
    settings and ``<stem>_masks.csv`` with a row for each label; with `measuring`, also
    ``<stem>_measurements.csv`` and ``<stem>_inside.csv``. A picture that cannot be
    segmented is reported and leaves earlier results of it as they were; the others go on.
    A picture that an earlier run segmented in the same way is not segmented again.

    Parameters
    ----------
    paths : iterable of str or Path
        TIFF, PNG or JPEG files.
    predictor : Predictor
    settings : AutomaticSettings
    output : str or Path
        A folder, made if missing.
    channels : one to three ints, optional
        See `Predictor.embed`.
    measuring : Measuring, optional
    progress : callable, optional
        Called with each report as soon as its file is done.

    Raises
    ------
    UserError
        Before anything is done, if there is no picture, two pictures have the same name,
        or the folder cannot be made.
    """
    pictures = by_stem(paths)
    if not pictures:
        raise UserError("Give at least one picture.")
    folder = make_folder(output)
    job = _Job(predictor, settings, channels, measuring, folder, _Journal(folder / JOURNAL))
    return segment_each(pictures, job.segment, progress)


@dataclass(frozen=True)
class _Job:
    """What is the same for all pictures."""

    predictor: Predictor
    settings: AutomaticSettings
    channels: Sequence[int] | None
    measuring: Measuring | None
    folder: Path
    journal: _Journal

    def segment(self, stem: str, path: Path) -> SegmentReport:
        """Segment one picture, or find out that it is done."""
        targets, print_of = self._targets(stem), self._fingerprint(path)
        before = self.journal.masks(stem, print_of)
        if before is not None and all(target.is_file() for target in targets):
            return SegmentReport(path, tuple(targets), before, done_before=True)
        labels = segment_picture(
            self.predictor, read_image(path), self.settings, channels=self.channels
        )
        write_together(dict(zip(targets, self._writers(labels), strict=True)))
        masks = sum(len(labels.rows(level)) for level in labels.levels)
        self.journal.add(stem, print_of, masks)
        return SegmentReport(path, tuple(targets), masks)

    def _targets(self, stem: str) -> list[Path]:
        names = [f"level{level}.tif" for level in self.settings.levels]
        names += ["measurements.csv", "inside.csv"] if self.measuring else []
        return [self.folder / f"{stem}_{name}" for name in (*names, "masks.csv")]

    def _writers(self, labels: LevelLabels) -> list[Callable[[Path], None]]:
        """Return what writes each of the targets."""
        writers: list[Callable[[Path], None]] = [
            partial(write_labels, labels=labels.array(level)) for level in self.settings.levels
        ]
        if self.measuring:
            size = self.measuring.pixel_size
            writers += [
                partial(_write_rows, header=columns_of(measure, size), rows=measure(labels, size))
                for measure in (measure_masks, measure_parents)
            ]
        rows = [asdict(row) for level in labels.levels for row in labels.rows(level)]
        return [*writers, partial(_write_rows, header=COLUMNS, rows=rows)]

    def _fingerprint(self, path: Path) -> str:
        """Tell whether a picture and how it is segmented are the same as in an earlier run."""
        try:
            facts = path.stat()
        except OSError:  # reading it will say it better
            return ""
        how = [
            str(path.resolve()),
            [facts.st_size, facts.st_mtime_ns],
            self.predictor.model.checkpoint_hash,
            asdict(self.settings),
            None if self.channels is None else list(self.channels),
            self.measuring and asdict(self.measuring),
        ]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]


class _Journal:
    """Which pictures are done; lines that cannot be read count for nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[str, tuple[str, int]] = {}
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                self._done[entry["picture"]] = (entry["fingerprint"], int(entry["masks"]))
            except (ValueError, KeyError, TypeError):  # the end of a run that was cut off
                continue

    def masks(self, stem: str, fingerprint: str) -> int | None:
        """Return the number of masks of a picture; None if it is not done in this way."""
        known, masks = self._done.get(stem, ("", 0))
        return masks if known and known == fingerprint else None

    def add(self, stem: str, fingerprint: str, masks: int) -> None:
        """Note that a picture is done.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        self._done[stem] = (fingerprint, masks)
        entry = {"picture": stem, "fingerprint": fingerprint, "masks": masks}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" * _ends_within_a_line(self._path) + json.dumps(entry) + "\n")
        except OSError as error:
            raise UserError(f"{self._path} could not be written ({error.strerror}).") from error


def _ends_within_a_line(path: Path) -> bool:
    content = path.read_bytes()
    return bool(content) and not content.endswith(b"\n")


def _write_rows(path: Path, header: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    write_csv(path, header, ([row[name] for name in header] for row in rows))
