"""The checkpoint that comes with the package: small, documented, and worth clicking with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile

from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.evaluation import evaluate
from napari_semantic_sam.inference import distinct_candidates
from napari_semantic_sam.io.images import write_labels
from napari_semantic_sam.model.loading import checkpoint_path, describe
from napari_semantic_sam.training.synthetic import generate

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "napari_semantic_sam" / "weights"


@pytest.fixture(scope="module")
def predictor():
    return Predictor(load_model("tiny", device="cpu"))


def test_it_is_small(predictor):
    assert checkpoint_path("tiny").stat().st_size <= 15 * 2**20
    assert sum(weight.numel() for weight in predictor.model.parameters()) <= 7.5e6


def test_its_record_says_where_it_comes_from():
    metadata = describe("tiny")
    assert metadata.licence == "BSD-3-Clause"
    assert metadata.provenance["seed"] == 6
    assert metadata.provenance["recipe"]["data"]["sources"]
    assert metadata.provenance["report"]["images"] > 0
    assert sorted(metadata.level_order) == list(range(6))


def test_it_has_a_model_card_with_its_fingerprint(predictor):
    card = (WEIGHTS / "tiny.md").read_text(encoding="utf-8")
    assert predictor.model.checkpoint_hash in card
    for said in ("Licence", "Limits", "Accuracy", "seed"):
        assert said in card


def test_a_click_on_a_coin_gives_the_coin(predictor):
    """A real photograph, unlike anything it was trained on: one coin, not its neighbours."""
    embedding = predictor.embed(skimage.data.coins())
    (result,) = predictor.predict(embedding, points=[(57, 100)])
    coin = (39, 81, 74, 120)  # by Otsu's threshold
    boxes = [candidate.box for candidate in distinct_candidates(result.candidates)]
    assert min(np.abs(np.subtract(box, coin)).max() for box in boxes) <= 5


def test_levels_go_from_coarse_to_fine(predictor):
    image = skimage.data.immunohistochemistry()
    embedding = predictor.embed(image)
    points = [(352, 266), (427, 353), (269, 62)]
    for result in predictor.predict(embedding, points=points):
        distinct = distinct_candidates(result.candidates)
        assert len(distinct) >= 3
        assert distinct[0].area > 10 * distinct[-1].area
        assert [each.level for each in distinct] == sorted(each.level for each in distinct)


def test_nested_structures_are_found_at_one_click(predictor, tmp_path):
    """On fresh generated pictures, whose outlines are known; seeds 1000 to 1005."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for seed in range(1000, 1006):
        sample = generate(np.random.default_rng(seed), 256, scene="nuclei")
        tifffile.imwrite(tmp_path / "images" / f"{seed}.tif", sample.image, photometric="rgb")
        write_labels(tmp_path / "masks" / f"{seed}.tif", sample.masks.astype(np.uint16))
    report = evaluate(
        predictor, tmp_path / "images", {"": tmp_path / "masks"}, "granularity", max_objects=20
    )
    assert report.summary["granularity_iou"] > 0.5


def test_a_box_gives_what_is_in_it(predictor):
    embedding = predictor.embed(skimage.data.coins())
    coin = (39, 81, 74, 120)
    (result,) = predictor.predict(embedding, boxes=[coin])
    assert np.abs(np.subtract(result.best.box, coin)).max() <= 5
