"""Pictures without anything in them, tiny, very long, or with more axes than they need."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from seeing_stub import SeeingPredictor, bright, settings

from napari_semantic_sam.batch.automatic import segment_everything
from napari_semantic_sam.io.images import read_labels

LONG = (24, 65_000)


@pytest.fixture
def segment(tmp_path):
    """Write a picture, segment it, and return its report."""

    def run(array, **options):
        path = tmp_path / "p.tif"
        tifffile.imwrite(path, array, photometric="minisblack", **options)
        (report,) = segment_everything([path], SeeingPredictor(), settings(), tmp_path / "out")
        return report

    return run


def objects(report, level=1):
    """Return the middle of each object along x."""
    labels = read_labels(report.files[level - 1])
    return sorted(
        round(float(np.nonzero(labels == index)[-1].mean())) for index in np.unique(labels) if index
    )


@pytest.mark.parametrize("value", [0, 77, 65_535])
@pytest.mark.parametrize("shape", [(40, 50), (1100, 1200)])
def test_a_picture_of_one_value_has_no_objects(segment, shape, value):
    report = segment(np.full(shape, value, np.uint16))
    assert (report.error, report.masks, objects(report)) == ("", 0, [])


@pytest.mark.parametrize("shape", [(7, 40), (40, 7), (1, 1)])
def test_a_side_below_eight_pixels_is_one_sentence(segment, shape):
    report = segment(np.arange(np.prod(shape), dtype=np.uint16).reshape(shape))
    assert "at least 8" in report.error
    assert report.files == ()


def test_a_strip_of_65_000_pixels(segment):
    places = (300, 21_500, 64_700)
    report = segment(bright(LONG, *((12, x, 9, 255) for x in places)).astype(np.uint8))
    assert report.error == ""
    assert objects(report) == pytest.approx(places, abs=2)


def test_axes_with_one_plane_are_no_stack(segment):
    picture = bright((60, 80), (20, 20, 12, 255), (40, 60, 12, 255)).astype(np.uint8)
    report = segment(picture[None, None], metadata={"axes": "TZYX"}, ome=True)
    assert (report.error, report.skipped) == ("", ())
    assert objects(report) == [20, 60]
    assert [file.name for file in report.files][-1] == "p_masks.csv"
