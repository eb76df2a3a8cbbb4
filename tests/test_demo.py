from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_semantic_sam.io.images import read_labels
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    import demo

    return demo


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    config = PRESETS["tiny"]
    metadata = CheckpointMetadata(
        name="untrained",
        config=config,
        level_order=tuple(range(config.num_tokens)),
        capabilities=("click", "box"),
        licence="BSD-3-Clause",
    )
    path = tmp_path / "untrained.safetensors"
    save_checkpoint(path, SemanticSAM(config), metadata)
    return path


def test_without_display_it_leaves_labels_a_table_and_a_picture(demo, checkpoint, tmp_path, capsys):
    output = tmp_path / "demo"
    demo.main(["--model", str(checkpoint), "--output", str(output)])

    labels = {level: read_labels(output / f"ihc_level{level}.tif") for level in range(1, 7)}
    assert {array.shape for array in labels.values()} == {(512, 512)}
    with (output / "ihc_masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["prompt"]) for row in rows} == {1, 2, 3, 4, 5}
    for row in rows:
        area = np.count_nonzero(labels[int(row["level"])] == int(row["index"]))
        assert area == int(row["area"]) > 0

    with Image.open(output / "ihc_nested_masks.png") as picture:
        assert picture.width > picture.height > 1000
    printed = capsys.readouterr().out
    assert f"5 clicks gave {len(rows)} masks on 6 levels." in printed
    assert str(output / "ihc_nested_masks.png") in printed


def test_the_picture_shows_each_level_in_its_colour_and_says_how_many(demo):
    from demo_picture import LEVEL_COLOURS, draw_picture

    image = np.full((64, 64, 3), 200, dtype=np.uint8)
    coarse, fine = np.zeros((2, 64, 64), dtype=np.uint16)
    coarse[10:50, 10:50] = 1
    fine[20:30, 20:30] = 1
    blank = np.asarray(draw_picture(image, {1: coarse * 0, 2: fine * 0}, [(25, 25)]))
    drawn = np.asarray(draw_picture(image, {1: coarse, 2: fine}, [(25, 25)]))
    for colour in LEVEL_COLOURS[:2]:
        # The square in the caption has the colour, too; only outlines add to it.
        assert _pixels_of(drawn, colour) > _pixels_of(blank, colour) + 500


def test_a_missing_checkpoint_is_one_sentence(demo, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        demo.main(["--model", str(tmp_path / "none.safetensors"), "--output", str(tmp_path)])
    assert "none.safetensors" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def _pixels_of(picture, colour):
    return np.count_nonzero((picture == colour).all(axis=-1))
