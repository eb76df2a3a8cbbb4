"""Average the weights of legs that were trained side by side from one checkpoint.

    python scripts/average_checkpoints.py A.safetensors B.safetensors --output MEAN.safetensors

Runs that differ in their seed alone end near each other, and their mean is often better than
each (Wortsman et al. 2022, "Model soups"): two processor cores train twice as much without waiting
for each other. The record is that of the first; it names the others, with their reports.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.checkpoint import load_checkpoint, save_checkpoint
from napari_semantic_sam.model.metadata import CheckpointMetadata


def average(paths: Sequence[Path], output: Path) -> None:
    """Write the mean of several checkpoints with the same network and start.

    Raises
    ------
    UserError
        If their networks, starts or level orders differ, or they started from no checkpoint:
        networks that were not trained yet end far from each other.
    """
    legs = [load_checkpoint(path) for path in paths]
    (model, record), *others = legs
    for path, (_, other) in zip(paths, legs, strict=True):
        if other.provenance.get("start_weights") is None:
            raise UserError(
                f"{path} was not trained from a checkpoint; train once, then two runs from that."
            )
        if _origin(other) != _origin(record):
            raise UserError(
                f"{path} has another network, start or level order than {paths[0]}; average runs "
                "of one training file with different seeds, or do with the better one."
            )
    states = [each.state_dict() for each, _ in legs]
    means = {
        name: torch.stack([state[name].double() for state in states]).mean(0) for name in states[0]
    }
    model.load_state_dict(means)
    provenance = {**record.provenance, "averaged_with": [dict(o.provenance) for _, o in others]}
    save_checkpoint(output, model, replace(record, provenance=provenance))


def _origin(record: CheckpointMetadata) -> tuple[object, ...]:
    start = record.provenance.get("start_weights")
    return record.config, record.level_order, record.capabilities, start


def main() -> None:
    """Read the arguments and average."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()
    try:
        average(options.checkpoints, options.output)
    except UserError as error:
        raise SystemExit(f"Error: {error}") from error
    print(f"Written: {options.output}")


if __name__ == "__main__":
    main()
