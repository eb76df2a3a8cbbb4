"""What the documents promise is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

by_name = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)


@by_name
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (document.parent / link).exists()] == []


@by_name
def test_commands_exist_with_their_options(document):
    from napari_semantic_sam.cli import app

    program = typer.main.get_command(app)
    for words in _commands(document):
        command, rest = program, words
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, words
            command, rest = command.commands[rest[0]], rest[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, words


def test_the_guide_to_the_panel_has_every_column():
    from napari_semantic_sam.inference.level_labels import COLUMNS

    guide = (ROOT / "docs" / "annotate.md").read_text(encoding="utf-8")
    assert set(COLUMNS) <= set(re.findall("`([^`]+)`", guide))


def test_the_guide_to_the_panel_has_the_keys_as_they_are():
    from napari_semantic_sam.widgets.key_table import replace_keys

    guide = (ROOT / "docs" / "annotate.md").read_text(encoding="utf-8")
    assert guide == replace_keys(guide), "run scripts/write_key_table.py"


def test_the_reference_of_the_panel_is_as_the_panel_is():
    from napari_semantic_sam.widgets.key_table import panel_as_markdown

    reference = (ROOT / "docs" / "panel.md").read_text(encoding="utf-8")
    assert reference == panel_as_markdown(), "run scripts/write_key_table.py"


def test_the_guide_to_the_panel_has_every_control():
    from napari_semantic_sam.widgets.tables import CONTROLS, RULES

    guide = (ROOT / "docs" / "annotate.md").read_text(encoding="utf-8").lower()
    captions = [control.plain for control in CONTROLS.values()]
    captions += [text for _, text in RULES]
    assert [caption for caption in captions if caption.lower() not in guide] == []


def test_the_training_file_of_the_guide_can_be_read(tmp_path):
    from napari_semantic_sam.training.config import read_config

    (example,) = _blocks(ROOT / "docs" / "training.md", "yaml")
    path = tmp_path / "training.yaml"
    path.write_text(example, encoding="utf-8")
    assert read_config(path).start == "tiny"


def test_the_python_example_of_the_readme_runs(monkeypatch, capsys):
    import torch

    import napari_semantic_sam
    from napari_semantic_sam.model.config import PRESETS
    from napari_semantic_sam.model.semantic_sam import SemanticSAM

    torch.manual_seed(0)
    monkeypatch.setattr(napari_semantic_sam, "load_model", lambda name: SemanticSAM(PRESETS[name]))
    (example,) = _blocks(ROOT / "README.md", "python")
    names = {"image": np.random.default_rng(0).integers(0, 255, (140, 130), dtype=np.uint8)}
    exec(example, names)
    assert names["mask"].shape == (140, 130)
    assert len(capsys.readouterr().out.splitlines()) == 6


def _commands(document):
    shell = "\n".join(_blocks(document, "sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in shell.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["napari-semantic-sam"]]


def _blocks(document, language):
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
