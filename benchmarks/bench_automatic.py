"""Time and memory to segment everything in a picture, and agreement with the exact path.

    python benchmarks/bench_automatic.py FOLDER --output benchmarks/results/automatic.json

FOLDER is the set of reference tensors. Swin-T has the weights that the published
implementation was measured with, on the same picture of 640 × 640 pixels, with the same
thresholds and 6 levels; once more with products in bfloat16, which is left to the caller
(`torch.autocast`). Every case runs in a process of its own, so that the peak of memory is
its own; cases take turns, and the quickest round counts. The time of the processor is given
beside that of the clock: it hardly depends on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from _report import write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from published_reference import synthetic_model, synthetic_weights

from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.inference.automatic import (
    AutomaticSettings,
    Thresholds,
    automatic_masks,
    exact_masks,
)
from napari_semantic_sam.inference.automatic.agreement import agreement
from napari_semantic_sam.inference.automatic.suited import suited_settings
from napari_semantic_sam.model.config import PUBLISHED_LEVEL_ORDER

PUBLISHED = AutomaticSettings(
    tuple(range(1, 7)), Thresholds(0.8, 0.6), points_per_side=32, across_levels=True
)
"""As in the published implementation's measurement."""
CASES = (
    *(f"{name}/adaptive/{side}" for name in ("swin-t", "tiny") for side in (640, 1280)),
    "swin-t/regular/640",
    "swin-t/regular-bfloat16/640",
    "swin-t/exact/640",
)
PICTURE = Path("inputs") / "astronaut_640x640.png"


def picture(folder: Path, side: int) -> np.ndarray:
    """Return the picture, or the same picture again and again, ``(side, side, 3)``."""
    pixels = np.asarray(Image.open(folder / PICTURE).convert("RGB"))
    repeats = -(-side // pixels.shape[0])
    return np.tile(pixels, (repeats, repeats, 1))[:side, :side]


def swin_t() -> Predictor:
    """Return the network with the weights of the reference."""
    model = synthetic_model("swin-t", synthetic_weights("swin-t"))
    model.level_order = PUBLISHED_LEVEL_ORDER
    return Predictor(model)


def measure(case: str, folder: Path) -> dict[str, Any]:
    """Run one case in this process."""
    name, way, side = case.split("/")
    predictor = swin_t() if name == "swin-t" else Predictor(load_model(name, "cpu"))
    settings = PUBLISHED if name == "swin-t" else suited_settings(predictor)
    if way == "adaptive":
        settings = replace(settings, points_per_side=None)
    pixels = picture(folder, int(side))
    start, busy = time.perf_counter(), time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=way.endswith("bfloat16")):
        embedding = predictor.embed(pixels, scale=1.0)
        embedded, busy_embedding = time.perf_counter(), time.process_time()
        find = exact_masks if way == "exact" else automatic_masks
        masks = find(predictor, embedding, settings)
    done, all_busy = time.perf_counter(), time.process_time()
    return {
        "model": name,
        "way": way,
        "picture": f"{side} × {side}",
        "embed s": embedded - start,
        "all s": done - start,
        "embed CPU s": busy_embedding - busy,
        "all CPU s": all_busy - busy,
        "masks": len(masks),
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def apart(case: str, folder: Path) -> dict[str, Any]:
    """Run one case in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--case", case]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def agreements(folder: Path) -> dict[str, float]:
    """Compare with the exact path, points asked alone and jointly."""
    predictor = swin_t()
    embedding = predictor.embed(picture(folder, 640), scale=1.0)
    quick = automatic_masks(predictor, embedding, PUBLISHED)
    found = {
        f"the exact path with points asked {how}": agreement(
            quick, exact_masks(predictor, embedding, PUBLISHED, joint=how == "jointly")
        )
        for how in ("alone", "jointly")
    }
    with torch.autocast("cpu", torch.bfloat16):
        low = predictor.embed(picture(folder, 640), scale=1.0)
        found["bfloat16"] = agreement(quick, automatic_masks(predictor, low, PUBLISHED))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/automatic.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", default=CASES, help="MODEL/WAY/SIDE")
    parser.add_argument("--case", help="MODEL/WAY/SIDE: measure this one and print it as JSON")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options.case, options.reference)))
        return
    rounds = range(options.rounds)
    found = [[apart(case, options.reference) for case in options.cases] for _ in rounds]
    best = [min(rows, key=lambda row: row["all CPU s"]) for rows in zip(*found, strict=True)]
    shares = agreements(options.reference)
    theirs = json.loads((options.reference / "timings.json").read_text())
    published = theirs["swinT_auto_mask_generation"]
    write_report(
        options.output,
        "Time and memory to segment everything in a picture",
        best,
        {"rounds": options.rounds, "torch threads": torch.get_num_threads(), "device": "cpu"},
        [
            f"The published implementation took {published['auto_total_s']} s and "
            f"{published['peak_rss_GiB']} GiB for the picture of 640 × 640 pixels with 32 × 32 "
            "points (on its own machine, see the reference).",
            "Masks that the regular grid has in common: "
            + ", ".join(f"{share:.3f} with {other}" for other, share in shares.items())
            + ".",
        ],
    )


if __name__ == "__main__":
    main()
