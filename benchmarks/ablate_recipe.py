"""What each part of the training recipe is worth: short runs with one part taken away.

``python benchmarks/ablate_recipe.py configs/tiny-cpu.yaml DEV --output
benchmarks/results/ablation.json``; DEV holds the sets of `measure_accuracy`. Every run starts as
the recipe does and sees the same number of images, so that the speed of the machine does not
matter; so short a run warms up in a few steps. Finished runs are kept in ``--runs`` and not
repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from _report import write_report
from measure_accuracy import SETS, measure
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.model.loading import describe
from napari_semantic_sam.training.config import SourceConfig, TrainConfig, read_config
from napari_semantic_sam.training.run import train

WARMUP_STEPS = 20

SHOWN = {
    "dsb2018": {"oracle_iou": "dsb2018 Oracle", "max_iou": "dsb2018 Max"},
    "usiigaci_phase": {"oracle_iou": "usiigaci Oracle", "max_iou": "usiigaci Max"},
    "wbc_blood": {"granularity_iou": "wbc granularity"},
    "em_vnc": {"granularity_iou": "em granularity"},
    "bsds500": {"granularity_iou": "bsds granularity"},
    "coco_panoptic": {"oracle_iou": "coco Oracle", "max_iou": "coco Max"},
}


def without(drop: Callable[[SourceConfig], bool]) -> Callable[[TrainConfig], TrainConfig]:
    """Leave out the sources for which `drop` is true."""

    def change(config: TrainConfig) -> TrainConfig:
        kept = tuple(source for source in config.data.sources if not drop(source))
        return replace(config, data=replace(config.data, sources=kept))

    return change


def with_groups(config: TrainConfig) -> TrainConfig:
    """Add groups of close objects where all objects of an image are alike."""
    sources = tuple(
        replace(source, groups="dsb2018" in source.images or "usiigaci" in source.images)
        for source in config.data.sources
    )
    return replace(config, data=replace(config.data, sources=sources))


VARIANTS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "the recipe": lambda config: config,
    "no wide views": lambda config: replace(config, data=replace(config.data, wide_share=0.0)),
    "no region hierarchies": without(lambda source: source.regions),
    "no generated images": without(lambda source: source.kind == "synthetic"),
    "generated images only": without(lambda source: source.kind != "synthetic"),
    "only the best token learns": lambda config: replace(
        config, loss=replace(config.loss, spare=0.0)
    ),
    "no ranking term": lambda config: replace(config, loss=replace(config.loss, rank=0.0)),
    "groups of objects added": with_groups,
    "no ImageNet weights": lambda config: replace(config, start="random"),
}


def main() -> None:
    """Train and measure every variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--max-objects", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = [row(name, options) for name in options.variants]
    settings = {
        "config": options.config.name,
        "images": options.images,
        "objects per image": options.max_objects,
        "seed": read_config(options.config).seed,
    }
    write_report(options.output, "What each part of the recipe is worth", rows, settings)


def row(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train one variant, unless that has been done, and measure it."""
    output = options.runs / name.replace(" ", "-")
    base = read_config(options.config)
    checkpoint = output / f"{base.name}.safetensors"
    optimiser = replace(base.optimiser, warmup_steps=WARMUP_STEPS)
    short = replace(base, images=options.images, optimiser=optimiser)
    variant = VARIANTS[name](short)
    if not _is_done(checkpoint, variant):
        shutil.rmtree(output, ignore_errors=True)
        train(variant, options.config.parent, output=output)
    predictor = Predictor(load_model(checkpoint))
    seen = describe(checkpoint).provenance["report"]["images"]
    values: dict[str, Any] = {"variant": name, "images": seen}
    for set_name, columns in SHOWN.items():
        summary = _measured(predictor, options, set_name)
        values |= {shown: round(summary[key], 3) for key, shown in columns.items()}
    return values


def _is_done(checkpoint: Path, variant: TrainConfig) -> bool:
    """Whether a checkpoint is of this variant, trained to its end."""
    if not checkpoint.exists():
        return False
    provenance = describe(checkpoint).provenance
    was, wanted = (json.dumps(each) for each in (provenance["recipe"], asdict(variant)))
    return was == wanted and provenance["report"]["images"] >= variant.images


def _measured(predictor: Predictor, options: argparse.Namespace, name: str) -> Mapping[str, float]:
    masks, protocols = SETS[name]
    needed = tuple(each for each in protocols if each != "box")
    return measure(
        predictor, options.folder / name, masks, needed, seed=0, max_objects=options.max_objects
    )


if __name__ == "__main__":
    main()
