"""What runs beside the user interface."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import napari_semantic_sam
from napari_semantic_sam.annotation.engine import (
    LoadedModel,
    OpenPicture,
    Request,
    find_candidates,
    open_picture,
)
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask, PromptResult
from napari_semantic_sam.inference.tiles import ObjectSize
from napari_semantic_sam.model.config import PRESETS

REQUEST = Request(ImageSource((np.zeros((10, 12)),), "YX", name="cells"), "tiny", "cpu")


class Predictor:
    """Gives every prompt two identical masks and one that lies inside."""

    def __init__(self, model=None):
        self.model = model or SimpleNamespace(
            device="cpu", level_order=(0, 1, 2), config=PRESETS["tiny"]
        )

    def embed_plane(self, plane, *, scale=None):
        return SimpleNamespace(
            scale=scale,
            shape=plane.shape,
            is_one_tile=True,
            tile_for=lambda prompt: prompt,
            embed=lambda tile: plane.read((0, 0, *plane.shape)),
        )

    def predict(self, embedding, points=(), boxes=()):
        kinds = ["click"] * len(points) + ["box"] * len(boxes)
        masks = tuple(
            Candidate(
                (0, 0, side, side), np.ones((side, side), bool), (10, 12), token, level, iou, 1
            )
            for token, (side, level, iou) in enumerate([(3, 1, 0.5), (8, 3, 0.6), (8, 2, 0.7)])
        )
        return [
            PromptResult(kind, tuple(where), masks)
            for kind, where in zip(kinds, [*points, *boxes], strict=True)
        ]


@pytest.fixture
def loaded(monkeypatch):
    """Record what is loaded through the public doors."""
    calls = []

    def load_model(name, device, *, progress, cancelled):
        calls.append((name, device))
        progress(3_000_000, 6_000_000)
        return SimpleNamespace(device="cpu", level_order=(2, 0, 1), config=PRESETS["tiny"])

    monkeypatch.setattr(napari_semantic_sam, "load_model", load_model, raising=False)
    monkeypatch.setattr(napari_semantic_sam, "Predictor", Predictor, raising=False)
    return calls


def never():
    return False


def test_opening_loads_and_embeds_and_says_so(loaded):
    reports = []
    opened = open_picture(REQUEST, lambda *report: reports.append(report), never)
    assert loaded == [("tiny", "cpu")]
    assert opened.embedding.shape == (10, 12)
    assert opened.model.level_order == (2, 0, 1)
    assert reports == [
        ("Loading tiny …", None),
        ("Downloading tiny: 3 MB", 0.5),
        ("Embedding cells …", None),
    ]


def test_the_object_size_sets_the_scale_of_all_planes(loaded):
    source = ImageSource((np.zeros((3, 200, 300)),), "ZYX", name="stack")
    usual = open_picture(Request(source, "tiny", "cpu", (2,)), lambda *_: None, never)
    assert (usual.scale, usual.embedding.scale) == (None, None)
    assert "seen as a whole" in usual.because
    wanted = Request(source, "tiny", "cpu", (2,), object_size=ObjectSize(128))
    opened = open_picture(wanted, lambda *_: None, never)
    assert (opened.scale, opened.embedding.scale) == (0.5, 0.5)
    assert "about 128 pixels across" in opened.because
    assert opened.at((0,)).embedding.scale == 0.5


def test_a_loaded_model_is_used_again(loaded):
    model = LoadedModel("tiny", "cpu", Predictor())
    assert open_picture(REQUEST, print, never, model).model is model
    assert loaded == []


@pytest.mark.parametrize(("checkpoint", "device"), [("swin-t", "cpu"), ("tiny", "cuda")])
def test_another_model_or_device_is_loaded_anew(loaded, checkpoint, device):
    model = LoadedModel(checkpoint, device, Predictor())
    open_picture(REQUEST, lambda *_: None, never, model)
    assert loaded == [("tiny", "cpu")]


def test_cancelled_before_embedding_gives_nothing(loaded):
    assert open_picture(REQUEST, lambda *_: None, lambda: True) is None


class Stack:
    """Lazy planes, of which one is damaged; notes what is read."""

    shape, dtype = (3, 9, 11), np.dtype("u2")

    def __init__(self):
        self.read = set()

    def __getitem__(self, key):
        if key[0] == 1:
            raise OSError("chunk 1 is missing")
        self.read.add(key[0])
        return np.full(self.shape, 7, self.dtype)[key]


def test_an_error_names_the_picture_and_the_plane(loaded):
    request = Request(ImageSource((Stack(),), "ZYX", name="stack"), "tiny", "cpu", (1,))
    with pytest.raises(UserError, match=r"^stack \(z = 1\) could not be read.*chunk 1"):
        open_picture(request, lambda *_: None, never)


def test_only_the_wanted_plane_of_a_stack_is_read(loaded):
    stack = Stack()
    request = Request(ImageSource((stack,), "ZYX", name="stack"), "tiny", "cpu", (2,))
    opened = open_picture(request, lambda *_: None, never)
    assert opened.plane == (2,)
    assert stack.read == {2}
    other = opened.at((0,))
    assert other.plane == (0,)
    assert other.embedding.shape == (9, 11)
    assert stack.read == {2}  # nothing before a prompt needs it


def opened():
    embedding = SimpleNamespace(shape=(10, 12))
    return OpenPicture(LoadedModel("tiny", "cpu", Predictor()), embedding, REQUEST.source)


@pytest.mark.parametrize(
    "prompt", [Prompt("box", (0.0, 0.0, 8.0, 8.0)), Prompt("click", (1.0, 1.0))]
)
def test_a_single_prompt_gets_its_distinct_candidates(prompt):
    found = find_candidates(opened(), [prompt], {})
    assert [each.area for each in found.candidates] == [64, 9]
    assert [each.level for each in found.candidates] == [1, 2]
    assert found.candidates[found.best].predicted_iou == 0.7


def test_several_prompts_of_an_object_are_put_together():
    prompts = [Prompt("click", (1.0, 1.0)), Prompt("click", (6.0, 6.0), positive=False)]
    found = find_candidates(opened(), prompts, {})
    assert [each.area for each in found.candidates] == [9]


def test_a_label_is_known_by_its_mask():
    prompt = Prompt("label", (2.0, 5.0, 4.0, 4.0))
    label = CroppedMask((0, 0, 8, 8), np.ones((8, 8), dtype=bool), (10, 12))
    found = find_candidates(opened(), [prompt], {prompt: label})
    assert found.candidates[found.best].area == 64
