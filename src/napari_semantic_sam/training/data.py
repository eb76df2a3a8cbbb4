"""An endless stream of prompted images, in batches the network takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.types import Prompts
from napari_semantic_sam.training.clicks import ClickTargets, sample_boxes, sample_clicks
from napari_semantic_sam.training.config import DataConfig
from napari_semantic_sam.training.records import Record
from napari_semantic_sam.training.sources import (
    MIN_AREA,
    FolderSource,
    Source,
    SyntheticSource,
    folder_sources,
)
from napari_semantic_sam.training.targets import Targets, build_targets

Example = tuple[Record, ClickTargets]
VALIDATION_BATCHES = 8
_HELD_OUT_SEED = (10**9,)
_MOST_TRIES = 100


@dataclass(frozen=True)
class Batch:
    """Images with their prompts and targets.

    Attributes
    ----------
    images : (B, 3, H, W) uint8 tensor
    prompts : Prompts
    targets : Targets
    """

    images: Tensor
    prompts: Prompts
    targets: Targets

    def to(self, device: torch.device | str) -> Batch:
        """Return the same batch on another device."""
        return Batch(
            self.images.to(device, non_blocking=True),
            self.prompts.to(device),
            self.targets.to(device),
        )


class PromptedImages(IterableDataset[Batch | UserError]):
    """Batches drawn at random from several sources, without end.

    In a worker process it ends with the UserError of a source that cannot be used.

    Parameters
    ----------
    sources : sequence of Source
    weights : sequence of float
        Share of each source.
    config : DataConfig
    divisor : int
        The network's input is padded to a multiple of this.
    seed : sequence of ints
        Every worker, and every value of `seed`, has a stream of its own.
    limit : int, optional
        Number of batches; endless when left out.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        weights: Sequence[float],
        config: DataConfig,
        divisor: int,
        seed: Sequence[int],
        limit: int | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.shares = np.asarray(weights) / np.sum(weights)
        self.config = config
        self.divisor = divisor
        self.seed = tuple(seed)
        self.limit = limit

    def __iter__(self) -> Iterator[Batch | UserError]:
        worker = get_worker_info()
        rng = np.random.default_rng([*self.seed, worker.id if worker else 0])
        count = 0
        while self.limit is None or count < self.limit:
            try:
                yield self._batch(rng)
            except UserError as error:
                if worker is None:
                    raise
                # Raised here, it would reach the main process as a text with a traceback.
                yield error
                return
            count += 1

    def _batch(self, rng: np.random.Generator) -> Batch:
        wide = 2 if rng.random() < self.config.wide_share else 1
        number = max(1, self.config.batch // wide**2)
        return self._collate([self._example(rng, wide) for _ in range(number)], wide)

    def _example(self, rng: np.random.Generator, wide: int) -> Example:
        source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        record = _draw(source, rng, wide * self.config.crop)
        return _only_wanted(record, self._prompts(record, rng, wide**2))

    def check(self) -> None:
        """Draw from every source once, so that what is wrong is said before a run begins.

        Raises
        ------
        UserError
            If a source cannot be used.
        """
        for source in self.sources:
            _draw(source, np.random.default_rng(0), self.config.crop)

    def read_ahead(self, processes: int) -> None:
        """Read all files now, so that worker processes that are forked later share them."""
        for source in self.sources:
            if isinstance(source, FolderSource):
                source.read_ahead(processes)

    def _prompts(self, record: Record, rng: np.random.Generator, times: int) -> ClickTargets:
        config = self.config
        clicks = sample_clicks(
            record.masks, times * config.clicks, rng, centre_share=config.centre_share
        )
        boxes = sample_boxes(record.masks, times * config.boxes, rng)
        return ClickTargets.concatenate([clicks, boxes])

    def _collate(self, examples: Sequence[Example], wide: int) -> Batch:
        images = np.stack([record.image for record, _ in examples]).transpose(0, 3, 1, 2)
        side = wide * self.config.crop
        padded = side + -side % self.divisor
        prompts, targets = build_targets(
            [(record.masks, clicks) for record, clicks in examples], (padded, padded)
        )
        return Batch(torch.from_numpy(np.ascontiguousarray(images)), prompts, targets)


def _draw(source: Source, rng: np.random.Generator, size: int) -> Record:
    """Draw a record with a mask; a view may show no object that is large enough."""
    for _ in range(_MOST_TRIES):
        record = source(rng, size)
        if len(record.masks):
            return record
    raise UserError(
        f"Views of {record.name} and other images show no object of at least {MIN_AREA} pixels; "
        "give images with larger objects, or a larger zoom."
    )


def _only_wanted(record: Record, prompts: ClickTargets) -> Example:
    """Leave out the masks that no prompt wants; there may be hundreds."""
    wanted, places = np.unique(np.concatenate(prompts.targets), return_inverse=True)
    ends = np.cumsum([len(each) for each in prompts.targets])[:-1]
    targets = tuple(np.split(places.astype(np.int64), ends))
    return replace(record, masks=record.masks[wanted]), replace(prompts, targets=targets)


def build_streams(
    config: DataConfig, divisor: int, base: Path, seed: Sequence[int]
) -> tuple[PromptedImages, PromptedImages]:
    """Return the endless training stream and the short, always equal validation stream."""
    train: list[Source] = []
    held: list[Source] = []
    for source in config.sources:
        if source.kind == "synthetic":
            ours: Source = SyntheticSource()
            theirs: Source = ours
        else:
            ours, theirs = folder_sources(source, config.holdout, base)
        train.append(ours)
        held.append(theirs)
    weights = [source.weight for source in config.sources]
    return (
        PromptedImages(train, weights, config, divisor, seed),
        PromptedImages(held, weights, config, divisor, _HELD_OUT_SEED, limit=VALIDATION_BATCHES),
    )


def build_loader(stream: PromptedImages, workers: int) -> DataLoader[Batch | UserError]:
    """Return a loader whose workers prepare whole batches."""
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        # A loader of its own randomness: a look at held-out images changes nothing after it.
        generator=torch.Generator(),
    )
