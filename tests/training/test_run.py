from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.loading import describe
from napari_semantic_sam.training.config import OptimiserConfig, read_config, with_changes
from napari_semantic_sam.training.data import PromptedImages
from napari_semantic_sam.training.run import STATE_FILE, train

RECIPE = {
    "name": "small",
    "start": "random",
    "minutes": 0.08,
    "harvest_minutes": 0.03,
    "licence": "BSD-3-Clause",
    "data": {
        "crop": 64,
        "batch": 2,
        "clicks": 3,
        "boxes": 1,
        "workers": 0,
        "sources": [{"kind": "synthetic"}],
    },
    "optimiser": {"clip": 1.0, "warmup_steps": 1},
    "loss": {"point_policy": "prompt", "points": 64, "score_target": "all_iou", "rank": 0.1},
}


def recipe(folder, **changes):
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(RECIPE | changes))
    return read_config(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = recipe(folder)
    checkpoint = train(config, ".", output=folder / "out", max_minutes=0.05)
    return config, checkpoint


def test_a_run_leaves_a_checkpoint_that_segments(trained):
    _, checkpoint = trained
    predictor = Predictor(load_model(checkpoint, device="cpu"))
    image = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    (result,) = predictor.predict(predictor.embed(image), points=[(30, 30)])
    assert len(result.candidates) == 6


def test_the_checkpoint_says_how_it_came_about(trained):
    _, checkpoint = trained
    metadata = describe(checkpoint)
    assert sorted(metadata.level_order) == list(range(6))
    assert metadata.provenance["seed"] == 0
    assert metadata.provenance["recipe"]["data"]["sources"][0]["kind"] == "synthetic"
    report = json.loads((checkpoint.parent / "report.json").read_text())
    assert report["images"] >= 2
    assert 0 <= report["held_out"]["click_oracle_iou"] <= 1


def test_scores_are_trained_alone(trained, tmp_path):
    config, checkpoint = trained
    alone = with_changes(config, part="scores", start=str(checkpoint), minutes=0.05)
    later = load_file(train(alone, ".", output=tmp_path))
    earlier = load_file(checkpoint)
    moved = {key for key, value in earlier.items() if not torch.equal(value, later[key])}
    assert moved
    assert all(".score_head." in key for key in moved)


def test_a_run_is_not_written_over(trained, tmp_path):
    config, checkpoint = trained
    before = checkpoint.read_bytes()
    with pytest.raises(UserError, match=r"holds a run already .*--resume.*--output"):
        train(config, ".", output=checkpoint.parent)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"part": "scores"}, "part all, not scores"),
        ({"start": "tiny"}, "start random, not tiny"),
        ({"minutes": 5.0}, r"minutes 0\.08, not 5\.0"),
        ({"optimiser": OptimiserConfig(clip=2.0, warmup_steps=1)}, r"optimiser\.clip 1\.0, not 2"),
    ],
)
def test_a_run_goes_on_as_it_began(trained, other, said):
    config, checkpoint = trained
    with pytest.raises(UserError, match=f"begun with {said}"):
        train(replace(config, **other), ".", output=checkpoint.parent, resume=True)


def test_how_often_a_run_is_harvested_may_change(trained, tmp_path):
    config, checkpoint = trained
    folder = shutil.copytree(checkpoint.parent, tmp_path / "run")
    train(replace(config, harvest_minutes=9.0), ".", output=folder, resume=True, max_minutes=0)


def test_what_suits_automatic_segmentation_is_taken_over(tmp_path):
    config = replace(recipe(tmp_path), start="tiny", images=2)
    ours, theirs = describe(train(config, ".", output=tmp_path / "out")), describe("tiny")
    ours_level, theirs_level = (int(each.automatic["level"]) for each in (ours, theirs))
    assert ours.level_order[ours_level - 1] == theirs.level_order[theirs_level - 1]
    assert {**ours.automatic, "level": 1} == {**theirs.automatic, "level": 1}


def test_counters_are_not_averaged(tmp_path):
    # 46 × 0.1 + 46 × 0.9 is less than 46, and a count of 45 after rounding towards zero.
    plain = replace(recipe(tmp_path), images=92)
    whole = replace(plain, data=replace(plain.data, wide_share=0.0))
    first = train(whole, ".", output=tmp_path / "first")
    alone = with_changes(replace(whole, images=8), part="scores", start=str(first))
    counters = [
        {key: int(value) for key, value in load_file(path).items() if value.dtype == torch.int64}
        for path in (first, train(alone, ".", output=tmp_path / "second"))
    ]
    assert counters[0] == counters[1]
    assert set(counters[0].values()) == {46}


def test_a_change_that_is_none_is_refused(trained):
    config, _ = trained
    assert with_changes(config, start=None, part=None) == config
    with pytest.raises(UserError, match="'boxes' is none of"):
        with_changes(config, part="boxes")


def test_a_run_goes_on_where_it_stopped(trained):
    config, checkpoint = trained
    before = torch.load(checkpoint.parent / STATE_FILE, weights_only=True)
    train(config, ".", output=checkpoint.parent, resume=True)
    after = torch.load(checkpoint.parent / STATE_FILE, weights_only=True)
    assert after["spent"]["images"] > before["spent"]["images"]
    assert after["global_step"] > before["global_step"]
    assert after["spent"]["seconds"] >= 0.08 * 60


def test_a_run_of_a_number_of_images_ends_with_them_and_can_be_repeated(tmp_path):
    config = recipe(tmp_path, images=6, minutes=60.0)
    first, second = (train(config, ".", output=tmp_path / name) for name in ("a", "b"))
    assert describe(first).provenance["report"]["images"] == 6
    weights = load_file(first)
    assert all(torch.equal(weights[key], value) for key, value in load_file(second).items())


def test_a_run_in_mixed_precision_leaves_a_checkpoint_that_segments(tmp_path):
    checkpoint = train(
        recipe(tmp_path, images=6, precision="bf16-mixed"), ".", output=tmp_path / "out"
    )
    predictor = Predictor(load_model(checkpoint, device="cpu"))
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    (result,) = predictor.predict(predictor.embed(picture), points=[(30, 30)])
    assert np.isfinite([each.predicted_iou for each in result.candidates]).all()


def test_the_averaged_weights_of_a_short_run_are_not_those_it_began_with(trained, tmp_path):
    config, checkpoint = trained
    slow = replace(config.optimiser, ema=0.9999, rate=1e-3)
    again = replace(config, start=str(checkpoint), images=30, optimiser=slow)
    kept = load_file(train(again, ".", output=tmp_path))
    began = load_file(checkpoint)
    last = torch.load(tmp_path / STATE_FILE, weights_only=True)["current_model_state"]

    def distance(to):
        return sum(float((kept[key].float() - to(key).float()).square().sum()) for key in kept)

    assert distance(lambda key: last[f"model.{key}"]) < distance(began.__getitem__)


def test_there_must_be_something_to_resume(trained, tmp_path):
    with pytest.raises(UserError, match=STATE_FILE):
        train(trained[0], ".", output=tmp_path / "fresh", resume=True)


def test_a_damaged_state_is_named(trained, tmp_path):
    (tmp_path / STATE_FILE).write_bytes(b"half a file")
    with pytest.raises(UserError, match=rf"{STATE_FILE} is damaged"):
        train(trained[0], ".", output=tmp_path, resume=True)


def test_a_file_cannot_be_the_folder_of_a_run(trained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file could not be made"):
        train(trained[0], ".", output=tmp_path / "file")


def test_no_time_at_all_is_one_step(trained, tmp_path):
    config, _ = trained
    checkpoint = train(config, ".", output=tmp_path, max_minutes=0)
    assert describe(checkpoint).provenance["report"]["images"] == config.data.batch


def test_clicks_alone_can_be_taught(tmp_path):
    config = recipe(tmp_path, images=4, minutes=60.0)
    clicks = replace(config, data=replace(config.data, boxes=0))
    checkpoint = train(clicks, ".", output=tmp_path / "out")
    held_out = json.loads((checkpoint.parent / "report.json").read_text())["held_out"]
    assert set(held_out) == {"score_error", "click_oracle_iou", "click_max_iou"}
    assert describe(checkpoint).capabilities == ("click",)


@pytest.mark.parametrize(("boxes", "untested"), [(1, ()), (0, ("box",))])
def test_what_is_not_taught_stays_as_it_was_at_the_start(trained, tmp_path, boxes, untested):
    start = tmp_path / "start.safetensors"
    record = replace(describe(trained[1]), experimental=("box",))
    save_checkpoint(start, load_model(trained[1]), record)
    config = replace(trained[0], start=str(start), images=2)
    config = replace(config, data=replace(config.data, boxes=boxes))
    after = describe(train(config, ".", output=tmp_path / "out"))
    assert after.capabilities == ("click", "box")
    assert after.experimental == untested


def test_without_the_trainer_the_way_to_get_it_is_said(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    with pytest.raises(UserError, match=r"napari-semantic-sam\[train\]"):
        train(trained[0], ".")


def test_an_unknown_preset_is_named(tmp_path):
    config = recipe(tmp_path, preset="huge")
    with pytest.raises(UserError, match="huge"):
        train(config, ".", output=tmp_path / "out")


def test_a_second_leg_starts_from_the_weights_of_the_first(trained, tmp_path):
    config, checkpoint = trained
    again = replace(config, start=str(checkpoint))
    second = train(again, ".", output=tmp_path, max_minutes=0.04)
    provenance = describe(second).provenance
    assert provenance["recipe"]["start"] == str(checkpoint)
    assert provenance["start_weights"] == load_model(checkpoint, device="cpu").checkpoint_hash
    assert describe(checkpoint).provenance["start_weights"] is None


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are Unix's")
def test_a_full_disk_is_said_and_what_was_written_before_stays(trained, capfd):
    import resource

    config, checkpoint = trained
    folder = checkpoint.parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"disk is full.*small\.safetensors"):
            train(config, ".", output=folder, max_minutes=0.04, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert f"{STATE_FILE} could not be written" in capfd.readouterr().err


def test_what_a_worker_finds_wrong_is_one_sentence(tmp_path, monkeypatch):
    dots = np.zeros((90, 110), np.uint8)
    dots[::9, ::11] = np.arange(1, 101).reshape(10, 10)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(dots).save(tmp_path / name / "a.png")
    sources = [{"kind": "folder", "images": "images", "masks": ["masks"], "zoom": [1, 1]}]
    data = RECIPE["data"] | {"sources": sources, "workers": 1}
    monkeypatch.setattr(PromptedImages, "check", lambda stream: None)  # as if it had been lucky
    with pytest.raises(UserError) as error:
        train(recipe(tmp_path, data=data), tmp_path, output=tmp_path / "out", max_minutes=0.05)
    assert "show no object of at least" in str(error.value)
    assert "\n" not in str(error.value)
