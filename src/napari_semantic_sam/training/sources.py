"""Where training images come from: folders of annotated images, and the generator."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.segmentation import relabel_sequential

from napari_semantic_sam.errors import UserError, naming
from napari_semantic_sam.inference.preparation import normalise
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import PairedFiles, image_files, pair_files
from napari_semantic_sam.training.augment import Labels, random_look, random_view
from napari_semantic_sam.training.config import SourceConfig
from napari_semantic_sam.training.records import Record, make_record
from napari_semantic_sam.training.regions import region_levels
from napari_semantic_sam.training.synthetic import generate
from napari_semantic_sam.training.synthetic.canvas import grouped

MIN_AREA = 12
"""Pixels below which a mask cut by the border or shrunk is no longer a target."""

Source = Callable[[np.random.Generator, int], Record]
"""Draws one square training record of a side in pixels."""

Annotated = tuple[npt.NDArray[Any], list[Labels]]
"""An image with a label image of every granularity."""

_LARGEST_VIEW = 2.0
"""Side of a view as a multiple of its image's long side; beyond the image it is grey."""

_GROUP_REACH = 4.0
"""Objects less than twice this many pixels apart are of one group."""

_MOST_TURNS = 50
"""So many images in a row may be passed over in favour of ones with more objects."""


class SyntheticSource:
    """Images from the generator of nested structures."""

    def __call__(self, rng: np.random.Generator, size: int) -> Record:
        """Generate one image."""
        sample = generate(rng, size)
        return make_record(sample.image, sample.masks, name="a synthetic image")


class FolderSource:
    """Random views of annotated images; files are read once and kept.

    A file that cannot be used is left out, with a sentence on the standard error stream.

    Parameters
    ----------
    files : sequence of PairedFiles
        A stack (Z, Y, X) with labels of the same shape gives random planes.
    config : SourceConfig
        What is drawn from them; regions and groups are added to plane images only.
    prefer_crowded : bool
        Whether to draw an image in proportion to the root of its number of objects: a crowded
        field shows more neighbourhoods than one view of it, and users click on all of them.
        What is drawn then depends on the files read so far.
    """

    def __init__(
        self,
        files: Sequence[PairedFiles],
        config: SourceConfig,
        *,
        prefer_crowded: bool = False,
    ) -> None:
        self.files = list(files)
        self.config = config
        self.prefer_crowded = prefer_crowded
        self._read: dict[str, Annotated] = {}
        self._counts: dict[str, int] = {}

    def __call__(self, rng: np.random.Generator, size: int) -> Record:
        """Draw a view, mostly with an object in it.

        Raises
        ------
        UserError
            If none of the files can be used.
        """
        name, image, labels = self._plane(rng)
        farthest = size / (_LARGEST_VIEW * max(labels[0].shape))
        zoom = (max(self.config.zoom[0], farthest), max(self.config.zoom[1], farthest))
        view = random_view(labels, size, zoom, rng)
        # A region that outlasts several cuts is a target as often, as if several had drawn it.
        masks = np.concatenate([label_masks(view.labels(level)) for level in labels])
        pixels = random_look(view.image(image), rng)
        return make_record(pixels, masks, name=name)

    def _plane(self, rng: np.random.Generator) -> tuple[str, npt.NDArray[np.uint8], list[Labels]]:
        files, (image, labels) = self._chosen_file(rng)
        if labels[0].ndim == 3:
            axis = int(rng.integers(3)) if self.config.isotropic else 0
            plane = int(rng.choice(_occupied(labels, axis)))
            image = _as_bytes(image.take(plane, axis))
            labels = [np.take(level, plane, axis) for level in labels]
        return str(files.image), image, labels

    def _chosen_file(self, rng: np.random.Generator) -> tuple[PairedFiles, Annotated]:
        """Draw files until one is accepted, perhaps the more likely the more objects it has."""
        for _ in range(_MOST_TURNS):
            files, annotated = self._any_file(rng)
            count, most = self._counts[files.stem], max(self._counts.values())
            if not self.prefer_crowded or rng.random() ** 2 * most <= count:
                break
        return files, annotated

    def _any_file(self, rng: np.random.Generator) -> tuple[PairedFiles, Annotated]:
        if not self.files:
            raise UserError(f"None of the files in {self.config.images} can be used, see above.")
        while True:
            files = self.files[int(rng.integers(len(self.files)))]
            try:
                return files, self._load(files)
            except UserError as error:
                if len(self.files) == 1:
                    raise
                self._leave_out(files, error)

    def first_usable(self) -> list[PairedFiles]:
        """Return the first file that can be used; those before it are left out."""
        while len(self.files) > 1:
            try:
                self._load(self.files[0])
                break
            except UserError as error:
                self._leave_out(self.files[0], error)
        return self.files[:1]

    def read_ahead(self, processes: int = 1) -> None:
        """Read all files and leave out those that cannot be used, perhaps all of them."""
        read_one = partial(_annotated_or_error, config=self.config)
        if processes == 1:
            self._take_over(map(read_one, list(self.files)))
            return
        with ProcessPoolExecutor(processes) as pool:
            self._take_over(pool.map(read_one, self.files))

    def _take_over(self, results: Iterable[Annotated | UserError]) -> None:
        for files, result in zip(list(self.files), results, strict=True):
            if isinstance(result, UserError):
                self._leave_out(files, result)
            else:
                self._keep(files, result)

    def _leave_out(self, files: PairedFiles, why: UserError) -> None:
        print(f"Left out: {why}", file=sys.stderr, flush=True)
        self.files.remove(files)

    def _load(self, files: PairedFiles) -> Annotated:
        if files.stem not in self._read:
            self._keep(files, _annotated(files, self.config))
        return self._read[files.stem]

    def _keep(self, files: PairedFiles, annotated: Annotated) -> None:
        self._read[files.stem] = annotated
        _, labels = annotated
        drawn = labels[: max(1, len(files.masks))]  # what was made of them says nothing new
        self._counts[files.stem] = max(int(np.unique(level[level > 0]).size) for level in drawn)


def _annotated(files: PairedFiles, config: SourceConfig) -> Annotated:
    """Read an image and its label images, and make the granularities that nobody has drawn.

    Raises
    ------
    UserError
        If they cannot be read or do not fit together; it names the file.
    """
    try:
        return _read_annotated(files, config)
    except UserError as error:
        raise UserError(naming(error, files.image, *files.masks.values())) from error


def _read_annotated(files: PairedFiles, config: SourceConfig) -> Annotated:
    image = read_image(files.image)
    labels = [_numbered(read_labels(path)) for path in files.masks.values()]
    if not labels:
        image = _as_bytes(image)
        regions = region_levels(image, np.zeros(image.shape[:2], np.int32))
        if not regions:
            raise UserError(f"{files.image} shows too little to be cut into regions.")
        return image, regions
    _check(files, image, labels)
    if labels[0].ndim == 3:
        for axis in range(3 if config.isotropic else 1):
            for plane in _occupied(labels, axis):
                _as_bytes(image.take(plane, axis))  # refuses what could not be shown later
        return image, labels
    image = _as_bytes(image)
    groups = [object_groups(labels[0])] if config.groups else []
    regions = region_levels(image, labels[0]) if config.regions else []
    return image, labels + groups + regions


def _occupied(labels: Sequence[Labels], axis: int) -> npt.NDArray[np.intp]:
    """Return which planes across an axis of a stack hold an object."""
    others = tuple({0, 1, 2} - {axis})
    return np.flatnonzero(np.any([level.any(axis=others) for level in labels], axis=0))


def _numbered(labels: npt.NDArray[Any]) -> Labels:
    """Return labels with numbers from 1 on, because those of files may be too large."""
    return np.asarray(relabel_sequential(labels)[0], dtype=np.int32)


def _annotated_or_error(files: PairedFiles, config: SourceConfig) -> Annotated | UserError:
    try:
        return _annotated(files, config)
    except UserError as error:
        return error


def _check(files: PairedFiles, image: npt.NDArray[Any], labels: list[Labels]) -> None:
    """Raise a UserError for masks of another shape, or without any object."""
    if any(level.shape != image.shape[: level.ndim] for level in labels):
        shapes = ", ".join(str(level.shape) for level in labels)
        raise UserError(
            f"{files.image} has shape {image.shape}, its masks {shapes}; give pictures (height, "
            "width) or (height, width, 3) with masks (height, width), or stacks alike in shape."
        )
    if not any(level.any() for level in labels):
        raise UserError(f"The masks of {files.image} are empty; label an object in them.")


def object_groups(labels: Labels) -> Labels:
    """Return the clusters and colonies of an (H, W) label image: at least three close objects."""
    height, width = labels.shape
    side = max(height, width)
    square = np.pad(labels, ((0, side - height), (0, side - width)))
    return grouped(square, _GROUP_REACH)[:height, :width]


def label_masks(labels: Labels) -> npt.NDArray[np.bool_]:
    """Split an (H, W) label image into (M, H, W) masks of at least `MIN_AREA` pixels."""
    values, areas = np.unique(labels, return_counts=True)
    kept = values[(values > 0) & (areas >= MIN_AREA)]
    return np.equal(labels[None], kept[:, None, None])


def folder_sources(
    config: SourceConfig, holdout: int, base: Path
) -> tuple[FolderSource, FolderSource]:
    """Split a folder into what is trained on and what is kept for the report.

    Parameters
    ----------
    config : SourceConfig
    holdout : int
        See `held_back`.
    base : Path
        What the folders in `config` are relative to.
    """
    pairs = annotated_files(config, base)
    kept = held_back(pairs, holdout)
    natural = float(np.clip(1.0, *config.zoom))
    held = FolderSource(kept, replace(config, zoom=(natural, natural)))
    held.read_ahead()
    train = FolderSource([pair for pair in pairs if pair not in kept], config, prefer_crowded=True)
    if not held.files:
        held.files = train.first_usable()
        print(
            f"Of the images in {config.images} none is kept back, as there are few: their score "
            "is of one that is trained on.",
            file=sys.stderr,
        )
    return train, held


def held_back(pairs: Sequence[PairedFiles], holdout: int) -> list[PairedFiles]:
    """Return the files that are not trained on.

    That is about one in `holdout`; at least one if there are half as many, and none of fewer. It
    depends on the names of the files alone, so that it is the same in every run.
    """
    if len(pairs) < max(2, holdout / 2):
        return []
    checksums = [zlib.crc32(pair.stem.encode()) for pair in pairs]
    kept = [pair for pair, each in zip(pairs, checksums, strict=True) if each % holdout == 0]
    some = 0 < len(kept) < len(pairs)
    return kept if some else [pairs[int(np.argmin(checksums))]]


def annotated_files(config: SourceConfig, base: Path) -> list[PairedFiles]:
    """Return the images of a source with their masks, which it may do without for regions.

    Raises
    ------
    UserError
        If a folder is missing or named nowhere, or nothing in them matches.
    """
    if not config.masks and config.regions:
        pictures = image_files(base / config.images)
        return [PairedFiles(stem, pictures[stem], {}) for stem in sorted(pictures)]
    if not config.masks:
        raise UserError(
            f"The source {config.images} names no folder of masks; add 'masks', or 'regions: true' "
            "to learn from images without any."
        )
    masks = {folder: base / folder for folder in config.masks}
    found = pair_files(base / config.images, masks)
    if found.unmatched:
        names = ", ".join(found.unmatched)
        print(f"Left out of {config.images}, without image or masks: {names}", file=sys.stderr)
    return found.files


def _as_bytes(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return normalise(image).round().astype(np.uint8)
