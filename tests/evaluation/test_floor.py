from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.evaluation.floor import otsu_watershed
from napari_semantic_sam.evaluation.metrics import detect


def discs(*, background: float, foreground: float) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of three discs, two of them touching, and its labels."""
    yy, xx = np.mgrid[:96, :128]
    labels = np.zeros((96, 128), int)
    for label, (y, x) in enumerate([(30, 30), (30, 53), (70, 90)], start=1):
        labels[(yy - y) ** 2 + (xx - x) ** 2 <= 12**2] = label
    picture = np.where(labels > 0, foreground, background)
    return picture + np.random.default_rng(0).normal(0, 5, labels.shape), labels


@pytest.mark.parametrize(("background", "foreground"), [(30, 200), (220, 90)])
def test_touching_discs_are_told_apart(background, foreground):
    picture, labels = discs(background=background, foreground=foreground)
    (found,) = detect(labels, otsu_watershed(picture), [0.8])
    assert (found.matched, found.missed, found.spurious) == (3, 0, 0)


def test_colours_and_transparency():
    picture, labels = discs(background=30, foreground=200)
    rgba = np.stack([picture, picture, picture, np.full_like(picture, 255)], axis=-1)
    (found,) = detect(labels, otsu_watershed(rgba.clip(0, 255).astype(np.uint8)), [0.8])
    assert found.f1 == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_dark(value):
    picture, labels = discs(background=30, foreground=200)
    picture[:3] = value
    (found,) = detect(labels, otsu_watershed(picture), [0.8])
    assert (found.matched, found.missed, found.spurious) == (3, 0, 0)
    assert not otsu_watershed(np.full((20, 20), value)).any()


def test_a_constant_picture_holds_nothing():
    assert not otsu_watershed(np.full((20, 20), 7, np.uint16)).any()
