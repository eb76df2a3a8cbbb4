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


def test_numbers_may_be_whole_or_text(tmp_path):
    """YAML reads 1e-4, without a point, as text."""
    text = MINIMAL + "minutes: 3\noptimiser: {rate: 1e-4}\n"
    config = read_config(written(tmp_path, text))
    assert (config.minutes, config.optimiser.rate) == (3.0, 1e-4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "colour: red\n", "colour"),
        (MINIMAL + "minutes: soon\n", "soon"),
        (MINIMAL + "precision: half\n", "half"),
        (MINIMAL.replace("synthetic", "video"), "video"),
        (MINIMAL + "optimiser: fast\n", "optimiser: needs named entries"),
        (MINIMAL + "optimiser: {ema: 2}\n", "optimiser: ema: must be at least 0 and at most 1"),
        (MINIMAL + "minutes: 0\n", "minutes: must be more than 0, not 0"),
        (MINIMAL + "images: true\n", "images: True is not a whole number"),
        (MINIMAL.replace("synthetic}", "folder, zoom: [2]}"), "sources: number 1: zoom: needs 2"),
        (MINIMAL.replace("sources:", "crop: 0\n  sources:"), "data: crop: must be at least 32"),
        (MINIMAL.replace("sources:", "clicks: 0\n  sources:"), "clicks: must be at least 1"),
        (MINIMAL.replace("synthetic}", "folder, zoom: [2, 1]}"), r"zoom \[2.0, 1.0\] must begin"),
        ("name: mine\ndata: {sources: []}\n", "sources must name at least one"),
        (MINIMAL + "loss: {points: 0}\n", "loss: points: must be at least 1"),
        (MINIMAL + "loss: {bce: -1}\n", "loss: bce: must be at least 0"),
        (MINIMAL + "seed: 4294967296\n", "seed: must be at least 0 and at most"),
        (MINIMAL + f"minutes: {'9' * 400}\n", "is not a number"),
        (MINIMAL.replace("name: mine", "name: a/b"), 'name "a/b" must be one that a file can have'),
        (MINIMAL + "description: 2024-02-30\n", "YAML"),
        ("data: [", "YAML"),
        ("name: mine\n", "the entry data is missing; correct it"),
        ("", "needs named entries"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        read_config(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        read_config(tmp_path / "nowhere.yaml")
