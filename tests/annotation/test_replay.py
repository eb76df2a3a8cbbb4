"""The model's part of a journal, computed again."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.engine import Request, find_candidates, open_picture
from napari_semantic_sam.annotation.exchange import read_labels_file
from napari_semantic_sam.annotation.journal import Journal
from napari_semantic_sam.annotation.journal_header import describe
from napari_semantic_sam.annotation.replay import replay
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.tiles.scale import ObjectSize
from napari_semantic_sam.io.opening import open_image
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

SHAPE = (64, 96)


def save_model(path, seed):
    torch.manual_seed(seed)
    config = ModelConfig(
        TimmConfig("test_efficientnet"),
        LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
    )
    metadata = CheckpointMetadata("small", config, tuple(range(6)), ("click", "box"), "CC0-1.0")
    save_checkpoint(path, SemanticSAM(config), metadata)
    return path


class Annotating:
    """A session with a journal, in which the model answers at once."""

    def __init__(self, folder, checkpoint, limits=None, stack=(), size=None, opened=None):
        self.image, self.path = folder / "cells.tif", folder / "cells.jsonl"
        picture = np.random.default_rng(0).integers(0, 4000, (*stack, *SHAPE)).astype(">u2")
        tifffile.imwrite(self.image, picture, byteorder=">", photometric="minisblack")
        axes = "ZYX"[-picture.ndim :]
        layer = picture if opened is None else opened(picture)
        self.source = ImageSource((layer,), axes, None, limits, name="cells")
        request = Request(self.source, str(checkpoint), "cpu", (1,) * len(stack), size)
        self.opened = open_picture(request, lambda *_: None, lambda: False)
        self.session = AnnotationSession(LevelLabels(SHAPE, stack))
        self.journal = Journal(
            self.path,
            self.session.levels,
            lambda: describe(request, self.opened),
            lambda sentence: pytest.fail(sentence),
        )
        self.session.listeners.append(self.journal.write)

    def ask(self, *prompts, group=None):
        group = self.session.next_object() if group is None else group
        self.session.set_prompts({**self.session.groups, group: prompts})
        labels = {
            each: self.session.mask_of(*map(int, each.coordinates[:2]))
            for each in prompts
            if each.kind == "label"
        }
        found = find_candidates(self.opened.at(self.session.plane), prompts, labels)
        self.session.receive(group, prompts, found)
        return len(found.candidates)

    def keep(self, rule="keep", cleanup=CleanUp(), level=None):  # noqa: B008  # frozen
        self.session.target_level = level
        self.session.options = KeepOptions(rule, cleanup)
        return self.session.keep()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("weights") / "small.safetensors", seed=0)


@pytest.fixture
def annotated(tmp_path, checkpoint):
    """Objects kept in all the ways there are; two that are gone again."""
    work = Annotating(tmp_path, checkpoint)
    session = work.session
    assert work.ask(Prompt("click", (20.0, 30.0))) > 2
    session.mark(1, True)
    session.mark(2, True)
    for index in (1, 0):  # a walk is one step of undo, but two lines
        session.show(index)
    session.undo()
    session.redo()
    assert len(work.keep()) == 3
    work.ask(Prompt("box", (5.0, 40.0, 60.0, 90.0)), Prompt("click", (30.0, 60.0)))
    work.keep("keep", CleanUp(fill_holes=True, drop_islands=True, smooth=2), level=7)
    work.ask(Prompt("box", (2.0, 3.0, 50.0, 70.0)))
    work.keep("fill", level=9)
    work.ask(Prompt("click", (50.0, 10.0)))
    (row,) = work.keep("replace", level=8)
    session.rename(row.level, row.index, object="cell")
    session.record_stroke(
        row.level, (0, 0, 8, 96), session.levels.array(row.level)[:8].copy(), np.ones((8, 96), int)
    )
    work.ask(session.label_prompt(row.level, row.index), Prompt("click", (52.0, 14.0)))
    work.keep("replace")
    work.ask(Prompt("click", (40.0, 80.0)))
    work.keep("replace")
    session.undo()
    work.journal.close()
    return work


@pytest.mark.parametrize("ending", ["labels.ome.tif", "json"])
def test_the_labels_of_a_journal_are_written_to_a_file(annotated, command_line, tmp_path, ending):
    target = tmp_path / f"saved.{ending}"
    code, out, err = command_line("restore", annotated.path, target)
    assert (code, err) == (0, "")
    assert str(target) in out
    document, levels = read_labels_file(target), annotated.session.levels
    assert sorted(document.levels) == [each for each in levels.levels if levels.array(each).any()]
    for level, array in document.levels.items():
        assert np.array_equal(array, levels.array(level))
    names = {row.object for rows in document.rows.values() for row in rows}
    assert "cell" in names
    again = command_line("restore", annotated.path, target)
    assert (again.code, "exists already" in again.err) == (1, True)


def test_the_same_model_finds_the_same_objects(annotated, command_line):
    code, out, err = command_line("replay", annotated.path, annotated.image)
    assert (code, err) == (0, "")
    head, *rows, total = out.splitlines()
    assert head.split() == ["step", "level", "label", "pixels", "IoU"]
    assert {row.split()[-1] for row in rows} == {"1.00000"}
    steps = [int(row.split()[0]) for row in rows]
    assert len(set(steps)) == 5  # what was undone is not among them
    assert total == f"{len(rows)} of {len(rows)} objects are the same."


def zarr_copy(image):
    """Return a folder with the pixels of a file."""
    folder = image.with_suffix(".zarr")
    zarr.create_array(folder, data=tifffile.imread(image).astype(np.uint16), chunks=(32, 32))
    return folder


@pytest.mark.parametrize("opened", [None, lambda picture: da.from_array(picture, chunks=32)])
@pytest.mark.parametrize("copied", [lambda image: image, zarr_copy])
def test_it_does_not_matter_how_a_picture_was_opened(
    tmp_path, checkpoint, command_line, opened, copied
):
    work = Annotating(tmp_path, checkpoint, opened=opened)
    work.ask(Prompt("click", (20.0, 30.0)))
    work.keep()
    work.journal.close()
    code, out, err = command_line("replay", work.path, copied(work.image))
    assert (code, err) == (0, "")
    assert "1.00000" in out


@pytest.mark.parametrize("stack", [(), (3,)])
def test_one_of_the_channels_that_napari_shows_as_layers(tmp_path, checkpoint, command_line, stack):
    work = Annotating(tmp_path, checkpoint, stack=stack)
    work.ask(Prompt("click", (20.0, 30.0)))
    work.keep()
    work.journal.close()
    second = tifffile.imread(work.image)
    channels = np.stack([second[..., ::-1], second], axis=-3)
    tifffile.imwrite(work.image, channels, metadata={"axes": "ZCYX"[-channels.ndim :]}, ome=True)
    code, out, err = command_line("replay", work.path, work.image)
    assert (code, err) == (0, "")
    assert "1.00000" in out
    tifffile.imwrite(
        work.image, channels[..., ::-1, :], metadata={"axes": "ZCYX"[-channels.ndim :]}
    )
    code, _, err = command_line("replay", work.path, work.image)
    assert code != 0
    assert "another picture" in err


@pytest.mark.parametrize("as_file", [True, False])
def test_objects_of_a_stack_are_computed_again_in_their_planes(tmp_path, checkpoint, as_file):
    work = Annotating(tmp_path, checkpoint, stack=(3,))
    for plane, where in ((1, (20.0, 30.0)), (2, (40.0, 60.0)), (0, (30.0, 50.0))):
        work.session.go((plane,))
        work.ask(Prompt("click", where))
        work.keep("replace")
    work.session.undo()
    work.journal.close()
    with open_image(work.image) as opened:
        picture = opened if as_file else work.source
        found = replay(work.path, picture, lambda name, device: Predictor(load_model(name, device)))
    assert [each.step for each in found] == [2, 4]
    assert all(each.is_same for each in found)


def test_an_object_that_differs_is_told(annotated, command_line):
    lines = [json.loads(line) for line in annotated.path.read_text().splitlines()]
    kept = next(each for each in lines if "origin" in each)
    kept["origin"]["cleanup"]["smooth"] = 5
    annotated.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, _ = command_line("replay", annotated.path, annotated.image)
    assert code == 1
    _, *rows, total = out.splitlines()
    assert any(float(row.split()[-1]) < 0.999 for row in rows)
    assert any(row.split()[-1] == "1.00000" for row in rows)
    assert total.endswith(f"of {len(rows)} objects are the same.")


def test_another_picture_is_refused(annotated, command_line, tmp_path):
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones(SHAPE, np.uint16))
    code, out, err = command_line("replay", annotated.path, other)
    assert (code, out) == (1, "")
    assert "another picture" in err
    assert len(err.splitlines()) == 1


def test_another_checkpoint_is_refused(annotated, command_line, tmp_path):
    other = save_model(tmp_path / "other.safetensors", seed=1)
    code, out, err = command_line(
        "replay", annotated.path, annotated.image, "--checkpoint", other, "--device", "cpu"
    )
    assert (code, out) == (1, "")
    assert "another checkpoint" in err
    assert "--checkpoint" in err


def test_contrast_limits_are_used_and_another_preparation_is_refused(
    tmp_path, checkpoint, command_line
):
    work = Annotating(tmp_path, checkpoint, limits=(500.0, 2000.0))
    work.ask(Prompt("click", (20.0, 30.0)))
    work.keep()
    work.journal.close()
    assert command_line("replay", work.path, work.image).code == 0
    text = work.path.read_text()
    assert "[500.0, 2000.0]" in text
    work.path.write_text(text.replace("[500.0, 2000.0]", "null"))
    code, _, err = command_line("replay", work.path, work.image)
    assert code == 1
    assert "prepared differently" in err


def test_the_object_size_is_used_again(tmp_path, checkpoint, command_line):
    work = Annotating(tmp_path, checkpoint, size=ObjectSize(48.0))
    assert work.opened.embedding.scale == pytest.approx(64 / 48)
    work.ask(Prompt("click", (20.0, 30.0)))
    work.keep()
    work.journal.close()
    code, out, err = command_line("replay", work.path, work.image)
    assert (code, err) == (0, "")
    assert "1.00000" in out
    header, *events = map(json.loads, work.path.read_text().splitlines())
    assert header.pop("scale") == pytest.approx(64 / 48)  # as if written before there was one
    work.path.write_text("".join(json.dumps(line) + "\n" for line in (header, *events)))
    code, _, err = command_line("replay", work.path, work.image)
    assert code == 1
    assert "prepared differently: by another version, contrast limits or object size" in err


def test_a_journal_without_objects_has_nothing_to_compare(tmp_path, checkpoint, command_line):
    work = Annotating(tmp_path, checkpoint)
    work.ask(Prompt("click", (20.0, 30.0)))
    work.journal.close()
    code, out, _ = command_line("replay", work.path, work.image)
    assert code == 0
    assert out.splitlines()[-1] == "0 of 0 objects are the same."
