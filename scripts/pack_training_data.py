"""Pack the training images and the starting weights into a folder small enough to carry along.

Run from anywhere: ``python scripts/pack_training_data.py CONFIG FOLDER``. CONFIG is a training
file; FOLDER receives its images as JPEG (stacks as TIFF), their label images as PNG, the
untrained network with its ImageNet backbone, and ``train.yaml``, the same training file with
its paths changed. It refuses to leave more than 32 MB.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.io.images import read_image, read_labels, write_labels
from napari_semantic_sam.io.pairs import PairedFiles, pair_files
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.training.config import read_config
from napari_semantic_sam.training.run import starting_metadata, starting_model

QUALITY = 80
LIMIT = 32_000_000


def main() -> None:
    """Write the pack and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    recipe = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    for number, source in enumerate(recipe["data"]["sources"]):
        if source["kind"] == "folder":
            pack_source(source, options.config.parent, options.folder, f"source{number}")
    config = read_config(options.config)
    model = starting_model(config, options.config.parent)
    save_checkpoint(options.folder / "start.safetensors", model, starting_metadata(config, model))
    recipe["start"] = "start.safetensors"
    text = yaml.safe_dump(recipe, sort_keys=False)
    (options.folder / "train.yaml").write_text(text, encoding="utf-8")
    size = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    print(f"{options.folder}: {size / 1e6:.1f} MB")
    if size > LIMIT:
        raise SystemExit(f"The pack is larger than {LIMIT / 1e6:.0f} MB.")


def pack_source(source: dict[str, Any], base: Path, folder: Path, name: str) -> None:
    """Pack one folder of pairs; `source` then points into the pack."""
    masks = {str(number): base / path for number, path in enumerate(source["masks"])}
    target = folder / name
    for part in ("images", *masks):
        (target / part).mkdir(parents=True, exist_ok=True)
    for pair in pair_files(base / source["images"], masks).files:
        pack_pair(pair, target)
    source["images"] = f"{name}/images"
    source["masks"] = [f"{name}/{part}" for part in masks]


def pack_pair(pair: PairedFiles, target: Path) -> None:
    """Pack one image and its label images."""
    image = read_image(pair.image)
    labels = {name: read_labels(path) for name, path in pair.masks.items()}
    if any(level.ndim == 3 for level in labels.values()):
        write_labels(target / "images" / f"{pair.stem}.tif", image)
        for name, level in labels.items():
            write_labels(target / name / f"{pair.stem}.tif", level)
        return
    pixels = normalise(image).round().astype(np.uint8)
    is_grey = (pixels == pixels[..., :1]).all()
    picture = Image.fromarray(pixels[..., 0] if is_grey else pixels)
    picture.save(target / "images" / f"{pair.stem}.jpg", quality=QUALITY)
    for name, level in labels.items():
        stored = Image.fromarray(level.astype(np.uint16))
        stored.save(target / name / f"{pair.stem}.png", optimize=True)


if __name__ == "__main__":
    main()
