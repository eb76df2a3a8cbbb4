"""Cut the small committed reference for matching and losses out of the full one.

Run from anywhere: ``python scripts/make_training_test_data.py [FOLDER OF THE FULL REFERENCE]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NAME = "train_matcher_criterion.npz"


def main() -> None:
    """Keep the case of 64 points, whose random numbers are stored beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "reference", type=Path, nargs="?", default=ROOT.parent / "shared" / "reference"
    )
    source = parser.parse_args().reference / NAME
    target = ROOT / "tests" / "data" / "reference_training" / "matcher_criterion_64.npz"
    with np.load(source) as full:
        kept = {name: full[name] for name in full.files if not name.startswith("P12544/")}
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target, **kept)
    print(f"{target}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
