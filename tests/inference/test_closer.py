"""Pictures of small objects are looked at again, at twice the scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from seeing_stub import CUTS, SeeingPredictor, bright, plane_of, settings

from napari_semantic_sam.evaluation.metrics import detect
from napari_semantic_sam.inference.automatic.plane import segment_plane

SMALL = bright((140, 160), *((y, x, 4, 255) for y in (30, 70, 110) for x in (30, 80, 130)))
LARGE = bright((140, 160), *((y, x, 14, 255) for y in (30, 70, 110) for x in (30, 80, 130)))


def segment(picture, level=2, closer_below=12.0, scale=None, levels=(1, 2), **options):
    predictor = SeeingPredictor()
    predictor.model.automatic = {"level": level} if level else {}
    embedding = predictor.embed_plane(plane_of(picture), scale=scale)
    wanted = replace(settings(*levels), closer_below=closer_below)
    labels = segment_plane(predictor, embedding, wanted, **options)
    return labels, [parts[0].shape for parts in predictor.model.encoded]


def test_small_objects_are_seen_at_twice_the_scale():
    labels, seen = segment(SMALL)
    assert seen == [(140, 160), (280, 320)]
    truth = ndimage.label(CUTS[1] < SMALL)[0]
    (found,) = detect(truth, labels.array(2), [0.8])
    assert (found.matched, found.missed, found.spurious) == (9, 0, 0)
    assert sum(row.area for row in labels.rows(2)) == pytest.approx((SMALL > 0).sum(), rel=0.1)


@pytest.mark.parametrize(
    "otherwise",
    [
        {"picture": LARGE},
        {"closer_below": 0.0},
        {"scale": 1.0},  # somebody chose it
        {"level": None},
        {"levels": (1,)},
        {"picture": bright((140, 160), (30, 30, 4, 255))},  # a single one says little
        {"picture": np.pad(SMALL, ((0, 0), (0, 700)))},
    ],
)
def test_others_are_looked_at_once(otherwise):
    assert len(segment(**{"picture": SMALL} | otherwise)[1]) == 1


def test_progress_of_the_second_look_follows_that_of_the_first():
    for picture in (SMALL, LARGE):
        told = []
        segment(picture, progress=lambda done, total, told=told: told.append(done / total))
        assert told[-1] == 1
        is_second = [share > 0.5 for share in told]
        assert is_second == sorted(is_second)


def test_cancelling_the_second_look_keeps_the_first():
    told, expected = [], segment(SMALL, closer_below=0.0)[0]
    labels, seen = segment(
        SMALL,
        progress=lambda done, total: told.append(done / total),
        cancelled=lambda: bool(told) and told[-1] > 0.5,
    )
    assert len(seen) == 2
    np.testing.assert_array_equal(labels.array(2), expected.array(2))


def test_a_size_that_is_no_length_is_refused():
    with pytest.raises(ValueError, match="closer_below"):
        replace(settings(), closer_below=-1.0)
