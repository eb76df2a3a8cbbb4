"""The training loop as a Lightning module: losses, schedule, held-out score."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.training.config import OptimiserConfig, TrainConfig, decisive
from napari_semantic_sam.training.data import Batch
from napari_semantic_sam.training.losses import Criterion
from napari_semantic_sam.training.processor import suit_processor
from napari_semantic_sam.training.report import HeldOut, held_out_scores


class TrainingModule(lightning.LightningModule):
    """Trains a `SemanticSAM`.

    Parameters
    ----------
    model : SemanticSAM
    config : TrainConfig
    """

    def __init__(self, model: SemanticSAM, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.criterion = Criterion(config.loss)
        if config.part == "scores":
            model.requires_grad_(False)
            model.mask_decoder.score_head.requires_grad_(True)
        self.clock = Clock(config.minutes)
        self.images_seen = 0
        self.held_out: list[HeldOut] = []

    def setup(self, stage: str) -> None:
        """Make the most of a processor, if that is what trains."""
        if self.trainer.strategy.root_device.type == "cpu":
            suit_processor(self.model, mixed=self.config.precision != "32-true")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch."""
        embedding = self.model.encode(batch.images)
        layers = self.model.decode_layers(embedding, batch.prompts)
        if self.config.part == "scores":  # users only see those of the last layer
            layers = layers[-1:]
        terms = self.criterion(layers, batch.targets)
        self.images_seen += len(batch.images)
        loss = torch.stack(list(terms.values())).sum()
        self.log_dict({**terms, "loss": loss}, batch_size=len(batch.images))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect IoUs of held-out prompts."""
        embedding = self.model.encode(batch.images)
        layer = self.model.decode_layers(embedding, batch.prompts)[-1]
        self.held_out.append(held_out_scores(layer, batch.prompts, batch.targets))

    def configure_optimizers(self) -> Any:
        """AdamW, with a schedule that follows the clock."""
        # Not fused: Lightning cannot clip the gradients of a fused optimiser in mixed precision.
        optimiser = torch.optim.AdamW(parameter_groups(self.model, self.config.optimiser))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def transfer_batch_to_device(
        self, batch: Batch | UserError, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch, which Lightning does not know how to.

        Raises
        ------
        UserError
            If there is none, because a worker found that a source cannot be used.
        """
        if isinstance(batch, UserError):
            raise batch
        return batch.to(device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time and images spent, so that a resumed run goes on as it was."""
        checkpoint["spent"] = {
            "seconds": self.clock.seconds(),
            "images": self.images_seen,
            "begun": decisive(self.config),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the time and images spent."""
        self.clock = Clock(self.config.minutes, checkpoint["spent"]["seconds"])
        self.images_seen = checkpoint["spent"]["images"]

    def _rate(self, step: int) -> float:
        warmup = min(1.0, (step + 1) / max(1, self.config.optimiser.warmup_steps))
        return warmup * 0.5 * (1.0 + math.cos(math.pi * self.share()))

    def share(self) -> float:
        """How much of the run is over, 0..1: by images if their number is given, else by time."""
        if self.config.images:
            return min(1.0, self.images_seen / self.config.images)
        return self.clock.share()


class Clock:
    """How much of a run's time is over; a machine's speed is not known beforehand.

    Parameters
    ----------
    minutes : float
        Length of the run; 0 is over at once.
    spent : float
        Seconds that earlier parts of the run took.
    """

    def __init__(self, minutes: float, spent: float = 0.0) -> None:
        self._total = minutes * 60
        self._spent = spent
        self._start: float | None = None

    def seconds(self) -> float:
        """Seconds since the first call, with those spent before."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        return self._spent + now - self._start

    def share(self) -> float:
        """How much of the run is over, 0..1."""
        return min(1.0, self.seconds() / self._total) if self._total > 0 else 1.0


class Stop(lightning.Callback):
    """Ends the run when its time is over, or this leg's.

    Parameters
    ----------
    leg_minutes : float, optional
        Time for this call; the run can be resumed later.
    """

    def __init__(self, leg_minutes: float | None) -> None:
        self._leg = None if leg_minutes is None else Clock(leg_minutes)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Stop after the batch in which the time ran out."""
        if module.share() >= 1 or (self._leg is not None and self._leg.share() >= 1):
            trainer.should_stop = True


class RampedAveraging(WeightAveraging):
    """Keeps an exponential moving average of the weights that forgets where the run began.

    After n steps the decay is ``min(decay, (1 + n) / (10 + n))``: with a constant one, a run of
    fewer steps than ``1 / (1 - decay)`` would mostly keep the weights it started with.

    Parameters
    ----------
    decay : float
        Per step, in the long run.
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
            if not averaged.is_floating_point():  # how many batches a normalisation has seen
                return current
            ramped = min(decay, (1 + int(steps)) / (10 + int(steps)))
            return ramped * averaged + (1 - ramped) * current

        super().__init__(avg_fn=average)


def parameter_groups(model: SemanticSAM, config: OptimiserConfig) -> list[dict[str, Any]]:
    """Split parameters by learning rate and weight decay.

    The backbone has a rate of its own; vectors (biases and norms) and embeddings have no
    weight decay, as published.
    """
    embeddings = {
        id(parameter)
        for part in model.modules()
        if isinstance(part, nn.Embedding)
        for parameter in part.parameters()
    }
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        in_backbone = name.startswith("image_encoder.backbone.")
        rate = config.backbone_rate if in_backbone else config.rate
        plain = parameter.ndim < 2 or id(parameter) in embeddings
        groups.setdefault((rate, 0.0 if plain else config.weight_decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
