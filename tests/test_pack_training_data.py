"""The script that packs training images and starting weights for another machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from napari_semantic_sam.training.config import read_config
from napari_semantic_sam.training.data import build_streams
from napari_semantic_sam.training.run import starting_model

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "pack_training_data.py"
CELLS = {"kind": "folder", "images": "fields", "masks": ["cells"], "zoom": [1.0, 1.0]}
PHOTOGRAPHS = {"kind": "folder", "images": "photographs", "regions": True}
VOLUMES = {"kind": "folder", "images": "volumes", "masks": ["volume_masks"], "zoom": [1.0, 1.0]}
RECIPE = {
    "name": "small",
    "start": "random",
    "data": {
        "crop": 64,
        "batch": 2,
        "sources": [CELLS, CELLS | {"regions": True}, PHOTOGRAPHS, VOLUMES, {"kind": "synthetic"}],
    },
}


@pytest.fixture
def recipe(tmp_path):
    """A training file beside its images."""
    for name in ("fields", "cells", "photographs", "volumes", "volume_masks"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        cells = np.zeros((80, 80), np.uint16)
        cells[10:50, 20:60] = 300
        picture = (60 + 100 * (cells > 0) + rng.integers(0, 9, cells.shape)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "fields" / f"{number}.tif", picture)
        tifffile.imwrite(tmp_path / "cells" / f"{number}.tif", cells)
        Image.fromarray(np.stack([picture] * 3, -1)).save(
            tmp_path / "photographs" / f"{number}.png"
        )
        tifffile.imwrite(tmp_path / "volumes" / f"{number}.tif", np.stack([picture] * 5))
        tifffile.imwrite(tmp_path / "volume_masks" / f"{number}.tif", np.stack([cells] * 5))
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def test_a_pack_holds_all_a_run_needs_and_nothing_twice(recipe, tmp_path):
    pack = tmp_path / "elsewhere" / "pack"
    command = [sys.executable, SCRIPT, recipe, pack]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in pack.iterdir() if path.is_dir()) == [
        "data0",
        "data1",
        "data2",
    ]
    config = read_config(pack / "train.yaml")
    # A network that was never trained has to learn the statistics of its features, too.
    assert starting_model(config, pack).training
    stream, _ = build_streams(config.data, 32, base=pack, seed=(0,))
    for source in stream.sources:
        record = source(np.random.default_rng(0), 64)
        assert len(record.masks)
    cells = stream.sources[0](np.random.default_rng(0), 64)
    inside, outside = cells.image[cells.masks[0]], cells.image[~cells.masks[0]]
    assert abs(float(inside.mean()) - float(outside.mean())) > 20
