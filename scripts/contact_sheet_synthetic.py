"""Write a PNG with many synthetic pictures, bare and with the outlines of each level."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_semantic_sam.training.synthetic import SCENES, SyntheticImage, generate

if TYPE_CHECKING:
    from numpy.typing import NDArray

# coarse to fine
_COLOURS = ((255, 220, 0), (0, 255, 80), (255, 60, 255), (0, 220, 255))


def outlined(sample: SyntheticImage) -> NDArray[np.uint8]:
    """The picture with each mask's inner border, one colour per level."""
    image = sample.image.copy()
    order = list(dict.fromkeys(sample.levels))
    for mask, level in zip(sample.masks, sample.levels, strict=True):
        core = mask.copy()
        core[1:-1, 1:-1] &= mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        core[[0, -1]] = core[:, [0, -1]] = False
        image[mask & ~core] = _COLOURS[order.index(level)]
    return image


def sheet(
    scene: str | None, rows: int, columns: int, size: int, seed: int, bare: bool
) -> NDArray[np.uint8]:
    """A grid of samples; each is shown bare beside itself with outlines, or only bare."""
    lines = []
    for row in range(rows):
        tiles = []
        for column in range(columns):
            rng = np.random.default_rng([seed, row, column])
            sample = generate(rng, size, scene=scene)
            tiles += [sample.image] if bare else [sample.image, outlined(sample)]
        lines.append(np.concatenate([np.pad(t, ((0, 3), (0, 3), (0, 0))) for t in tiles], 1))
    return np.concatenate(lines)


def main() -> None:
    """Read the options and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--scene", choices=sorted(SCENES))
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bare", action="store_true", help="without outlines")
    o = parser.parse_args()
    Image.fromarray(sheet(o.scene, o.rows, o.columns, o.size, o.seed, o.bare)).save(o.output)


if __name__ == "__main__":
    main()
