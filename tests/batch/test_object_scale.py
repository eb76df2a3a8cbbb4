"""The scale of a run, from what a user says about objects."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile

from napari_semantic_sam.batch.object_scale import ObjectScale
from napari_semantic_sam.batch.pictures import PictureOptions, open_picture
from napari_semantic_sam.errors import UserError


@pytest.mark.parametrize(
    ("wish", "pixel_size", "scale"),
    [
        (ObjectScale(), 0.5, None),
        (ObjectScale(scale=0.25), 0.5, 0.25),
        (ObjectScale("128"), 0.5, 0.5),
        (ObjectScale(" 32 px"), None, 2.0),
        (ObjectScale("64um"), 0.5, 0.5),
        (ObjectScale("8.0 µm"), 0.25, 2.0),
    ],
)
def test_a_wish_gives_the_scale_of_a_plane(wish, pixel_size, scale):
    wish.check()
    wished = wish.of(pixel_size)
    assert (wished and wished.scale) == scale


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (ObjectScale("12um", 0.5), "leave out --scale or --object-size"),
        (ObjectScale("large"), '--object-size "large" cannot be read; write "30" in pixels'),
        (ObjectScale("-3"), "cannot be read"),
        (ObjectScale(scale=99.0), "scale must be a number from 1/64 to 16"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(wish, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        wish.check()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("12um", "size of a pixel is not known"), ("0", "size of objects must be a number of pixels")],
)
def test_what_a_plane_does_not_allow_is_said(text, sentence):
    with pytest.raises(UserError, match=sentence):
        ObjectScale(text).of(None)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {},
            "3 planes are, and they are taken for channels; if they are slices, give the axes ZYX",
        ),
        ({"axes": "ZYX"}, ""),
        ({"axes": "CYX"}, ""),
    ],
)
def test_axes_that_were_guessed_are_said(tmp_path, said, sentence):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 90, 80), np.uint16), photometric="minisblack")
    with open_picture(path, PictureOptions(**said)) as picture:
        assert len(picture.notices) == bool(sentence)
        assert all(sentence in each and str(path) in each for each in picture.notices)


def test_many_planes_without_names_are_no_reason_to_stop(tmp_path):
    path = tmp_path / "a.tif"
    shape = (10, 9, 2, 40, 30)
    tifffile.imwrite(path, np.zeros(shape, np.uint16), photometric="minisblack")
    with open_picture(path, PictureOptions()) as picture:
        (notice,) = picture.notices
        assert notice.endswith("planes are, and they are taken for channels.")


def test_every_picture_comes_with_what_the_wish_means_for_it(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((90, 80), np.uint8))
    wish = ObjectScale("8um")
    with open_picture(path, PictureOptions(pixel_size=0.25, object_scale=wish)) as picture:
        (sentence,) = picture.notices
    assert sentence == (
        f"{path}: You said that objects are about 8 µm (32 pixels) across: the model sees it 2 "
        "times larger."
    )
    with open_picture(path, PictureOptions(pixel_size=0.25)) as picture:
        assert picture.notices == ()
    with (
        pytest.raises(UserError, match=r"a\.tif: .*size of a pixel is not known"),
        open_picture(path, PictureOptions(object_scale=wish)),
    ):
        pass
