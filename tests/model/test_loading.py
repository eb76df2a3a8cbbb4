"""From a name or a file to a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.checkpoint import load_checkpoint, save_checkpoint
from napari_semantic_sam.model.loading import checkpoint_path, choose_device, describe, load_model
from napari_semantic_sam.model.registry import (
    REGISTRY,
    checkpoints_folder,
    downloads_folder,
    list_checkpoints,
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NAPARI_SEMANTIC_SAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def own(small_model, small_metadata) -> Path:
    path = checkpoints_folder() / "my cells.safetensors"
    save_checkpoint(path, small_model, small_metadata)
    return path


def info(name: str):
    return {entry.name: entry for entry in list_checkpoints()}[name]


def test_the_home_folder_follows_the_environment(home, monkeypatch):
    assert checkpoints_folder() == home / "checkpoints"
    monkeypatch.delenv("NAPARI_SEMANTIC_SAM_HOME")
    assert checkpoints_folder().parent.name == "napari-semantic-sam"


def test_known_checkpoints_are_always_listed():
    assert [entry.name for entry in list_checkpoints()] == ["tiny", "swin-t", "swin-l"]
    published = info("swin-t")
    assert not published.downloaded
    assert published.path == downloads_folder() / "swint_only_sam_many2many.pth"
    assert published.experimental == ("box",)
    assert "none stated" in published.licence


def test_own_checkpoints_are_listed_and_loaded_by_name(own, small_metadata):
    entry = info("my cells")
    assert (entry.source, entry.downloaded, entry.path) == ("yours", True, own)
    assert entry.size == own.stat().st_size
    assert entry.capabilities == small_metadata.capabilities
    assert describe("my cells") == describe(own) == small_metadata
    by_name, by_path = load_model("my cells", device="cpu"), load_model(str(own), device="cpu")
    assert by_name.checkpoint_hash == by_path.checkpoint_hash
    assert by_name.checkpoint_hash == load_checkpoint(own)[0].checkpoint_hash
    assert not by_name.training
    assert next(by_name.parameters()).requires_grad


def test_an_own_checkpoint_named_like_a_known_one_keeps_its_ending(own):
    twin = own.rename(own.with_name("tiny.safetensors"))
    assert info("tiny.safetensors").path == twin
    assert checkpoint_path("tiny.safetensors") == twin


def test_a_broken_own_checkpoint_is_listed_with_its_problem(own):
    own.write_text("not a checkpoint")
    assert "cannot be read as a checkpoint" in info("my cells").problem
    with pytest.raises(UserError, match=r"my cells\.safetensors cannot be read"):
        load_model("my cells", device="cpu")


def test_an_unknown_name_lists_the_known_ones(own):
    with pytest.raises(UserError, match=r"no checkpoint 'huge'.*tiny, swin-t, swin-l, my cells"):
        load_model("huge")


def test_the_bundled_checkpoint_is_found_or_missed_clearly():
    path = REGISTRY["tiny"].path()
    if path.is_file():
        assert checkpoint_path("tiny") == path
    else:
        with pytest.raises(UserError, match=r"bundled checkpoint tiny.*install"):
            load_model("tiny", device="cpu")


def test_describing_a_published_checkpoint_downloads_nothing(home):
    metadata = describe("swin-l")
    assert metadata.level_order == (3, 2, 0, 4, 1, 5)
    assert metadata.experimental == ("box",)
    assert not home.exists()


def test_a_published_file_is_loaded_without_the_network_once_it_is_there(published_file):
    path = downloads_folder() / "swint_only_sam_many2many.pth"
    path.parent.mkdir(parents=True)
    published_file.rename(path)
    assert info("swin-t").downloaded
    model = load_model("swin-t", device="cpu")
    assert model.checkpoint_hash == load_model(path, device="cpu").checkpoint_hash
    assert model.level_order == (3, 2, 0, 4, 1, 5)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match="delete it and download it again"):
        load_model("swin-t", device="cpu")


def test_only_the_authors_own_file_is_called_theirs(published_file):
    somebodys = describe(published_file)
    assert somebodys.name == "published"
    assert "not recorded" in somebodys.licence
    assert somebodys.provenance["source"] == "published.pth"
    assert len(somebodys.provenance["source_sha256"]) == 64
    downloaded = downloads_folder() / "swint_only_sam_many2many.pth"
    downloaded.parent.mkdir(parents=True)
    published_file.rename(downloaded)
    theirs = describe(downloaded)
    assert theirs.name == "swin-t"
    assert theirs.provenance["source"].startswith("https://github.com/UX-Decoder")


def test_endings_may_be_in_capitals(published_file):
    capitals = published_file.rename(published_file.with_suffix(".PTH"))
    assert load_model(capitals, device="cpu").level_order == (3, 2, 0, 4, 1, 5)


def test_a_download_can_be_cancelled_before_it_starts(home):
    with pytest.raises(UserError):
        load_model("swin-t", device="cpu", cancelled=lambda: True)
    assert not list(home.rglob("*.pth*"))


def test_the_best_device_is_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device() == choose_device("cuda") == torch.device("cuda:0")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps", "toaster"])
def test_a_device_that_is_not_there_is_named(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"no device '{device}'.*cpu"):
        load_model("tiny", device=device)
