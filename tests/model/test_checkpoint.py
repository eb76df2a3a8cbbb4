"""Checkpoints: what is written comes back, and nothing unfit gets in."""

from __future__ import annotations

import errno
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.checkpoint import (
    convert_published,
    load_checkpoint,
    load_published,
    save_checkpoint,
)
from napari_semantic_sam.model.config import TimmConfig
from napari_semantic_sam.model.download import file_hash
from napari_semantic_sam.model.metadata import RECORD_KEY, CheckpointMetadata, read_metadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import Prompts


@pytest.fixture
def saved(small_model, small_metadata, tmp_path) -> Path:
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, small_model, small_metadata, half=False)
    return path


def rewrite(path: Path, tensors: dict | None = None, **record: object) -> None:
    """Change tensors or fields of the record in a checkpoint."""
    data = json.loads(read_metadata(path).to_json()) | record
    tensors = load_file(path) if tensors is None else tensors
    save_file(tensors, path, {RECORD_KEY: json.dumps(data)})


def predict(model: SemanticSAM) -> torch.Tensor:
    picture = torch.linspace(0, 255, 3 * 64 * 96).reshape(1, 3, 64, 96)
    with torch.no_grad():
        prompts = Prompts.clicks(torch.tensor([[0.3, 0.4]]))
        return model.decode(model.encode(picture), prompts).mask_logits


def test_a_checkpoint_comes_back_exactly(small_model, small_metadata, saved):
    model, metadata = load_checkpoint(saved)
    assert metadata == read_metadata(saved) == small_metadata
    assert model.level_order == small_metadata.level_order
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(predict(model), predict(small_model))


def test_half_precision_halves_the_file_and_loads_as_float32(
    small_model, small_metadata, saved, tmp_path
):
    half = tmp_path / "half.safetensors"
    save_checkpoint(half, small_model, small_metadata)
    weights, full = (sum(t.nbytes for t in load_file(path).values()) for path in (half, saved))
    assert weights == pytest.approx(full / 2, rel=0.01)
    model, _ = load_checkpoint(half)
    for key, tensor in model.state_dict().items():
        expected = small_model.state_dict()[key]
        assert tensor.dtype == expected.dtype
        torch.testing.assert_close(tensor, expected, rtol=1e-3, atol=1e-6)


def test_the_hash_follows_the_weights(small_model, small_metadata, saved, tmp_path):
    again, other = tmp_path / "again.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(again, small_model, small_metadata, half=False)
    with torch.no_grad():
        next(small_model.parameters()).add_(1)
    save_checkpoint(other, small_model, small_metadata, half=False)
    first, second, third = (load_checkpoint(p)[0].checkpoint_hash for p in (saved, again, other))
    assert first == second != third


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_the_user_lets_them(saved):
    umask = os.umask(0)
    os.umask(umask)
    assert saved.stat().st_mode & 0o777 == 0o666 & ~umask


def test_keys_that_do_not_fit_are_named_and_counted(saved):
    tensors = load_file(saved)
    keys = sorted(tensors)
    for key in keys[:5]:
        del tensors[key]
    tensors["surplus.weight"] = torch.zeros(2)
    tensors[keys[5]] = torch.zeros(1, 2, 3, 4, 5)
    rewrite(saved, tensors)
    with pytest.raises(UserError) as caught:
        load_checkpoint(saved)
    sentence = str(caught.value)
    assert str(saved) in sentence
    assert "5 missing" in sentence
    assert sum(key in sentence for key in keys[:5]) == 3
    assert "and 2 more" in sentence
    assert "1 unknown (surplus.weight)" in sentence
    assert f"1 of the wrong shape ({keys[5]} (1, 2, 3, 4, 5) instead of" in sentence


def test_the_weights_of_another_network_are_refused(saved, small_model):
    config = small_model.config
    wider = replace(config, decoder=replace(config.decoder, decoder_layers=3))
    rewrite(saved, config=wider.to_dict())
    with pytest.raises(UserError, match=r"net\.safetensors does not fit.*missing"):
        load_checkpoint(saved)


@pytest.mark.parametrize("content", [b"", b"I am a text file.\n" * 20, b"\x00" * 5000])
def test_another_kind_of_file_is_named(tmp_path, content):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"net\.safetensors cannot be read as a checkpoint"):
        load_checkpoint(path)


def test_a_cut_off_file_is_named(saved):
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"net\.safetensors cannot be read.*cut off"):
        load_checkpoint(saved)


def test_an_absent_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint .*absent\.safetensors"):
        load_checkpoint(tmp_path / "absent.safetensors")
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        load_checkpoint(tmp_path)


def test_weights_without_a_record_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match=r"other\.safetensors has no napari-semantic-sam record"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"format_version": 99}, "later version .*99.*update"),
        ({"colour": "red"}, "later version .*fields colour.*update"),
        ({"level_order": [0, 1, 2, 3, 4, 4]}, "damaged .*level_order"),
        ({"experimental": ["telepathy"]}, "damaged .*experimental"),
        ({"config": {"backbone": {"type": "new"}}}, "network this version does not know"),
        ({"config": 3}, "damaged"),
    ],
)
def test_records_that_cannot_be_understood_are_refused(saved, record, sentence):
    rewrite(saved, **record)
    with pytest.raises(UserError, match=rf"net\.safetensors: .*{sentence}"):
        read_metadata(saved)


def test_a_record_that_is_no_json_is_refused(saved):
    save_file(load_file(saved), saved, {RECORD_KEY: "nonsense"})
    with pytest.raises(UserError, match=r"net\.safetensors: .*damaged"):
        read_metadata(saved)


def test_an_unknown_backbone_is_named(saved, small_model):
    config = replace(small_model.config, backbone=TimmConfig("no_such_network"))
    rewrite(saved, config=config.to_dict())
    with pytest.raises(UserError, match=r"net\.safetensors .*cannot be built.*no_such_network"):
        load_checkpoint(saved)


def test_weights_that_are_not_finite_never_replace_good_ones(small_model, small_metadata, saved):
    before = saved.read_bytes()
    with torch.no_grad():
        next(small_model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        save_checkpoint(saved, small_model, small_metadata)
    assert saved.read_bytes() == before


def test_a_full_disk_keeps_the_old_file(small_model, small_metadata, saved, monkeypatch):
    before = saved.read_bytes()

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match=r"disk is full.*net\.safetensors"):
            save_checkpoint(saved, small_model, small_metadata)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_record_of_another_network_is_a_defect(small_model, small_metadata, tmp_path):
    other = replace(small_metadata, config=replace(small_model.config, size_divisor=64))
    with pytest.raises(ValueError, match="another network"):
        save_checkpoint(tmp_path / "net.safetensors", small_model, other)


def test_records_survive_json(small_metadata):
    rich = replace(
        small_metadata,
        object_vocabulary=("cell", "Zelle µ"),
        part_vocabulary=("nucleus",),
        provenance={"data": ["a", "b"], "seed": 3, "numbers": {"iou": 0.5}},
    )
    assert CheckpointMetadata.from_json(rich.to_json()) == rich


def test_a_published_file_loads_strictly(small_model, published_file):
    model, metadata = load_published(published_file)
    assert torch.equal(predict(model), predict(small_model))
    assert not model.training
    assert model.level_order == metadata.level_order == (3, 2, 0, 4, 1, 5)
    assert metadata.experimental == ("box",)

    tensors = torch.load(published_file)["model"]
    del tensors["model.sem_seg_head.predictor.mask_tokens.weight"]
    torch.save({"model": tensors}, published_file)
    with pytest.raises(UserError, match=r"published\.pth: .*1 missing .*mask_tokens\.weight"):
        load_published(published_file)


def test_published_files_in_the_older_format_load(small_model, published_file):
    tensors = torch.load(published_file)["model"]
    torch.save(tensors, published_file, _use_new_zipfile_serialization=False)
    assert torch.equal(predict(load_published(published_file)[0]), predict(small_model))


def test_a_checkpoint_is_not_written_where_it_would_not_be_found(published_file, tmp_path):
    with pytest.raises(UserError, match=r"must end in \.safetensors"):
        convert_published(published_file, tmp_path / "converted.bin")


def test_a_conversion_changes_no_number(published_file, tmp_path):
    converted = tmp_path / "converted.safetensors"
    metadata = convert_published(published_file, converted)
    model, read_back = load_checkpoint(converted)
    assert read_back == metadata
    assert metadata.provenance["source_sha256"] == file_hash(published_file)
    expected = load_published(published_file)[0].state_dict()
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[key])


def test_a_swin_of_another_size_is_refused(published_file, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"published\.pth: .*neither Swin-T nor Swin-L"):
        load_published(published_file)


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_nothing_is_unpickled(tmp_path):
    torch.save({"model": Attack(tmp_path / "torch")}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps({"model": Attack(tmp_path / "plain")}))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(UserError, match=f"{name} cannot be read as a checkpoint"):
            load_published(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "b.pth"]


@pytest.mark.parametrize(
    "content",
    [{"weight": torch.zeros(2)}, {"model": torch.zeros(2)}, {3: torch.zeros(2)}, [1, 2]],
)
def test_other_pth_files_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth is not a published Semantic-SAM checkpoint"):
        load_published(tmp_path / "other.pth")


@pytest.mark.parametrize("content", [b"", b"hello\n", b"PK\x03\x04 not really a zip"])
def test_pth_files_that_are_none_are_named(tmp_path, content):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"net\.pth cannot be read as a checkpoint"):
        load_published(tmp_path / "net.pth")
    with pytest.raises(UserError, match=r"no checkpoint .*absent\.pth"):
        load_published(tmp_path / "absent.pth")


def test_a_cut_off_pth_file_is_named(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"model": {"model.weight": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"net\.pth cannot be read.*cut off"):
        load_published(path)
