"""One training run from a file: start, harvest, stop, resume."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.training.config import TrainConfig, training_extra_missing

STATE_FILE = "last.ckpt"
"""Everything an exact resume needs; for the machine that wrote it."""

_FRESH = ("random", "imagenet")
"""Starts that are no checkpoint."""


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
        from lightning.pytorch.callbacks import ModelCheckpoint
    except ModuleNotFoundError as error:
        raise training_extra_missing(error) from error
    import torch

    from napari_semantic_sam.training.data import build_loader, build_streams
    from napari_semantic_sam.training.harvest import Harvest, WholeFiles
    from napari_semantic_sam.training.module import RampedAveraging, Stop, TrainingModule

    base = Path(base)
    folder = Path(output) if output is not None else Path("runs") / config.name
    state = folder / STATE_FILE
    if resume and not state.exists():
        raise UserError(f"There is no {STATE_FILE} in {folder} to resume from; start afresh.")
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(config.seed)
    model = starting_model(config, base)
    # A resumed run must not see again the images it began with.
    seen = torch.load(state, weights_only=True)["spent"]["images"] if resume else 0
    train_stream, held_out = build_streams(
        config.data,
        model.config.size_divisor,
        base=base.resolve(),
        seed=(config.seed, seen),
    )
    train_stream.check()
    harvest = Harvest(folder, starting_metadata(config, model))
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision=config.precision,
        max_epochs=-1,
        gradient_clip_val=config.optimiser.clip,
        val_check_interval={"seconds": round(config.harvest_minutes * 60)},
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[WholeFiles()],
        callbacks=[
            Stop(max_minutes),
            harvest,
            RampedAveraging(config.optimiser.ema),
            ModelCheckpoint(
                folder,
                filename=state.stem,
                save_on_train_epoch_end=False,
                enable_version_counter=False,
            ),
        ],
    )
    with warnings.catch_warnings():
        # A checkpoint comes in evaluation mode: its batch normalisation keeps its statistics.
        warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode")
        trainer.fit(
            TrainingModule(model, config),
            build_loader(train_stream, config.data.workers),
            build_loader(held_out, workers=0),
            ckpt_path=state if resume else None,
            weights_only=True,
        )
    if harvest.failure is not None:
        raise harvest.failure
    return folder / f"{config.name}.safetensors"


def starting_model(config: TrainConfig, base: Path) -> SemanticSAM:
    """Return the model a run starts from; files are relative to `base`."""
    from napari_semantic_sam.model.loading import load_model

    if config.start not in _FRESH:
        beside = base / config.start
        return load_model(beside if beside.exists() else config.start, device="cpu")
    if config.preset not in PRESETS:
        raise UserError(f"There is no preset '{config.preset}'; choose one of {list(PRESETS)}.")
    model = SemanticSAM(PRESETS[config.preset])
    if config.start == "imagenet":
        from napari_semantic_sam.training.imagenet import load_imagenet_backbone

        load_imagenet_backbone(model)
    return model


def starting_metadata(config: TrainConfig, model: SemanticSAM) -> CheckpointMetadata:
    """Return the record of a checkpoint before it has been measured."""
    recipe: dict[str, Any] = asdict(config)
    return CheckpointMetadata(
        name=config.name,
        config=model.config,
        level_order=model.level_order,
        capabilities=("click", "box"),
        licence=config.licence,
        description=config.description,
        provenance={
            "recipe": recipe,
            "seed": config.seed,
            "start_weights": None if config.start in _FRESH else model.checkpoint_hash,
        },
    )
