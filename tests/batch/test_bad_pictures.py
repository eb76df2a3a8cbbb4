"""Files that cannot be used, on the command line: one sentence each, and the others go on."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_semantic_sam.io.images import read_labels
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

SIDE = 48


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A very small network with random weights."""
    torch.manual_seed(0)
    config = ModelConfig(
        TimmConfig("test_efficientnet"),
        LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
    )
    order = tuple(range(config.num_tokens))
    metadata = CheckpointMetadata("small", config, order, ("click", "box"), "CC0-1.0")
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(path, SemanticSAM(config), metadata)
    return path


@pytest.fixture
def segment(checkpoint, command_line, tmp_path):
    """Segment pictures with a click, or automatically."""

    def run(*arguments, what=("--points", "20,22")):
        options = ["--model", checkpoint, "--device", "cpu", "--output", tmp_path / "out"]
        return command_line("segment", *arguments, *what, *options)

    return run


def values(*shape, dtype=np.uint16):
    return np.random.default_rng(3).integers(0, 4000, (*shape, SIDE, SIDE)).astype(dtype)


def channels(path):
    tifffile.imwrite(path, values(37), photometric="minisblack", metadata={"axes": "CYX"})


def cut_off(path):
    tifffile.imwrite(path, values(6), photometric="minisblack", compression="zlib")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def nothing(path):
    tifffile.imwrite(path, np.full((SIDE, SIDE), np.nan, np.float32))


def write_zarr(path, levels, axes="zyx"):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for number, level in enumerate(levels):
        group.create_array(str(number), data=level, chunks=(1, *level.shape[1:]))
    datasets = [{"path": str(number)} for number in range(len(levels))]
    group.attrs["multiscales"] = [{"axes": [{"name": each} for each in axes], "datasets": datasets}]


def levels_disagree(path):
    write_zarr(path, [values(2), values(2)[:, ::2, ::4]])


def empty(path):
    write_zarr(path, [np.zeros((0, SIDE, SIDE), np.uint16)])


def torn_chunk(path):
    write_zarr(path, [values(1)])
    (path / "0" / "0.0.0").write_bytes(b"torn")


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("a.tif", channels, "a.tif has 37 channels; choose up to three of them, 0 to 36"),
        ("a.tif", cut_off, "a.tif could not be read: it is damaged, cut off"),
        ("a.tif", nothing, "a.tif has no finite value"),
        ("a.zarr", levels_disagree, "a.zarr is a pyramid whose levels disagree"),
        ("a.zarr", empty, "a.zarr is empty: it has the shape (0, 48, 48), with nothing along Z"),
        ("a.zarr", torn_chunk, "a.zarr could not be read at rows 0 to 48"),
    ],
)
@pytest.mark.parametrize("what", [("--points", "20,22"), ("--automatic", "--levels", "2")])
def test_one_sentence_and_the_others_go_on(tmp_path, segment, name, make, words, what):
    make(tmp_path / name)
    tifffile.imwrite(tmp_path / "sound.tif", values())
    outcome = segment(tmp_path / name, tmp_path / "sound.tif", what=what)
    assert outcome.code == 1
    told = outcome.err.splitlines()
    (sentence,) = [line for line in told if not line.startswith("Note: No mask was found in")]
    assert words in sentence
    assert (tmp_path / "out" / "sound_level2.tif").exists()
    assert not list((tmp_path / "out").glob("a_*"))


def test_channels_of_many_are_chosen(tmp_path, segment):
    channels(tmp_path / "a.tif")
    assert segment(tmp_path / "a.tif", "--channels", "0,36").code == 0
    assert read_labels(tmp_path / "out" / "a_level1.tif").shape == (SIDE, SIDE)


def test_borders_of_nan_do_not_disturb(tmp_path, segment):
    picture = values(dtype=np.float32)
    picture[:6] = picture[:, 40:] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", picture)
    outcome = segment(tmp_path / "a.tif")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"a\.tif: [1-6] masks", outcome.out)


def test_a_table_of_objects_is_no_picture(tmp_path, segment):
    np.save(tmp_path / "a.npy", np.array([[None] * 9] * 9), allow_pickle=True)
    outcome = segment(tmp_path / "a.npy")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "a.npy is not a TIFF, PNG or JPEG" in outcome.err
