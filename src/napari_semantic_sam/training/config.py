"""The training file: what a run reads, as frozen dataclasses with the defaults in one place."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.training.losses import LossConfig
from napari_semantic_sam.training.plain_data import (
    Amount,
    Count,
    PositiveAmount,
    PositiveCount,
    Range,
    Share,
    build,
)

Part = Literal["all", "scores"]

_INCIDENTAL = ("harvest_minutes", "description", "licence", "data.workers")
"""Entries that leave the weights as they are."""


@dataclass(frozen=True)
class SourceConfig:
    """Where some of the training images come from.

    Attributes
    ----------
    kind : {"synthetic", "folder"}
    weight : float
        Share of the training images, relative to the other sources.
    images : str
        Folder of images, relative to the training file.
    masks : tuple of str
        Folders of label images with the same stems, one per granularity; with `regions` there
        may be none.
    zoom : (low, high)
        Images are magnified by a random factor between these, log-uniformly.
    regions : bool
        Whether every image is also cut into a hierarchy of regions, see `region_levels`.
    isotropic : bool
        Whether the planes of a stack are cut along all of its axes, because its voxels are as
        deep as they are wide; otherwise along the first one only.
    groups : bool
        Whether objects that nearly touch also make a coarser granularity, see `object_groups`.

    Raises
    ------
    ValueError
        If `zoom` ends below its beginning.
    """

    kind: Literal["synthetic", "folder"] = "folder"
    weight: PositiveAmount = 1.0
    images: str = ""
    masks: tuple[str, ...] = ()
    zoom: tuple[PositiveAmount, PositiveAmount] = (0.5, 2.0)
    regions: bool = False
    isotropic: bool = False
    groups: bool = False

    def __post_init__(self) -> None:
        if self.zoom[0] > self.zoom[1]:
            raise ValueError(f"zoom {list(self.zoom)} must begin with the smaller number")


@dataclass(frozen=True)
class DataConfig:
    """Crops and prompts.

    Attributes
    ----------
    sources : tuple of SourceConfig
    crop : int
        Side of the square training images in pixels.
    batch : int
        Images per step.
    wide_share : float
        Share of the batches whose images are twice as wide, a quarter as many and with four
        times the prompts, at the same cost: what lies far from a prompt must be seen, too.
    clicks, boxes : int
        Prompts per image.
    centre_share : float
        Share of the clicks near the middle of their object; the others are anywhere in it.
    workers : int
        Processes that prepare images beside the training.
    holdout : int
        One image in so many is kept for the report instead of trained on.

    Raises
    ------
    ValueError
        If there is no source.
    """

    sources: tuple[SourceConfig, ...]
    crop: Annotated[int, Range(32)] = 256
    batch: PositiveCount = 8
    wide_share: Share = 0.0
    clicks: PositiveCount = 8
    boxes: Count = 2
    centre_share: Share = 0.5
    workers: Count = 1
    holdout: Annotated[int, Range(2)] = 20

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources must name at least one")


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with a linear warm-up and a cosine to zero over the time given.

    Attributes
    ----------
    rate, backbone_rate : float
        Peak learning rates.
    weight_decay : float
        Of matrices; vectors (biases, norms) have none.
    warmup_steps : int
    clip : float
        Largest norm of the full gradient.
    ema : float
        Decay per step of the averaged weights, which are the ones that are kept; less in the
        first steps.
    """

    rate: PositiveAmount = 1e-4
    backbone_rate: Amount = 1e-5
    weight_decay: Amount = 0.05
    warmup_steps: Count = 100
    clip: PositiveAmount = 0.01
    ema: Share = 0.999


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes
    ----------
    name : str
        Of the checkpoint.
    preset : str
        Architecture, see `napari_semantic_sam.model.config.PRESETS`.
    start : str
        Where the weights come from: ``"random"``, ``"imagenet"`` (the backbone's weights
        that a Python package carries), or what `load_model` takes, a file also relative to
        the training file. The batch normalisation of a checkpoint keeps its statistics.
    data, optimiser, loss
        See their classes.
    part : {"all", "scores"}
        What is trained: everything, or only the head that predicts the IoU of each mask. On a
        network that no longer moves it learns at a third of the cost what its masks are worth.
    minutes : float
        Length of the run; the learning rate has fallen to zero at its end.
    images : int
        Length in training images instead, so that a machine of any speed does the same; 0 goes
        by `minutes`.
    harvest_minutes : float
        How often the averaged weights and a report are written.
    precision : str
        Lightning's, ``"32-true"`` or ``"bf16-mixed"``.
    seed : int
    description, licence : str
        For the checkpoint's record.

    Raises
    ------
    ValueError
        If `name` cannot be that of a file.
    """

    name: str
    data: DataConfig
    preset: str = "tiny"
    start: str = "random"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    part: Part = "all"
    minutes: PositiveAmount = 60.0
    images: Count = 0
    harvest_minutes: PositiveAmount = 10.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    description: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip() or set(self.name) & set('/\\:*?"<>|'):
            raise ValueError(f'name "{self.name}" must be one that a file can have')


def decisive(config: TrainConfig) -> dict[str, Any]:
    """Return every entry that decides about the weights, by names like ``data.crop``."""
    flat = dict(_flat(asdict(config), ""))
    return {name: value for name, value in flat.items() if name not in _INCIDENTAL}


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else key)
    elif isinstance(value, tuple) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value, start=1):
            yield from _flat(item, f"{name} {number}")
    else:
        yield name, value


def training_extra_missing(error: ModuleNotFoundError) -> UserError:
    """Return what to say when a package that only training needs is not installed."""
    return UserError(
        f"Training needs the package {error.name}; run: pip install 'napari-semantic-sam[train]'"
    )


def read_config(path: Path) -> TrainConfig:
    """Read a training file (YAML).

    Raises
    ------
    UserError
        If the file is missing, no YAML, or has an entry that is unknown or impossible.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise training_extra_missing(error) from error
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"The training file {path} could not be read ({error.strerror}); check its name."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # not UTF-8, or a date that does not exist
        raise UserError(f"The training file {path} is not valid YAML; correct it.") from error
    try:
        config: TrainConfig = build(TrainConfig, data)
    except ValueError as error:
        raise UserError(
            f"The training file {path} cannot be used: {error}; correct it, see docs/training.md."
        ) from error
    return config


def with_changes(config: TrainConfig, **changes: Any) -> TrainConfig:
    """Return a recipe with some entries changed; None changes nothing.

    Raises
    ------
    UserError
        If an entry cannot have that value.
    """
    hints = typing.get_type_hints(TrainConfig, include_extras=True)
    checked = {}
    for name, value in changes.items():
        if value is None:
            continue
        try:
            checked[name] = build(hints[name], value)
        except ValueError as error:
            raise UserError(f"The training cannot have these {name}: {error}.") from error
    return replace(config, **checked)
