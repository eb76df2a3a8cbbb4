"""What the dimensions of an array are."""

from __future__ import annotations

import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image import checked_axes, guess_axes


@pytest.mark.parametrize(
    ("shape", "names", "axes"),
    [
        ((40, 50), None, "YX"),
        ((40, 50, 3), None, "YXS"),
        ((40, 50, 4), None, "YXS"),
        ((40, 50, 2), None, "YXC"),
        ((3, 40, 50), None, "CYX"),
        ((5, 40, 50), None, "CYX"),
        ((37, 40, 50), None, "ZYX"),
        ((1, 40, 50), None, "CYX"),
        ((30, 2, 40, 50), None, "ZCYX"),
        ((2, 30, 40, 50), None, "CZYX"),
        ((12, 30, 40, 50), None, "TZYX"),
        ((12, 30, 40, 50, 3), None, "TZYXS"),
        ((1, 1, 40, 50), None, "ZCYX"),
        ((1, 1, 1, 40, 50), None, "TZCYX"),
        ((12, 30, 2, 40, 50), None, "TZCYX"),
        ((12, 30, 25, 40, 50), None, "CTZYX"),
        ((5, 40, 50), "ZYX", "ZYX"),
        ((40, 50, 5), ("y", "x", "channel"), "YXC"),
        ((40, 50, 5), ("X", "Y", "Z"), "XYZ"),
        ((9, 5, 40, 50), ("time", "", "row", "column"), "TCYX"),
        ((9, 5, 40, 50), ("-4", "-3", "-2", "-1"), "ZCYX"),
        ((3, 40, 50), ("C", "-2", "-1"), "CYX"),
        ((9, 40, 50), ("I", "Y", "X"), "ZYX"),
        ((3, 40, 50, 3), ("", "", "", "S"), "ZYXS"),
        ((2, 40, 50), ("one name for", "three dimensions"), "CYX"),
    ],
)
def test_names_are_believed_and_the_rest_is_guessed(shape, names, axes):
    assert guess_axes(shape, "uint16", names) == axes


def test_truth_values_are_no_colours():
    assert guess_axes((40, 50, 3), bool) == "YXC"


@pytest.mark.parametrize(
    ("shape", "names", "axes"),
    [
        ((12, 40, 50), None, "CYX"),
        ((40, 50, 12), None, "YXC"),
        ((40, 50, 40), None, "YXC"),
        ((12, 40, 50), ("Q", "Y", "X"), "CYX"),
        ((30, 12, 40, 50), None, "ZCYX"),
        ((12, 40, 50), "ZYX", "ZYX"),
    ],
)
def test_chosen_channels_are_looked_for_where_nothing_is_known(shape, names, axes):
    assert guess_axes(shape, "uint16", names, has_channels=True) == axes


@pytest.mark.parametrize(
    ("shape", "names", "words"),
    [
        ((40,), None, "has 1 dimensions"),
        ((2,) * 7, None, "has 7 dimensions"),
        ((9, 9, 9, 9, 40, 50), None, "too many are unknown"),
        ((9, 9, 40, 50), "ZZYX", "have Z twice"),
        ((9, 40), ("z", "c"), "no two dimensions for y and x"),
    ],
)
def test_what_cannot_be_guessed(shape, names, words):
    with pytest.raises(UserError, match=words):
        guess_axes(shape, "uint8", names)


def test_given_axes_may_be_small_letters():
    assert checked_axes(" zyx ", (3, 4, 5)) == "ZYX"


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("QYX", "have the letter Q"),
        ("YYX", "have Y twice"),
        ("ZCY", "need both Y and X"),
        ("YX", r"name 2 dimensions, but the picture has 3, shape \(3, 4, 5\)"),
    ],
)
def test_given_axes_must_fit(axes, words):
    with pytest.raises(UserError, match=words):
        checked_axes(axes, (3, 4, 5))
