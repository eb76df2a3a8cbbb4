"""Cut the small committed reference for network and losses out of the full one.

Run from anywhere: ``python scripts/make_reference_test_data.py FOLDER``, the full reference.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests" / "data" / "reference"

CASES = (
    "T_250x333_isolated",
    "T_256x320_boxes_isolated",
    "T_256x320_mixed_batch",
    "L_250x333_batch",
)
KEPT = (
    *("image", "prompts", "pb", "pred_ious", "pred_boxes", "aux_pred_ious", "aux_pred_boxes"),
    *("res2_sample", "res5_sample", "mask_features_sample", "enc_layers_sample", "dec_refs"),
    *("ms0_sample", "ms1_sample", "ms2_sample", "ms3_sample"),
)
MASK_STRIDE = 4


def main() -> None:
    """Write the cases with fewer pixels and fewer intermediate results, and the key lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path, help="folder of the full reference")
    reference = parser.parse_args().reference
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        thin_case(reference / f"{name}.npz", TARGET / f"{name}.npz")
    for size in "tl":
        write_keys(reference, f"swin{size}")
    thin_training_case(reference / "train_matcher_criterion.npz")
    for path in sorted(TARGET.iterdir()):
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def thin_case(source: Path, target: Path) -> None:
    """Keep what the tests look at, and every fourth row and column of the masks."""
    with np.load(source) as full:
        kept = {name: full[name] for name in KEPT}
        strides = json.loads(str(full["strides"])) | {"lowres": MASK_STRIDE}
        masks = full["pred_masks_lowres"][..., ::MASK_STRIDE, ::MASK_STRIDE]
    np.savez_compressed(target, pred_masks_lowres=masks, strides=json.dumps(strides), **kept)


def thin_training_case(source: Path) -> None:
    """Keep the case of 64 points, whose random numbers are stored beside it."""
    with np.load(source) as full:
        kept = {name: full[name] for name in full.files if not name.startswith("P12544/")}
    np.savez_compressed(TARGET / "matcher_criterion_64.npz", **kept)


def write_keys(reference: Path, name: str) -> None:
    """Write shape and fingerprint of every tensor of a published checkpoint."""
    shapes = json.loads((reference / f"state_dict_{name}.json").read_text())
    fingerprints = json.loads((reference / f"weights_sha256_{name}.json").read_text())
    keys = {key: [entry["shape"], fingerprints[key]] for key, entry in shapes.items()}
    packed = gzip.compress(json.dumps(keys).encode(), mtime=0)
    (TARGET / f"keys_{name}.json.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
