"""What a run leaves behind: averaged weights, a report, and the state to resume from."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path, write_json
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.training.report import HeldOut


class Harvest(lightning.Callback):
    """Writes the averaged weights and a report after every validation.

    It must stand before the averaging callback, which takes its weights back at the end of
    the validation.

    Parameters
    ----------
    folder : Path
    metadata : CheckpointMetadata
        Of the checkpoint; level order and numbers are filled in.

    Attributes
    ----------
    failure : UserError or None
        Why the last attempt wrote nothing, as on a full disk: the run goes on, and what was
        written before is still there.
    """

    def __init__(self, folder: Path, metadata: CheckpointMetadata) -> None:
        self.folder = folder
        self.metadata = metadata
        self.failure: UserError | None = None

    def on_validation_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Write ``<name>.safetensors`` and ``report.json``."""
        if trainer.sanity_checking or not module.held_out:
            return
        scores = HeldOut.merge(module.held_out)
        module.held_out.clear()
        self.failure = None
        try:
            self._write(trainer, module, scores)
        except UserError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            self.failure = error
            print(f"{error} Training goes on.", file=sys.stderr, flush=True)

    def _write(self, trainer: lightning.Trainer, module: Any, scores: HeldOut) -> None:
        report = {
            "minutes": round(module.clock.seconds() / 60, 1),
            "steps": trainer.global_step,
            "images": module.images_seen,
            "held_out": scores.summary(),
            "losses": _plain(trainer.callback_metrics),
        }
        metadata = scores.describe(self.metadata, report)
        path = self.folder / f"{metadata.name}.safetensors"
        save_checkpoint(path, module.model, metadata)
        write_json(self.folder / "report.json", report)
        print(_sentence(report), flush=True)


class WholeFiles(TorchCheckpointIO):
    """Writes the state to resume from whole or not at all; a run outlives a full disk.

    Attributes
    ----------
    failure : UserError or None
        Why the last attempt wrote nothing.
    """

    failure: UserError | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a state, or say why not and leave the one before."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            with atomic_path(path) as temporary:
                # In one piece: torch's own writer turns a full disk into something else.
                temporary.write_bytes(buffer.getvalue())
            self.failure = None
        except UserError as error:
            self.failure = error
            print(f"{error} Training goes on.", file=sys.stderr, flush=True)


def _sentence(report: Mapping[str, Any]) -> str:
    """Tell a person at the console how far a run is."""
    scores = report["held_out"]
    told = [
        f"IoU of {many} {scores[f'{kind}_oracle_iou']:.3f} (best mask), "
        f"{scores[f'{kind}_max_iou']:.3f} (shown first)"
        for kind, many in (("click", "clicks"), ("box", "boxes"))
        if f"{kind}_oracle_iou" in scores
    ]
    return f"{report['minutes']} min, {report['images']} images: {'; '.join(told)}"


def _plain(metrics: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in metrics.items()}
