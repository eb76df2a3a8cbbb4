"""One training run from a file: start, harvest, stop, resume."""

from __future__ import annotations

import logging
import multiprocessing
import warnings
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import writable_folder
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.training.config import TrainConfig, decisive, training_extra_missing

if TYPE_CHECKING:
    import lightning

    from napari_semantic_sam.training.harvest import Harvest, WholeFiles

STATE_FILE = "last.ckpt"
"""Everything an exact resume needs; for the machine that wrote it."""

UNTRAINED = "untrained"
"""Entry of the record of a checkpoint that holds a network to begin with."""

FRESH = ("random", "imagenet")
"""Starts that are no checkpoint."""

_NOT_FOR_USERS = (
    r"Found \d+ module\(s\) in eval mode",  # the batch normalisation of a checkpoint
    ".isinstance.treespec, LeafSpec",  # a torch helper that Lightning should not use any more
    "The '.*dataloader' does not have many workers",
    "Checkpoint directory .* exists and is not empty",  # of a run that is resumed
    "The dirpath has changed from",  # of one that was moved before
    "Found current_model_state in the checkpoint",
)
"""Beginnings of warnings of the trainer."""


def train(
    config: TrainConfig,
    base: str | Path,
    *,
    output: str | Path | None = None,
    max_minutes: float | None = None,
    resume: bool = False,
) -> Path:
    """Train as a training file says.

    Parameters
    ----------
    config : TrainConfig
        From `read_config`.
    base : str or Path
        What the folders in `config` are relative to: where the file lies.
    output : str or Path, optional
        Folder for the checkpoint, the report and the state; ``runs/<name>`` when left out.
    max_minutes : float, optional
        Stop after this time; the run can be resumed.
    resume : bool
        Go on from the state in `output`.

    Returns
    -------
    Path
        The checkpoint: averaged weights, float16, with the record of how they came about.

    Raises
    ------
    UserError
        If the file, a data set, the starting weights or the state cannot be used.
    """
    try:
        import lightning
    except ModuleNotFoundError as error:
        raise training_extra_missing(error) from error
    from napari_semantic_sam.training.data import build_loader, build_streams
    from napari_semantic_sam.training.harvest import Harvest, WholeFiles
    from napari_semantic_sam.training.module import TrainingModule

    base = Path(base)
    folder = writable_folder(output if output is not None else Path("runs") / config.name)
    state = folder / STATE_FILE
    if resume:
        check_same_run(config, state)
    else:
        _check_free(folder, config.name)
    # A resumed run must not see again the images it began with.
    seen = _spent(state)["images"] if resume else 0
    _quieten()
    lightning.seed_everything(config.seed, verbose=False)
    model = starting_model(config, base)
    train_stream, held_out = build_streams(
        config.data,
        model.config.size_divisor,
        base=base.resolve(),
        seed=(config.seed, seen),
    )
    if config.data.workers and multiprocessing.get_start_method() == "fork":
        train_stream.read_ahead(config.data.workers)
    train_stream.check()
    held_out.check()
    harvest, states = Harvest(folder, starting_metadata(config, model, base)), WholeFiles()
    with warnings.catch_warnings():
        for message in _NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message)
        make_trainer(config, harvest, states, max_minutes).fit(
            TrainingModule(model, config),
            build_loader(train_stream, config.data.workers),
            build_loader(held_out, workers=0),
            ckpt_path=state if resume else None,
            weights_only=True,
        )
    for failure in (harvest.failure, states.failure):
        if failure is not None:
            raise failure
    return folder / f"{config.name}.safetensors"


def _quieten() -> None:
    """Keep what the trainer says about itself, advertising too, from those who train."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def make_trainer(
    config: TrainConfig, harvest: Harvest, states: WholeFiles, max_minutes: float | None
) -> lightning.Trainer:
    """Return what runs the training and keeps its state beside what is harvested."""
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint

    from napari_semantic_sam.training.module import RampedAveraging, Stop

    return lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision=config.precision,
        max_epochs=-1,
        gradient_clip_val=config.optimiser.clip,
        val_check_interval={"seconds": max(1, round(config.harvest_minutes * 60))},
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[states],
        callbacks=[
            Stop(max_minutes),
            harvest,
            RampedAveraging(config.optimiser.ema),
            ModelCheckpoint(
                harvest.folder,
                filename=Path(STATE_FILE).stem,
                save_on_train_epoch_end=False,
                enable_version_counter=False,
            ),
        ],
    )


def check_same_run(config: TrainConfig, state: Path) -> None:
    """See that a run goes on as it began, in all that decides about its weights.

    Raises
    ------
    UserError
        If it does not, there is no state, or it cannot be read.
    """
    begun, now = _spent(state)["begun"], decisive(config)
    for name in [*now, *begun]:
        if begun.get(name) != now.get(name):
            raise UserError(
                f"The run in {state.parent} was begun with {name} {begun.get(name)}, not "
                f"{now.get(name)}; resume it with the same, or give another --output to start "
                "afresh."
            )


def _check_free(folder: Path, name: str) -> None:
    for file in (STATE_FILE, f"{name}.safetensors"):
        if (folder / file).exists():
            raise UserError(
                f"{folder} holds a run already ({file}); go on with it by --resume, or give "
                "another folder with --output."
            )


def _spent(state: Path) -> dict[str, Any]:
    """Return what a run had used that left a state, and how it began."""
    import torch

    if not state.exists():
        raise UserError(f"There is no {state.name} in {state.parent} to resume from; start afresh.")
    try:
        spent: dict[str, Any] = torch.load(state, weights_only=True)["spent"]
        return {"images": int(spent["images"]), "begun": dict(spent["begun"])}
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, UnpicklingError) as error:
        raise UserError(f"{state} is damaged and cannot be resumed from; start afresh.") from error


def starting_model(config: TrainConfig, base: Path) -> SemanticSAM:
    """Return the model a run starts from; files are relative to `base`."""
    from napari_semantic_sam.model.loading import describe, load_model

    if config.start not in FRESH:
        start = _start_of(config, base)
        # A packed network has not been trained: its batch normalisation has to learn, too.
        return load_model(start, device="cpu").train(
            describe(start).provenance.get(UNTRAINED, False)
        )
    if config.preset not in PRESETS:
        raise UserError(f"There is no preset '{config.preset}'; choose one of {list(PRESETS)}.")
    model = SemanticSAM(PRESETS[config.preset])
    if config.start == "imagenet":
        from napari_semantic_sam.training.imagenet import load_imagenet_backbone

        load_imagenet_backbone(model)
    return model


def _start_of(config: TrainConfig, base: Path) -> Path | str:
    beside = base / config.start
    return beside if beside.exists() else config.start


def starting_metadata(config: TrainConfig, model: SemanticSAM, base: Path) -> CheckpointMetadata:
    """Return the record of a checkpoint before it has been measured.

    What it was not trained for, it can do as its start could. What suits automatic segmentation
    is that of the start, too, until somebody looks again.
    """
    from napari_semantic_sam.model.loading import describe

    recipe: dict[str, Any] = asdict(config)
    start = None if config.start in FRESH else describe(_start_of(config, base))
    trained = ("click", "box") if config.data.boxes else ("click",)
    before = () if start is None else start.capabilities
    untested = () if start is None else start.experimental
    return CheckpointMetadata(
        name=config.name,
        config=model.config,
        level_order=model.level_order,
        capabilities=tuple(dict.fromkeys((*trained, *before))),
        experimental=tuple(name for name in untested if name not in trained),
        licence=config.licence,
        description=config.description,
        provenance={
            "recipe": recipe,
            "seed": config.seed,
            "start_weights": None if start is None else model.checkpoint_hash,
        },
        automatic={} if start is None else start.automatic,
    )
