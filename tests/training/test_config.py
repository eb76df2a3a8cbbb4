from __future__ import annotations

import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.training.config import read_config

MINIMAL = """
name: mine
data:
  sources:
    - {kind: synthetic}
"""


def written(tmp_path, text):
    path = tmp_path / "train.yaml"
    path.write_text(text)
    return path


def test_defaults_are_the_published_recipe(tmp_path):
    config = read_config(written(tmp_path, MINIMAL))
    assert config.optimiser.rate == 1e-4
    assert config.optimiser.clip == 0.01
    assert config.loss.points == 12544
    assert config.data.sources[0].kind == "synthetic"


def test_whole_numbers_serve_where_fractions_are_wanted(tmp_path):
    config = read_config(written(tmp_path, MINIMAL + "minutes: 3\n"))
    assert config.minutes == 3.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "colour: red\n", "colour"),
        (MINIMAL + "minutes: soon\n", "soon"),
        (MINIMAL + "precision: half\n", "half"),
        (MINIMAL.replace("synthetic", "video"), "video"),
        (MINIMAL + "optimiser: fast\n", "OptimiserConfig"),
        ("data: [", "YAML"),
        ("name: mine\n", "data"),
        ("", "TrainConfig"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        read_config(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        read_config(tmp_path / "nowhere.yaml")
