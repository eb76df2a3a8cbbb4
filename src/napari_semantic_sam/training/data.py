"""An endless stream of prompted images, in batches the network takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from napari_semantic_sam.model.types import Prompts
from napari_semantic_sam.training.clicks import ClickTargets, sample_boxes, sample_clicks
from napari_semantic_sam.training.config import DataConfig
from napari_semantic_sam.training.records import Record
from napari_semantic_sam.training.sources import Source, SyntheticSource, folder_sources
from napari_semantic_sam.training.targets import Targets, build_targets

Example = tuple[Record, ClickTargets]
VALIDATION_BATCHES = 8
_HELD_OUT_SEED = (10**9,)


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


class PromptedImages(IterableDataset[Batch]):
    """Batches drawn at random from several sources, without end.

    Parameters
    ----------
    sources : sequence of Source
    weights : sequence of float
        Share of each source.
    config : DataConfig
    padded_size : (height, width)
        Of the network's input for a crop.
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
        padded_size: tuple[int, int],
        seed: Sequence[int],
        limit: int | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.shares = np.asarray(weights) / np.sum(weights)
        self.config = config
        self.padded_size = padded_size
        self.seed = tuple(seed)
        self.limit = limit

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng([*self.seed, worker.id if worker else 0])
        count = 0
        while self.limit is None or count < self.limit:
            yield self._collate([self._example(rng) for _ in range(self.config.batch)])
            count += 1

    def _example(self, rng: np.random.Generator) -> Example:
        while True:  # a view may show no object that is large enough
            source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
            record = source(rng)
            if len(record.masks):
                return record, self._prompts(record, rng)

    def _prompts(self, record: Record, rng: np.random.Generator) -> ClickTargets:
        clicks = sample_clicks(
            record.masks, self.config.clicks, rng, centre_share=self.config.centre_share
        )
        boxes = sample_boxes(record.masks, self.config.boxes, rng)
        return ClickTargets.concatenate([clicks, boxes])

    def _collate(self, examples: Sequence[Example]) -> Batch:
        images = np.stack([record.image for record, _ in examples]).transpose(0, 3, 1, 2)
        prompts, targets = build_targets(
            [(record.masks, clicks) for record, clicks in examples], self.padded_size
        )
        return Batch(torch.from_numpy(np.ascontiguousarray(images)), prompts, targets)


def build_streams(
    config: DataConfig, divisor: int, base: Path, seed: Sequence[int]
) -> tuple[PromptedImages, PromptedImages]:
    """Return the endless training stream and the short, always equal validation stream."""
    train: list[Source] = []
    held: list[Source] = []
    for source in config.sources:
        if source.kind == "synthetic":
            ours: Source = SyntheticSource(config.crop)
            theirs: Source = ours
        else:
            ours, theirs = folder_sources(source, config.crop, config.holdout, base)
        train.append(ours)
        held.append(theirs)
    weights = [source.weight for source in config.sources]
    side = config.crop + -config.crop % divisor
    padded = (side, side)
    return (
        PromptedImages(train, weights, config, padded, seed),
        PromptedImages(held, weights, config, padded, _HELD_OUT_SEED, limit=VALIDATION_BATCHES),
    )


def build_loader(stream: PromptedImages, workers: int) -> DataLoader[Batch]:
    """Return a loader whose workers prepare whole batches."""
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
    )
