"""Accuracy of a checkpoint on every development set, one table.

``python benchmarks/measure_accuracy.py FOLDER --output benchmarks/results/accuracy.json``;
FOLDER holds one folder per set, each with ``images`` and ``masks``. Sets that are not there
are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _report import write_report
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.evaluation import evaluate

SETS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "dsb2018": ({"nucleus": "masks"}, ("one-click", "box")),
    "usiigaci_phase": ({"cell": "masks"}, ("one-click", "box")),
    "wbc_blood": ({"cell": "masks", "nucleus": "masks_nucleus"}, ("one-click", "granularity")),
    "em_vnc": (
        {"neurite": "masks", "mitochondrion": "masks_mito", "synapse": "masks_synapse"},
        ("one-click", "granularity"),
    ),
    "bsds500": ({"region": "masks"}, ("granularity",)),
    "coco_panoptic": ({"segment": "masks"}, ("one-click", "box")),
}
"""Set → masks folders by name, and the protocols that say something about it."""

COLUMNS = {
    "oracle_iou": "Oracle",
    "max_iou": "Max",
    "share_over_50": "over 0.50",
    "share_over_75": "over 0.75",
    "box_iou": "box",
    "granularity_iou": "granularity",
    "granularity_oracle_iou": "granularity, shared",
}


def main() -> None:
    """Run every protocol of every set and write one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model))
    rows: list[dict[str, Any]] = []
    for name, (masks, protocols) in SETS.items():
        if (options.folder / name).exists():
            summary = measure(predictor, options.folder / name, masks, protocols, options.seed)
            rows += table_rows(name, summary, list(masks))
    settings = {
        "model": options.model,
        "checkpoint": predictor.model.checkpoint_hash,
        "seed": options.seed,
    }
    write_report(options.output, "Accuracy on the development sets", rows, settings)


def measure(
    predictor: Predictor,
    folder: Path,
    masks: Mapping[str, str],
    protocols: tuple[str, ...],
    seed: int,
    max_objects: int | None = None,
) -> dict[str, float]:
    """Return the summaries of all protocols of a set as one, of so many objects of an image."""
    summary: dict[str, float] = {}
    for protocol in protocols:
        folders = {name: folder / path for name, path in masks.items()}
        report = evaluate(
            predictor, folder / "images", folders, protocol, seed=seed, max_objects=max_objects
        )
        if report.skipped:
            left_out = ", ".join(str(entry["image"]) for entry in report.skipped)
            raise SystemExit(f"Left out of {folder}: {left_out}; a set is measured whole.")
        # The share over a threshold is the one of clicks, which come first.
        summary = {**report.summary, **summary}
    return summary


def table_rows(name: str, summary: Mapping[str, float], masks: list[str]) -> list[dict[str, Any]]:
    """One row per kind of object; granularity is a property of the set as a whole."""
    rows = []
    for number, kind in enumerate(masks):
        row: dict[str, Any] = {"set": name, "objects": kind}
        row["n"] = summary.get(f"{kind}/n_objects", summary["n_objects"])
        for key, column in COLUMNS.items():
            whole = key.startswith("granularity")
            value = summary.get(key if whole else f"{kind}/{key}")
            shown = value is not None and not (whole and number)
            row[column] = round(value, 3) if shown and value is not None else "–"
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
