"""Everything in many files: a label image per level, a table, and a run that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_semantic_sam.batch.files import SegmentReport, segment_each
from napari_semantic_sam.batch.finished import FinishedPictures, fingerprint_of
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
    finished = FinishedPictures(folder)
    job = _Job(predictor, settings, options, wishes, measure, link, form, folder, finished)
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
    finished: FinishedPictures

    def segment(self, stem: str, path: Path) -> SegmentReport:
        """Segment one picture, or find out that it is done."""

        def anew() -> SegmentReport:
            with open_picture(path, self.options) as picture:
                return self._segment(path, picture, lambda name: self.folder / f"{stem}_{name}")

        return self.finished.segment(stem, path, self._fingerprint(path), anew)

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
        how = [
            self.predictor.model.checkpoint_hash,
            asdict(self.settings),
            asdict(self.options),
            [self.wishes.sizes, str(self.wishes.region)],
            self.measure,
            self.link,
            asdict(self.form),
        ]
        return fingerprint_of(path, filter(None, [self.wishes.region]), ["automatic", *how])
