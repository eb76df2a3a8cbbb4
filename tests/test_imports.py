"""What imports what: the package stays quick to import and works without Qt and napari."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import napari_semantic_sam

PACKAGE = Path(napari_semantic_sam.__file__).parent
NAME = "napari_semantic_sam"

_LEAVES = {"errors", "io"}
_INFERENCE = _LEAVES | {"inference", "model"}
ALLOWED = {
    "errors": set(),
    "io": {"errors"},
    "model": _LEAVES,
    "inference": _LEAVES | {"model"},
    "annotation": _INFERENCE,
    "batch": _INFERENCE,
    "evaluation": _INFERENCE,
    "training": _INFERENCE,
}
"""The rooms each room may use besides itself; rooms not named here may use all."""

GUI = {"PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui", "napari", "qtpy", "superqt", "vispy"}


def run_python(script: str, *arguments: object) -> str:
    """Run a script in a fresh interpreter and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_roots(script: str) -> set[str]:
    """Run a script in a fresh interpreter and return the top-level packages it loaded."""
    report = "\nimport sys, json\nprint(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    return set(json.loads(run_python(script + report).splitlines()[-1]))


HEAVY = GUI | {"torch", "torchvision", "timm", "lightning", "pytorch_lightning", "skimage"}


@pytest.mark.parametrize(
    "script",
    [
        f"import {NAME}; {NAME}.__version__; dir({NAME})",
        f"from importlib import resources\n"
        f"assert (resources.files('{NAME}') / 'napari.yaml').read_text()",
        f"from {NAME} import annotation, batch, evaluation, inference, io, model, training",
        f"import sys; sys.argv = ['{NAME}', '--help']\n"
        f"from {NAME}.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
    ],
    ids=["package", "manifest", "rooms", "help"],
)
def test_a_first_look_loads_nothing_heavy(script):
    assert not loaded_roots(script) & HEAVY


WITHOUT_GUI = """
import importlib, pkgutil, sys
from pathlib import Path

refused = set(sys.argv[2].split(","))

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())

import napari_semantic_sam

names = [
    info.name
    for info in pkgutil.walk_packages(
        napari_semantic_sam.__path__, "napari_semantic_sam.", onerror=lambda name: None
    )
    if not info.name.startswith("napari_semantic_sam.widgets")
    and not info.name.endswith("__main__")
]
for name in names:
    importlib.import_module(name)
print(*names)

import numpy as np
import torch
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.batch.segment import segment_files
from napari_semantic_sam.io.images import write_labels
from napari_semantic_sam.model.checkpoint import save_checkpoint
from napari_semantic_sam.model.config import LocalConfig, ModelConfig, TimmConfig
from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.semantic_sam import SemanticSAM

torch.manual_seed(0)
folder = Path(sys.argv[1])
config = ModelConfig(
    TimmConfig("test_efficientnet"),
    LocalConfig(width=16, heads=2, feedforward=16, decoder_layers=1, mask_channels=8),
)
metadata = CheckpointMetadata("small", config, tuple(range(6)), ("click", "box"), "CC0-1.0")
save_checkpoint(folder / "small.safetensors", SemanticSAM(config), metadata)
predictor = Predictor(load_model(folder / "small.safetensors", device="cpu"))
picture = np.random.default_rng(0).integers(0, 255, (40, 56), dtype=np.uint16)
(click, box) = predictor.predict(
    predictor.embed(picture), points=[(20, 30)], boxes=[(5, 5, 30, 40)]
)
assert len(click.candidates) == len(box.candidates) == 6
assert click.best.full_mask().shape == (40, 56)
write_labels(folder / "picture.tif", picture)
(report,) = segment_files([folder / "picture.tif"], predictor, [(20, 30)], [], folder / "out")
assert not report.error and all(path.is_file() for path in report.files)
assert not refused & {name.split(".")[0] for name in sys.modules}
"""


def test_everything_but_the_widgets_works_without_qt_and_napari(tmp_path):
    printed = run_python(WITHOUT_GUI, tmp_path, ",".join(sorted(GUI)))
    imported = {f"{NAME}.{room}" for room in (*ALLOWED, "cli")}
    assert imported <= set(printed.split())


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The room a module belongs to: the first part of its name inside the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that is imported anywhere in a file, in functions and for types, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def target(name: str) -> str:
    """The room that an import of this package leads to, also through the package's own doors."""
    door = name.split(".")[1]
    if door in napari_semantic_sam.__all__:
        return getattr(napari_semantic_sam, door).__module__.split(".")[1]
    return door


def test_only_the_widgets_know_qt_and_napari():
    offenders = {
        str(path.relative_to(PACKAGE)): sorted(found)
        for path in modules()
        if room(path) != "widgets"
        and (found := {name.split(".")[0] for name in imports(path)} & GUI)
    }
    assert offenders == {}


def test_imports_point_one_way():
    offenders = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in modules()
        if room(path) in ALLOWED
        for name in imports(path)
        if name.startswith(f"{NAME}.") and name != f"{NAME}.__version__"
        if target(name) not in ALLOWED[room(path)] | {room(path)}
    ]
    assert offenders == []


def test_nobody_knows_the_widgets():
    offenders = [
        str(path.relative_to(PACKAGE))
        for path in modules()
        if room(path) != "widgets"
        and any(name.startswith(f"{NAME}.widgets") for name in imports(path))
    ]
    assert offenders == []
