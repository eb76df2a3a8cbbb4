"""Everything in many files: a label image per level, a table, and a run that can be resumed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import napari_semantic_sam
from napari_semantic_sam.batch.files import SegmentReport, segment_each
from napari_semantic_sam.batch.guiding import Wishes
from napari_semantic_sam.batch.output import Output
from napari_semantic_sam.batch.pictures import (
    AS_THE_FILES_SAY,
    Picture,
    PictureOptions,
    open_picture,
)
from napari_semantic_sam.batch.planes import PlaneResult, segment_planes
from napari_semantic_sam.batch.streaming import stream_planes
from napari_semantic_sam.batch.tables import MASKS, Table
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.guided import Guide
from napari_semantic_sam.inference.automatic.measurements import (
    columns_of,
    measure_masks,
    measure_parents,
)
from napari_semantic_sam.inference.automatic.picture import segment_picture
from napari_semantic_sam.inference.automatic.plane import stream_plane
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.stored import StoredLabels
from napari_semantic_sam.inference.image.plane import Plane
from napari_semantic_sam.inference.level_labels import COLUMNS, LevelLabels
from napari_semantic_sam.inference.predictor import Predictor
from napari_semantic_sam.io.files import make_folder
from napari_semantic_sam.io.pairs import by_stem

JOURNAL = "automatic.jsonl"
"""In the output folder: a line for each finished picture, how it was segmented and its masks."""

_EVERYTHING = Wishes()
_AUTO = Output()
_MEASUREMENTS = {"measurements.csv": measure_masks, "inside.csv": measure_parents}


def segment_everything(
    paths: Iterable[str | Path],
    predictor: Predictor,
    settings: AutomaticSettings,
    output: str | Path,
    *,
    options: PictureOptions = AS_THE_FILES_SAY,
    wishes: Wishes = _EVERYTHING,
    measure: bool = False,
    link: bool = True,
    form: Output = _AUTO,
    progress: Callable[[SegmentReport], None] | None = None,
) -> list[SegmentReport]:
    """Segment everything in many pictures at several levels.

    For each picture, `output` receives ``<stem>_level<k>.tif`` for every level k of the
    settings and ``<stem>_masks.csv`` with a row for each label; with `measure`, also
    ``<stem>_measurements.csv`` and ``<stem>_inside.csv``. Of a stack every plane is
    segmented by itself, and a plane that cannot be is reported and has no labels. With
    `link`, the labels of each level are then linked along Z, or T where there is no Z
    (`link_slices`): they get the numbers of objects in all files, ``<stem>_links.csv``
    has a `Link` for each label, with its number in its own plane, and ``<stem>_objects.csv``
    has a row for each object, see `measure_objects`. Planes that `form` streams become
    ``<stem>_level<k>.ome.zarr`` instead. A picture that cannot be segmented is reported and
    leaves earlier results of it as they were; the others go on. A picture that an earlier run
    segmented in the same way, and wholly, is not segmented again, unless results are missing.
    Results that somebody changed since are never written over: a picture that would have to be
    segmented again is reported instead. Results that nobody changed go where the new ones have
    no such file.

    Parameters
    ----------
    paths : iterable of str or Path
        TIFF, PNG or JPEG files, OME-Zarr folders.
    predictor : Predictor
    settings : AutomaticSettings
    output : str or Path
        A folder, made if missing.
    options : PictureOptions
        How the pictures are read.
    wishes : Wishes
        Sizes and the region to look for; everything when left out.
    measure : bool
        Whether labels are measured, in micrometres where the pixel size is known.
    link : bool
        Whether stacks are linked; otherwise labels are numbered anew in every plane.
    form : Output
        Of the label images.
    progress : callable, optional
        Called with each report as soon as its file is done.

    Raises
    ------
    UserError
        Before anything is done, if there is no picture, two pictures have the same name,
        the wishes cannot be read, or the folder cannot be made.
    """
    pictures = by_stem(paths)
    if not pictures:
        raise UserError("Give at least one picture.")
    wishes.check()
    folder = make_folder(output)
    journal = _Journal(folder / JOURNAL)
    job = _Job(predictor, settings, options, wishes, measure, link, form, folder, journal)
    return segment_each(pictures, job.segment, progress)


@dataclass(frozen=True)
class _Job:
    """What is the same for all pictures."""

    predictor: Predictor
    settings: AutomaticSettings
    options: PictureOptions
    wishes: Wishes
    measure: bool
    link: bool
    form: Output
    folder: Path
    journal: _Journal

    def segment(self, stem: str, path: Path) -> SegmentReport:
        """Segment one picture, or find out that it is done."""
        print_of = self._fingerprint(path)
        before = self.journal.known(stem)
        facts = {name: self._facts(name) for name in before.files}
        changed = [name for name in facts if facts[name] and facts[name] != before.files[name]]
        if before.fingerprint == print_of != "" and all(facts.values()):
            targets = tuple(self.folder / name for name in before.files)
            notices = tuple(f"{self.folder / name} was changed and stays so." for name in changed)
            return SegmentReport(path, targets, before.masks, done_before=True, notices=notices)
        if changed:
            raise UserError(
                f"{path} is not segmented again, because {self.folder / changed[0]} was changed "
                "since; rename it, or give another output folder."
            )
        present = {name for name in facts if facts[name]}
        with open_picture(path, self.options) as picture:
            report = self._segment(path, picture, lambda name: self.folder / f"{stem}_{name}")
        files = {file.name: self._facts(file.name) for file in report.files}
        for name in present - files.keys():  # beside the new ones they would contradict them
            _remove(self.folder / name)
        # What was left out is tried anew, into files that are known to be ours.
        self.journal.add(stem, _Done("" if report.skipped else print_of, report.masks, files))
        return report

    def _facts(self, name: str) -> tuple[int, ...]:
        """Return what tells whether a written file is still the same; nothing if it is gone."""
        path = self.folder / name
        try:
            found = [each.stat() for each in (path, *path.rglob("*"))]
        except OSError:
            return ()
        return (sum(each.st_size for each in found), max(each.st_mtime_ns for each in found))

    def _segment(
        self, path: Path, picture: Picture, target: Callable[[str], Path]
    ) -> SegmentReport:
        if self.form.is_streamed(picture.source.shape):
            return stream_planes(
                path,
                picture,
                self.settings.levels,
                self._stream_plane,
                target,
                link=self.link,
                measure=self.measure,
            )
        return segment_planes(
            path,
            picture,
            self._segment_plane,
            target,
            link=self.link,
            measure=self.measure,
            output=self.form,
        )

    def _segment_plane(self, plane: Plane) -> PlaneResult:
        guide, scale = self._guide_and_scale(plane)
        labels = segment_picture(self.predictor, plane, self.settings, scale=scale, guide=guide)
        return PlaneResult(
            {level: labels.array(level) for level in self.settings.levels},
            self._tables(labels, plane),
        )

    def _stream_plane(self, plane: Plane, folder: Path) -> tuple[StoredLabels, dict[str, Table]]:
        guide, scale = self._guide_and_scale(plane)
        embedding = self.predictor.embed_plane(plane, scale=scale)
        labels = stream_plane(self.predictor, embedding, self.settings, folder, guide=guide)
        return labels, self._tables(labels, plane)

    def _tables(self, labels: LevelLabels | StoredLabels, plane: Plane) -> dict[str, Table]:
        rows = [asdict(row) for level in labels.levels for row in labels.rows(level)]
        measured = {
            name: Table(columns_of(measure, plane.pixel_size), measure(labels, plane.pixel_size))
            for name, measure in (_MEASUREMENTS.items() if self.measure else ())
        }
        return {**measured, MASKS: Table(COLUMNS, rows)}

    def _guide_and_scale(self, plane: Plane) -> tuple[Guide, float | None]:
        guide = self.wishes.guide(plane, self.settings.levels)
        wished = self.options.object_scale.of(plane.pixel_size)
        return guide, None if wished is None else wished.scale

    def _fingerprint(self, path: Path) -> str:
        """Tell whether a picture and how it is segmented are the same as in an earlier run."""
        try:
            files = [path] if path.is_file() else sorted(path.rglob("*"))
            files += [self.wishes.region] if self.wishes.region else []
            facts = [(each.stat().st_size, each.stat().st_mtime_ns) for each in files]
        except OSError:  # reading it will say it better
            return ""
        how = [
            napari_semantic_sam.__version__,
            str(path.resolve()),
            facts,
            self.predictor.model.checkpoint_hash,
            asdict(self.settings),
            asdict(self.options),
            [self.wishes.sizes, str(self.wishes.region)],
            self.measure,
            self.link,
            asdict(self.form),
        ]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Done:
    """How a picture was segmented, the number of its masks, and its files as they were written."""

    fingerprint: str = ""
    masks: int = 0
    files: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class _Journal:
    """Which pictures are done; lines that cannot be read count for nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[str, _Done] = {}
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                self._done[entry["picture"]] = _Done(
                    entry["fingerprint"],
                    int(entry["masks"]),
                    {name: tuple(facts) for name, facts in entry["files"].items()},
                )
            # A run that was cut off ends within a line.
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def known(self, stem: str) -> _Done:
        """Return how a picture was segmented last."""
        return self._done.get(stem, _Done())

    def add(self, stem: str, done: _Done) -> None:
        """Note that a picture is done.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        self._done[stem] = done
        entry = {"picture": stem, **asdict(done)}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" * _ends_within_a_line(self._path) + json.dumps(entry) + "\n")
        except OSError as error:
            raise UserError(f"{self._path} could not be written ({error.strerror}).") from error


def _remove(path: Path) -> None:
    """Remove a file, or a folder that is one; what cannot be removed stays."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


def _ends_within_a_line(path: Path) -> bool:
    content = path.read_bytes()
    return bool(content) and not content.endswith(b"\n")
