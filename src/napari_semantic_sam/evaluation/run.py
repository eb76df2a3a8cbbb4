"""Evaluate a model on folders of pictures and label images."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.evaluation import provenance
from napari_semantic_sam.evaluation.automatic import AutomaticProtocol
from napari_semantic_sam.evaluation.files import Measurer, Progress, check_size, each_image
from napari_semantic_sam.evaluation.linking import Axis, LinkingProtocol
from napari_semantic_sam.evaluation.measurements import ImageResult, Measurements, total
from napari_semantic_sam.evaluation.objects import (
    TrueObject,
    choose,
    find_objects,
    stream_of,
    without_copies,
)
from napari_semantic_sam.evaluation.propagation import PropagationProtocol
from napari_semantic_sam.evaluation.protocols import PROTOCOLS
from napari_semantic_sam.evaluation.report import Report
from napari_semantic_sam.evaluation.scene import Scene
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import PairedFiles, Pairs, pair_files

if TYPE_CHECKING:
    from napari_semantic_sam.inference import Predictor

AUTOMATIC, LINKING, PROPAGATION = "automatic", "linking", "propagation"
"""Protocols of whole pictures and of stacks, which are not among `PROTOCOLS`."""

_KNOWN = (*PROTOCOLS, AUTOMATIC, PROPAGATION, LINKING)

_UNMATCHED = "It is a picture without a label image of the same name, or the other way round."


def evaluate(
    predictor: Predictor,
    images: str | Path,
    masks: Mapping[str, str | Path],
    protocol: str,
    *,
    seed: int = 0,
    channels: Sequence[int] | None = None,
    max_objects: int | None = None,
    level: int | None = None,
    axis: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure a model on every picture that has annotations.

    A file that cannot be used is left out, with a reason in the report; the rest goes on.

    Parameters
    ----------
    predictor : Predictor
    images : str or Path
        Folder of pictures (TIFF, PNG, JPEG).
    masks : mapping of name to str or Path
        Folders of label images of the same stems, one for each granularity; a file of
        shape ``(K, H, W)`` holds K label images. A name other than "" also gets numbers of
        its own in the report, under ``name/…``.
    protocol : str
        "one-click", "box", "granularity" or "interactive", see `protocols`;
        "automatic", see `AutomaticProtocol`, which uses neither seed nor choice; or, for
        stacks, "propagation" and "linking", see `PropagationProtocol` and
        `LinkingProtocol`: pictures and label images then are TIFF files ``(N, H, W)``.
    seed : int
        Of random clicks and of the choice under `max_objects`. Every image has a random
        stream of its own, whatever else is in the folder.
    channels : sequence of int, optional
        See `Predictor.embed`.
    max_objects : int, optional
        Prompt for this many objects of an image, chosen at random, where it has more.
    level : int, optional
        Of "automatic" and "linking": the level that counts, instead of the one in the
        checkpoint's record.
    axis : "Z" or "T", optional
        Of "linking": what the slices follow each other along, Z when left out; in time, objects
        may divide.
    progress : callable, optional
        Called with the number of images done, their total, and the name of the next.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        See `check_request`; or if no files match, or none can be used.
    """
    check_request(protocol, max_objects=max_objects, level=level, axis=axis)
    run = _measurer(predictor, protocol, seed, channels, max_objects, level, axis)
    pairs = pair_files(images, masks)
    results, skipped = each_image(run, pairs.files, progress)
    if not any(result.measured for result in results.values()):
        reason = skipped[0]["reason"] if skipped else "the label images hold no object."
        raise UserError(f"Nothing in {images} could be evaluated: {reason}")
    facts = {
        "protocol": protocol,
        "checkpoint": predictor.model.checkpoint_hash,
        "images": str(images),
        "masks": {name: str(folder) for name, folder in masks.items()},
        "seed": seed,
        "channels": None if channels is None else list(channels),
        "max_objects": max_objects,
        "level": level,
        "axis": axis,
        "device": provenance.device_name(predictor.model.device),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "commit": provenance.commit(),
    }
    rows = [{"image": stem} | result.summary() for stem, result in results.items()]
    total_row = run.total(list(results.values())).summary()
    return Report(total_row, rows, skipped + _without_labels(pairs, masks), facts)


def check_request(
    protocol: str,
    *,
    max_objects: int | None = None,
    level: int | None = None,
    axis: str | None = None,
) -> None:
    """Check the arguments of `evaluate` that need no model.

    Raises
    ------
    UserError
        If the protocol or the axis is unknown, or something belongs to another protocol.
    """
    if protocol not in _KNOWN:
        known = ", ".join(_KNOWN)
        raise UserError(f"There is no protocol called {protocol!r}; choose one of {known}.")
    if level is not None and protocol not in (AUTOMATIC, LINKING):
        raise UserError(f"A level belongs to the protocol {AUTOMATIC} or {LINKING}; leave it out.")
    if max_objects is not None and protocol in (AUTOMATIC, LINKING):
        raise UserError(f"The protocol {protocol} measures all objects; leave out their number.")
    if axis is not None and protocol != LINKING:
        raise UserError(f"An axis belongs to the protocol {LINKING}; leave it out.")
    if axis is not None and axis not in get_args(Axis):
        raise UserError(f"There is no axis {axis!r} along which stacks could go; choose Z or T.")


def _measurer(
    predictor: Predictor,
    protocol: str,
    seed: int,
    channels: Sequence[int] | None,
    max_objects: int | None,
    level: int | None,
    axis: str | None,
) -> Measurer[Any]:
    if protocol == AUTOMATIC:
        return AutomaticProtocol.of(predictor, level, channels)
    if protocol == LINKING:
        return LinkingProtocol.of(predictor, level, channels, cast("Axis", axis or "Z"))
    if protocol == PROPAGATION:
        return PropagationProtocol(predictor, seed, channels, max_objects)
    return _Run(predictor, protocol, seed, channels, max_objects)


def _without_labels(pairs: Pairs, masks: Mapping[str, str | Path]) -> list[dict[str, str]]:
    """Return the pictures that lack label images, and why they count as left out."""
    partly = [
        {"image": files.stem, "reason": f"It has no label image in {folder}."}
        for files in pairs.files
        for name, folder in masks.items()
        if name not in files.masks
    ]
    return partly + [{"image": stem, "reason": _UNMATCHED} for stem in pairs.unmatched]


@dataclass(frozen=True)
class _Run:
    """The settings that are the same for every image."""

    predictor: Predictor
    protocol: str
    seed: int
    channels: Sequence[int] | None
    max_objects: int | None

    def image(self, files: PairedFiles) -> ImageResult:
        """Measure one image.

        Raises
        ------
        UserError
            If a file cannot be used.
        """
        objects = self._objects(files)
        if not objects:
            return ImageResult({})
        picture = read_image(files.image)
        start = time.perf_counter()
        embedding = self.predictor.embed(picture, channels=self.channels)
        embed_seconds = time.perf_counter() - start
        _check_shapes(files, objects, embedding.shape)
        rng = stream_of(files, self.seed)
        scene = Scene(
            self.predictor, embedding, objects, choose(objects, self.max_objects, rng), rng
        )
        measured = _by_source(PROTOCOLS[self.protocol](scene), scene.prompted)
        return ImageResult(measured, embed_seconds, 1, scene.seconds, scene.prompts)

    def total(self, results: Sequence[ImageResult]) -> ImageResult:
        """Put the results of several images together."""
        return total(results)

    def _objects(self, files: PairedFiles) -> list[TrueObject]:
        found = [
            each
            for name, path in files.masks.items()
            for each in find_objects(read_labels(path), name)
        ]
        # Asked for everything under a click, a mask that is drawn twice is one mask.
        return without_copies(found) if self.protocol == "granularity" else found


def _check_shapes(
    files: PairedFiles, objects: Sequence[TrueObject], shape: tuple[int, int]
) -> None:
    for found in objects:
        check_size(files.masks[found.source], found.shape, files.image, shape)


def _by_source(measured: Measurements, objects: Sequence[TrueObject]) -> dict[str, Measurements]:
    rows: dict[str, list[int]] = {}
    for row, found in enumerate(objects):
        rows.setdefault(found.source, []).append(row)
    return {name: measured.rows(np.array(chosen)) for name, chosen in rows.items()}
