from __future__ import annotations

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch

import napari_semantic_sam
from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.io.images import read_labels
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A very small network with random weights."""
    torch.manual_seed(0)
    config = ModelConfig(
        TimmConfig("test_efficientnet"),
        LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
    )
    metadata = CheckpointMetadata("small", config, tuple(range(6)), ("click", "box"), "CC0-1.0")
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(path, SemanticSAM(config), metadata)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two pictures of 64 × 48 pixels with label images, and a text file among them."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    labels = np.zeros((64, 48), np.uint16)
    labels[10:30, 12:32], labels[40:55, 20:40] = 1, 2
    for stem in ("a", "b"):
        picture = (labels > 0) * 120 + rng.integers(0, 60, labels.shape)
        PIL.Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "images" / f"{stem}.png")
        tifffile.imwrite(tmp_path / "masks" / f"{stem}.tif", labels)
    (tmp_path / "images" / "c.tif").write_text("not a picture")
    (tmp_path / "masks" / "c.tif").write_text("not a picture")
    return tmp_path


def test_help_names_the_commands(command_line):
    code, out, _ = command_line("--help")
    assert code == 0
    assert all(command in out for command in ("segment", "models", "evaluate", "train"))


def test_version(command_line):
    assert command_line("--version").out.strip() == napari_semantic_sam.__version__


def test_the_package_can_be_run_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["napari_semantic_sam", "--version"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("napari_semantic_sam", run_name="__main__")
    assert not end.value.code
    assert capsys.readouterr().out.strip() == napari_semantic_sam.__version__


def test_segment_writes_levels_and_tables(command_line, checkpoint, folder):
    pictures = [folder / "images" / name for name in ("a.png", "b.png")]
    code, out, err = command_line(
        "segment", *pictures, "--points", "20,22", "--points", "47,30", "--boxes", "10,12,30,32",
        "--model", checkpoint, "--device", "cpu", "--output", folder / "out",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2
    for stem in ("a", "b"):
        assert f"{stem}.png: " in out
        levels = [read_labels(folder / "out" / f"{stem}_level{k}.tif") for k in range(1, 7)]
        assert {level.shape for level in levels} == {(64, 48)}
        with (folder / "out" / f"{stem}_masks.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) > 0
        assert len(rows) == sum(len(np.unique(level)) - 1 for level in levels)
        assert {row["prompt"] for row in rows} >= {"1", "2"}


@pytest.mark.parametrize(
    "how", [["--points", "20,22"], ["--boxes", "10,12,30,32"], ["--automatic"]]
)
def test_segment_sees_objects_as_large_as_one_says(
    command_line, checkpoint, folder, how, monkeypatch
):
    scales, embed = [], Predictor.embed_plane

    def noting(predictor, plane, **options):
        embedding = embed(predictor, plane, **options)
        scales.append(embedding.scale)
        return embedding

    monkeypatch.setattr(Predictor, "embed_plane", noting)
    wishes = {
        "pixels": (["--object-size", "128"], "about 128 pixels across: the model sees it 2 times"),
        "um": (["--object-size", "16um", "--pixel-size", "0.5"], "about 16 µm (32 pixels) across"),
        "scale": (["--scale", "0.75"], "You chose"),
    }
    for name, (wish, note) in wishes.items():
        code, _, err = command_line(
            "segment", folder / "images" / "a.png", *how, *wish,
            "--model", checkpoint, "--device", "cpu", "--output", folder / name,
        )  # fmt: skip
        assert code == 0
        assert err.startswith("Note: ")
        assert note in err
        assert read_labels(folder / name / "a_level1.tif").shape == (64, 48)
    assert scales == [0.5, 2.0, 0.75]


def test_segment_goes_on_after_a_bad_file(command_line, checkpoint, folder):
    pictures = [folder / "images" / name for name in ("c.tif", "a.png")]
    code, out, err = command_line(
        "segment", *pictures, "--points", "20,22",
        "--model", checkpoint, "--device", "cpu", "--output", folder / "out",
    )  # fmt: skip
    assert code == 1
    assert err.startswith("Error: ")
    assert "c.tif" in err
    assert err.count("\n") == 1
    assert "a.png" in out
    assert not list((folder / "out").glob("c*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--points", "20"], '--points "20" cannot be read; write numbers as "y,x;y,x".'),
        (["--points", "20,here"], '--points "20,here" cannot be read'),
        (["--boxes", "1,2,3"], 'write numbers as "y0,x0,y1,x1;y0,x0,y1,x1".'),
        (["--points", "2,2", "--channels", "red"], '--channels "red" cannot be read'),
        (["--points", "2,2", "--channels", "7"], "a.png"),
        ([], "at least one click or box"),
        (["--points", "64,2"], "lies outside the picture"),
        (["--boxes", "5,5,5,9"], "covers no area"),
        (["--points", "2,2", "--object-size", "big"], '--object-size "big" cannot be read'),
        (["--points", "2,2", "--object-size", "9um"], "the size of a pixel is not known"),
        (["--points", "2,2", "--object-size", "9", "--scale", "1"], "leave out --scale"),
        (["--points", "2,2", "--device", "abacus"], "no device 'abacus'"),
        (["--points", "2,2", "--model", "nothing"], "no checkpoint 'nothing'"),
    ],
)
def test_segment_says_what_is_wrong_in_one_line(command_line, checkpoint, folder, options, message):
    code, out, err = command_line(
        "segment", folder / "images" / "a.png", "--output", folder / "out",
        *([] if "--model" in options else ["--model", checkpoint]), *options,
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not list(folder.glob("out/*"))


@pytest.mark.parametrize("protocol", ["one-click", "box", "granularity", "interactive"])
def test_evaluate_writes_a_report(command_line, checkpoint, folder, protocol):
    output = folder / "new" / "report.json"
    code, out, err = command_line(
        "evaluate", "--images", folder / "images", "--masks", folder / "masks",
        "--protocol", protocol, "--model", checkpoint, "--device", "cpu",
        "--output", output, "--seed", 5,
    )  # fmt: skip
    assert code == 1
    assert "Left out c: " in err
    assert err.splitlines()[-1].startswith("Error: 1 of the pictures")
    report = json.loads(output.read_text())
    expected = {
        "one-click": {"oracle_iou", "max_iou", "random_oracle_iou", "random_max_iou"},
        "box": {"box_iou", "box_max_iou"},
        "granularity": {"granularity_iou", "granularity_oracle_iou", "targets_per_click"},
        "interactive": {"noc_80", "noc_90", "reached_80", "reached_90", "iou_after_5"},
    }[protocol]
    assert expected | {"n_objects", "seconds_embed", "seconds_click"} <= set(report["summary"])
    assert report["summary"]["n_objects"] == 4
    assert [row["image"] for row in report["images"]] == ["a", "b"]
    assert report["provenance"]["model"] == str(checkpoint)
    assert report["provenance"]["seed"] == 5
    assert len(report["provenance"]["checkpoint"]) >= 16
    assert all(name in out for name in expected)
    assert output.with_suffix(".md").is_file()


def test_evaluate_with_named_and_unnamed_folders(command_line, checkpoint, folder):
    output = folder / "report.json"
    (folder / "images" / "c.tif").unlink()
    (folder / "masks" / "c.tif").unlink()
    code, _, err = command_line(
        "evaluate", "--images", folder / "images", "--masks", f"cell={folder / 'masks'}",
        "--masks", folder / "masks", "--model", checkpoint, "--device", "cpu",
        "--output", output, "--max-objects", 3,
    )  # fmt: skip
    summary = json.loads(output.read_text())["summary"]
    assert (code, err) == (0, "")
    assert summary["n_objects"] == 6
    assert summary["cell/n_objects"] + summary["masks/n_objects"] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "report.md"], "ending in .json"),
        (["--output", "r.json", "--protocol", "nine-clicks"], "no protocol called 'nine-clicks'"),
        (["--output", "r.json", "--masks", "nowhere"], "nowhere is not a folder"),
        (["--output", "r.json", "--masks", "masks"], 'Two folders of masks are called "masks"'),
        (["--output", "r.json", "--axis", "T"], "An axis belongs to the protocol linking"),
        (
            ["--output", "r.json", "--protocol", "automatic", "--max-objects", "3"],
            "automatic measures all objects",
        ),
    ],
)
def test_evaluate_says_what_is_wrong_in_one_line_before_it_loads_a_model(
    command_line, folder, monkeypatch, options, message
):
    monkeypatch.chdir(folder)
    code, out, err = command_line(
        "evaluate", "--images", "images", "--masks", "masks", "--model", "none.pt", *options
    )
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert message in err
    assert err.count("\n") == 1


def test_train_without_a_file_is_one_line(command_line, tmp_path):
    code, _, err = command_line("train", "--config", tmp_path / "missing.yaml")
    assert code == 1
    assert err.startswith("Error: ")
    assert "missing.yaml" in err


def test_a_defect_keeps_its_traceback(command_line, checkpoint, folder, monkeypatch):
    def defect(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("a defect of this package")

    monkeypatch.setattr("napari_semantic_sam.evaluation.run.pair_files", defect)
    with pytest.raises(ZeroDivisionError):
        command_line(
            "evaluate", "--images", folder / "images", "--masks", folder / "masks",
            "--model", checkpoint, "--output", folder / "r.json",
        )  # fmt: skip
