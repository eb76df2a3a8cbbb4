"""Pictures per second of the synthetic generator, per scene and over the mixture (one core)."""

from __future__ import annotations

import argparse
import time

import numpy as np

from napari_semantic_sam.training.synthetic import SCENES, generate


def rate(scene: str | None, size: int, pictures: int) -> tuple[float, float]:
    """Pictures per second of processor time and mean number of masks."""
    masks = 0
    start = time.process_time()
    for seed in range(pictures):
        masks += len(generate(np.random.default_rng(seed), size, scene=scene).levels)
    return pictures / (time.process_time() - start), masks / pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=40, help="per scene")
    options = parser.parse_args()
    for scene in (*SCENES, None):
        speed, masks = rate(scene, options.size, options.pictures)
        print(f"{scene or 'mixture':12s} {speed:6.1f} pictures/s  {masks:6.1f} masks")


if __name__ == "__main__":
    main()
