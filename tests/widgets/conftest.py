"""A real viewer that draws nothing, and a predictor whose masks are known beforehand."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

# Both are read when Qt and napari are first imported.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from panel_actions import CELLS, click

import napari_semantic_sam
from napari_semantic_sam.inference.results import Candidate, PromptResult
from napari_semantic_sam.widgets.native import open_shared_libraries

# As the panel does: where there is a display, Qt may load Mesa, after which torch cannot come.
open_shared_libraries()

HALF_SIDES = (20, 10, 4)  # of the nested squares under every click


@pytest.fixture(scope="session", autouse=True)
def _vispy_without_gl():
    """Answer what napari asks OpenGL, which the offscreen platform does not have."""
    import napari._vispy.visuals.markers  # noqa: F401  # chooses the gl module that is patched
    from vispy.gloo import gl

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gl, "glGetParameter", lambda name: "" if name == gl.GL_EXTENSIONS else 16384)
        yield


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    from napari import settings

    monkeypatch.setenv("NAPARI_SEMANTIC_SAM_HOME", str(tmp_path / "home"))
    # The preferences of a test are its own, too.
    settings._clear_plugin_settings_cache()
    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "settings.yaml"))


@pytest.fixture(autouse=True)
def _no_old_notifications():
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()


class PatientBot(QtBot):
    """Waits longer than usual: what is tested is that something happens, not how soon."""

    def waitUntil(self, callback, *, timeout=60_000):  # noqa: N802
        super().waitUntil(callback, timeout=timeout)


@pytest.fixture
def qtbot(qapp, request):
    """The bot that all tests wait with."""
    return PatientBot(request)


@dataclass
class FakePredictor:
    """Answers clicks with nested squares, boxes with themselves and their inside."""

    model: SimpleNamespace
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list = field(default_factory=list)
    error: Exception | None = None
    finds_nothing: bool = False
    contrast_limits: tuple[float, float] | None = None
    scale: float | None = None

    def embed_plane(self, plane, *, scale=None):
        self.scale = scale
        return FakeEmbedding(self, plane)

    def predict(self, embedding, points=(), boxes=(), *, draft=False):
        self.gate.wait(10)
        self.asked.append((tuple(points), tuple(boxes)))
        if self.error:
            raise self.error
        prompts = [("click", point, point) for point in points]
        prompts += [("box", box, centre(box)) for box in boxes]
        return [
            PromptResult(
                kind, where, () if self.finds_nothing else squares(middle, embedding.shape)
            )
            for kind, where, middle in prompts
        ]


@dataclass
class FakeEmbedding:
    """One tile, which is embedded where the real one is: not before it is asked for."""

    predictor: FakePredictor
    plane: object
    preparation_hash: str = "fake"
    is_one_tile: bool = True

    @property
    def shape(self):
        return self.plane.shape

    def tile_for(self, prompt):
        return prompt

    def embed(self, tile):
        self.predictor.contrast_limits = self.plane.contrast_limits
        self.predictor.gate.wait(10)
        if self.predictor.error:
            raise self.predictor.error
        self.plane.read((0, 0, *self.shape))


def centre(box):
    y0, x0, y1, x1 = box
    return (y0 + y1) / 2, (x0 + x1) / 2


def squares(point, shape):
    """Nested squares; the middle one has the highest predicted IoU."""
    y, x = (round(value) for value in point)
    found = []
    for token, half in enumerate(HALF_SIDES):
        y0, x0 = max(y - half, 0), max(x - half, 0)
        y1, x1 = min(y + half + 1, shape[0]), min(x + half + 1, shape[1])
        crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
        iou = 0.9 if token == 1 else 0.5
        found.append(Candidate((y0, x0, y1, x1), crop, shape, token, token + 1, iou, 0.8))
    return tuple(found)


@pytest.fixture
def predictor(monkeypatch):
    """The predictor every `load_model` leads to; open, so that it answers at once."""
    fake = FakePredictor(
        SimpleNamespace(
            device="cpu",
            level_order=(0, 1, 2),
            checkpoint_hash="fake",
            config=SimpleNamespace(prompt_types={"click": 0, "box": 1}, decoder=None),
        )
    )
    fake.gate.set()
    monkeypatch.setattr(
        napari_semantic_sam, "load_model", lambda *_, **__: fake.model, raising=False
    )
    monkeypatch.setattr(napari_semantic_sam, "Predictor", lambda _: fake, raising=False)
    # It needs none of them, and they take seconds.
    monkeypatch.setattr("napari_semantic_sam.widgets.opening.load_libraries", lambda _: None)
    yield fake
    fake.gate.set()


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer with a window. Most tests do without and put `viewer_model` in its place."""
    return make_napari_viewer()


@pytest.fixture
def viewer_model(qapp):
    """A viewer without a window, which starts in an instant."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def cells(viewer):
    """An image in the viewer."""
    return viewer.add_image(CELLS, name="cells")


@pytest.fixture
def panel(viewer, cells, predictor, qtbot):
    from napari.utils._proxies import PublicOnlyProxy

    from napari_semantic_sam.widgets.panel import SemanticSamPanel

    panel = SemanticSamPanel(PublicOnlyProxy(viewer))  # as napari gives it to plugins
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def started(panel, qtbot):
    """The panel after Start."""
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.annotator.session is not None)
    return panel


@pytest.fixture
def own_checkpoint():
    """A checkpoint in the user's folder, which the panel lists."""
    import torch

    from napari_semantic_sam.model.checkpoint import save_checkpoint
    from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
    from napari_semantic_sam.model.metadata import CheckpointMetadata
    from napari_semantic_sam.model.registry import checkpoints_folder
    from napari_semantic_sam.model.semantic_sam import SemanticSAM

    torch.manual_seed(3)
    config = ModelConfig(
        TimmConfig("tf_efficientnet_lite0"),
        LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1),
    )
    model = SemanticSAM(config)
    metadata = CheckpointMetadata(
        name="mine",
        config=config,
        level_order=tuple(range(config.num_tokens)),
        capabilities=("click", "box"),
        licence="CC0-1.0",
        description="Random weights.",
    )
    save_checkpoint(checkpoints_folder() / "mine.safetensors", model, metadata)


@pytest.fixture
def kept(started, qtbot):
    """The panel with three kept objects: a cell, its nucleus, and another cell."""
    started.sections["review"].set_open(True)
    started.show()
    click(started, qtbot, 30, 25)
    started.annotator.show(1)
    started.annotator.mark(2, True)
    started.annotator.keep()
    click(started, qtbot, 30, 60)
    started.annotator.show(1)
    started.annotator.keep()
    return started
