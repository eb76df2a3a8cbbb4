"""What the user points at is where the user sees it, however an image lies in the viewer."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.widgets import layers as make
from napari_semantic_sam.widgets import prompt_marks as marks
from napari_semantic_sam.widgets.frame import Frame, frame_of

SEEDS = range(25)

# napari says so of volumes that are turned out of the plane on the screen.
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


def random_rotation(rng, ndim):
    matrix, _ = np.linalg.qr(rng.normal(size=(ndim, ndim)))
    return matrix * np.sign(np.linalg.det(matrix))


def random_case(seed):
    """Return an image of any position, an order of axes, and an axis of channels or None."""
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(2, 5))
    lengths = tuple(int(n) for n in rng.integers(8, 14, ndim))
    affine = np.eye(ndim + 1)
    affine[:-1] = rng.normal(size=(ndim, ndim + 1)) + 2 * np.eye(ndim, ndim + 1)
    image = Image(
        np.zeros(lengths, np.uint8),
        name="cells",
        scale=rng.uniform(0.2, 5, ndim),
        translate=rng.uniform(-50, 50, ndim),
        rotate=random_rotation(rng, ndim),
        shear=rng.uniform(-0.5, 0.5, ndim * (ndim - 1) // 2),
        affine=affine,
    )
    viewer = ViewerModel()
    viewer.add_layer(image)
    viewer.dims.order = tuple(int(axis) for axis in rng.permutation(ndim))
    channel = int(rng.integers(ndim)) if ndim > 2 and rng.random() < 0.5 else None
    return rng, viewer, image, frame_of(image, viewer.dims, channel)


def random_place(rng, frame):
    """Return a place in the data, with its plane and pixel."""
    where = np.array([rng.integers(0, length) for length in frame.lengths], dtype=float)
    where[[frame.y, frame.x]] += rng.uniform(-0.4, 0.4, 2)
    return where, tuple(int(where[axis]) for axis in frame.walked), where[[frame.y, frame.x]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_click_lands_where_it_is_seen(seed):
    rng, _, image, frame = random_case(seed)
    clicks = marks.clicks_layer(image, frame)
    for _ in range(5):
        where, plane, pixel = random_place(rng, frame)
        on_screen = image.data_to_world(where)
        clicks.add(clicks.world_to_data(on_screen))
        mark = marks.read(clicks, frame)[-1]
        assert mark.plane == plane
        assert mark.prompt.coordinates == pytest.approx(tuple(pixel), abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_is_seen_where_it_was_written(seed):
    rng, _, image, frame = random_case(seed)
    labels = np.zeros((*frame.stack, *frame.shape), dtype=np.int32)
    layer = make.level_layer(image, 1, frame.in_layer(labels), frame)
    assert layer.data.shape == frame.own_lengths
    where, plane, pixel = random_place(rng, frame)
    labels[(*plane, *np.round(pixel).astype(int))] = 7
    assert np.shares_memory(layer.data, labels)
    seen = layer.world_to_data(image.data_to_world(where))
    assert layer.data[tuple(np.round(seen).astype(int))] == 7
    np.testing.assert_array_equal(frame.in_session(layer.data), labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_prompts_come_back_as_they_were_written(seed):
    rng, _, image, frame = random_case(seed)
    clicks, boxes = marks.clicks_layer(image, frame), marks.boxes_layer(image, frame)
    for layer, shape in ((clicks, None), (boxes, "rectangle"), (boxes, "path"), (boxes, "polygon")):
        _, plane, pixel = random_place(rng, frame)
        y, x = (float(np.float32(value)) for value in pixel)
        if shape is None:
            layer.add(frame.points(plane, [(y, x)]))
        else:
            corners = [(y, x), (y, x + 3), (y + 2, x + 3), (y + 2, x)]
            layer.add(frame.points(plane, corners), shape_type=shape)
    for layer in (clicks, boxes):
        before = marks.read(layer, frame)
        marks.write(layer, before, frame)
        assert marks.read(layer, frame) == before


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_axes_on_the_screen_make_the_plane(viewer_model, order):
    image = viewer_model.add_image(np.zeros((8, 9, 10)), name="stack")
    viewer_model.dims.order = order
    frame = frame_of(image, viewer_model.dims)
    assert frame.walked == (order[0],)
    assert (frame.y, frame.x) == tuple(sorted(order[1:]))


def test_a_flat_image_beside_a_stack_has_its_own_axes(viewer_model):
    image = viewer_model.add_image(np.zeros((8, 9)), name="flat")
    viewer_model.add_image(np.zeros((3, 8, 9)), name="stack")
    viewer_model.dims.order = (1, 0, 2)
    assert frame_of(image, viewer_model.dims) == Frame((8, 9), 0, 1)


def test_channels_on_the_screen_are_no_plane(viewer_model):
    image = viewer_model.add_image(np.zeros((8, 9, 3)), name="channels last", rgb=False)
    assert frame_of(image, viewer_model.dims, 2) == Frame((8, 9, 3), 0, 1, 2)


@pytest.mark.parametrize(
    ("lengths", "names", "letters"),
    [((8, 9), "yx", "YX"), ((5, 8, 9), "qyx", "ZYX"), ((5, 8, 9), "tyx", "TYX")],
)
def test_axes_have_letters(lengths, names, letters):
    assert Frame(lengths, len(lengths) - 2, len(lengths) - 1).letters(names) == letters


def test_two_axes_to_walk_and_channels():
    frame = Frame((4, 5, 3, 8, 9), 3, 4, 2)
    assert frame.letters("abcde") == "TZCYX"
    assert (frame.stack, frame.shape) == ((4, 5), (8, 9))
    with pytest.raises(UserError, match="has 3 axes of slices"):
        Frame((4, 5, 3, 8, 9), 3, 4).letters("abcde")
