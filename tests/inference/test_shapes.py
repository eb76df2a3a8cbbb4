"""Shapes of labels: those of scikit-image, however little is read at a time."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from scipy import ndimage
from skimage.measure import regionprops

from napari_semantic_sam.inference.automatic import shapes
from napari_semantic_sam.inference.automatic.shapes import measure_shapes


@pytest.fixture
def labels():
    """Blobs, a pixel, a line, a diagonal, and a label in two pieces."""
    noise = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(200, 160)), 6)
    image, count = ndimage.label(noise > 0.02)
    image[5, 5] = count + 1
    image[10:40, 150] = count + 2
    image[range(100, 140), range(20, 60)] = count + 3
    image[180:190, 5:9] = image[100:108, 140:150] = count + 4
    return image.astype(np.int32)


def wide(box, shape):
    """A box with room around."""
    y0, x0, y1, x1 = box
    return max(0, y0 - 3), max(0, x0 - 5), min(shape[0], y1 + 2), min(shape[1], x1 + 7)


@pytest.mark.parametrize(
    ("longest", "strip", "neighbourhood"),
    [(2048, 2**22, 1024), (2048, 2**22, 32), (0, 900, 1024), (0, 1, 1024)],
)
@pytest.mark.parametrize("margin", [False, True])
def test_the_numbers_are_those_of_scikit_image(
    tmp_path, monkeypatch, labels, longest, strip, neighbourhood, margin
):
    monkeypatch.setattr(shapes, "_LONGEST", longest)
    monkeypatch.setattr(shapes, "_STRIP", strip)
    monkeypatch.setattr(shapes, "_NEIGHBOURHOOD", neighbourhood)
    expected = {region.label: region for region in regionprops(labels)}
    boxes = {index: region.bbox for index, region in expected.items()}
    if margin:
        boxes = {index: wide(box, labels.shape) for index, box in boxes.items()}
    stored = zarr.create_array(tmp_path / "a.zarr", data=labels, chunks=(64, 64))
    found = dict(measure_shapes(stored, boxes))
    assert found.keys() == expected.keys()
    for index, region in expected.items():
        shape = found[index]
        assert (shape.area, shape.box) == (region.area, region.bbox)
        assert shape.centroid == pytest.approx(region.centroid)
        numbers = {
            "equivalent_diameter_area": shape.equivalent_diameter,
            "perimeter": shape.perimeter,
            "axis_major_length": shape.major_axis,
            "axis_minor_length": shape.minor_axis,
            "eccentricity": shape.eccentricity,
            "solidity": shape.solidity,
        }
        for name, number in numbers.items():
            assert number == pytest.approx(region[name], abs=1e-6), (index, name)


def test_a_label_larger_than_what_is_read_at_once(tmp_path, monkeypatch):
    height, width = 90, 5000
    stored = zarr.create_array(
        tmp_path / "a.zarr", shape=(height, width), chunks=(32, 512), dtype="int32"
    )
    stored[...] = 7
    read = []

    class Watched:
        def __getitem__(self, window):
            part = np.asarray(stored[window])
            read.append(part.size)
            return part

    monkeypatch.setattr(shapes, "_STRIP", 50_000)
    ((index, shape),) = measure_shapes(Watched(), {7: (0, 0, height, width)})
    assert (index, shape.area, shape.box) == (7, height * width, (0, 0, height, width))
    assert shape.solidity == 1
    assert shape.perimeter == 2 * (height - 1) + 2 * (width - 1)
    assert max(read) <= 50_000 + 4 * width
