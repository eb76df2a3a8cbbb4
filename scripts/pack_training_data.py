"""Pack the training images and the starting weights into a folder small enough to carry along.

Run from anywhere: ``python scripts/pack_training_data.py CONFIG FOLDER``. CONFIG is a training
file; FOLDER receives its images as JPEG (stacks as TIFF), their label images as TIFF, the
network that the run starts from, and ``train.yaml``, the same training file with
its paths changed. It ends with an error if that is more than 32 MB.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
import yaml
from PIL import Image

from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.io.images import read_image, read_labels, write_labels
from napari_semantic_sam.io.pairs import PairedFiles
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.training.config import SourceConfig, read_config
from napari_semantic_sam.training.run import FRESH, UNTRAINED, starting_metadata, starting_model
from napari_semantic_sam.training.sources import annotated_files

QUALITY = 65
LIMIT = 32_000_000


def main() -> None:
    """Write the pack and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    recipe = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    config = read_config(options.config)
    names: dict[tuple[str, ...], str] = {}  # what several sources share is packed once
    for entry, source in zip(recipe["data"]["sources"], config.data.sources, strict=True):
        if source.kind == "folder":
            folders = (source.images, *source.masks)
            if folders not in names:
                names[folders] = f"data{len(names)}"
                pack_source(source, options.config.parent, options.folder / names[folders])
            entry["images"] = f"{names[folders]}/images"
            entry["masks"] = [f"{names[folders]}/{part}" for part in range(len(source.masks))]
    model = starting_model(config, options.config.parent)
    metadata = starting_metadata(config, model, options.config.parent)
    untrained = {UNTRAINED: config.start in FRESH}
    metadata = replace(metadata, provenance={**metadata.provenance, **untrained})
    save_checkpoint(options.folder / "start.safetensors", model, metadata)
    recipe["start"] = "start.safetensors"
    text = yaml.safe_dump(recipe, sort_keys=False)
    (options.folder / "train.yaml").write_text(text, encoding="utf-8")
    size = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    print(f"{options.folder}: {size / 1e6:.1f} MB")
    if size > LIMIT:
        raise SystemExit(f"The pack is larger than {LIMIT / 1e6:.0f} MB.")


def pack_source(source: SourceConfig, base: Path, target: Path) -> None:
    """Pack the images of one source, and its masks in folders named by their number."""
    for part in ("images", *map(str, range(len(source.masks)))):
        (target / part).mkdir(parents=True, exist_ok=True)
    for files in annotated_files(source, base):
        pack_files(files, source, target)


def pack_files(files: PairedFiles, source: SourceConfig, target: Path) -> None:
    """Pack one image and its label images."""
    image = read_image(files.image)
    labels = {
        target / str(source.masks.index(name)): read_labels(path)
        for name, path in files.masks.items()
    }
    for folder, level in labels.items():
        write_labels(folder / f"{files.stem}.tif", level)
    if any(level.ndim == 3 for level in labels.values()):
        path = target / "images" / f"{files.stem}.tif"
        tifffile.imwrite(path, image, compression="zlib", photometric="minisblack")
        return
    pixels = normalise(image).round().astype(np.uint8)
    is_grey = (pixels == pixels[..., :1]).all()
    picture = Image.fromarray(pixels[..., 0] if is_grey else pixels)
    picture.save(target / "images" / f"{files.stem}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()
