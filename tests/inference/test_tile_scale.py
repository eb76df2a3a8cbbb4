"""How large a picture is shown to the network, and the sentence that says why."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bright_model import BrightModel

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.tiles import ObjectSize, choose_scale, suited_size
from napari_semantic_sam.model.config import PRESETS

TINY = PRESETS["tiny"]


@pytest.mark.parametrize(
    ("shape", "options", "scale", "sentence"),
    [
        ((500, 500), {}, 1.0, "seen as a whole: the model sees it pixel for pixel"),
        ((100, 90), {}, 2.0, "the model sees it 2 times larger"),
        ((9000, 5000), {}, 1.0, "in tiles of 1024 pixels: the model sees it pixel for pixel"),
        ((500, 500), {"scale": 0.25}, 0.25, "You chose it: the model sees it 4 times smaller"),
        ((500, 500), {"object_size": ObjectSize(256)}, 0.25, "about 256 pixels across: .* 4 times"),
        ((500, 500), {"object_size": ObjectSize(16)}, 4.0, "about 16 pixels across: .* 4 times"),
        ((500, 500), {"object_size": ObjectSize(1e9)}, 1 / 64, "64 times smaller"),
        (
            (500, 500),
            {"object_size": ObjectSize(32, "µm"), "pixel_size": 0.25},
            0.5,
            r"about 32 µm \(128 pixels\) across: the model sees it 2 times smaller",
        ),
        ((500, 500), {"pixel_size": 0.25}, 1.0, "seen as a whole"),
        ((500, 500), {"object_size": ObjectSize(64), "pixel_size": 4}, 1.0, "64 pixels across"),
        ((500, 500), {"scale": 3, "object_size": ObjectSize(7)}, 3.0, "You chose it"),
    ],
)
def test_a_scale_comes_with_its_reason(shape, options, scale, sentence):
    choice = choose_scale(shape, TINY, **options)
    assert choice.scale == scale
    assert re.search(sentence, choice.because)
    assert choice.because.endswith(".")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": 0}, "scale must be a number"),
        ({"object_size": ObjectSize(0)}, "size of objects must be a number of pixels above 0, not"),
        ({"object_size": ObjectSize(np.nan)}, "size of objects"),
        ({"object_size": ObjectSize(-1, "µm"), "pixel_size": 1}, "must be a number of micrometres"),
        ({"object_size": ObjectSize(9, "µm"), "pixel_size": -1}, "The pixel size must be a number"),
        ({"object_size": ObjectSize(9, "µm")}, "9 µm is in micrometres, but the size of a pixel"),
    ],
)
def test_impossible_numbers_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        choose_scale((500, 500), TINY, **options)


@pytest.mark.parametrize("times", [2, 4])
def test_an_object_is_the_same_in_an_up_sampled_picture_of_known_pixel_size(times):
    rows, columns = np.ogrid[:300, :320]
    picture = np.where(np.hypot(rows - 120, columns - 200) < 30, 200, 10).astype(np.uint8)
    large = np.kron(picture, np.ones((times, times), np.uint8))
    predictor = Predictor(BrightModel())
    chosen = choose_scale(picture.shape, TINY).scale
    size = suited_size(chosen, pixel_size=0.6)
    scale = choose_scale(large.shape, TINY, object_size=size, pixel_size=0.6 / times).scale
    assert scale == pytest.approx(chosen / times)
    assert choose_scale(picture.shape, TINY, object_size=suited_size(chosen)).scale == chosen
    embedding = predictor.embed_plane(Plane.of(large), scale=scale)
    (seen,) = predictor.predict(embedding, points=[(120 * times, 200 * times)])
    (plain,) = predictor.predict(predictor.embed(picture), points=[(120, 200)])
    expected = np.kron(plain.best.full_mask(), np.ones((times, times), bool))
    mask = seen.best.full_mask()
    assert np.count_nonzero(mask & expected) > 0.97 * np.count_nonzero(mask | expected)
