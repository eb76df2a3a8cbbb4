"""Pictures of any dimensions, types and kinds of arrays, plane by plane."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import zarr

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image import ImageSource, Plane
from napari_semantic_sam.inference.normalisation import normalise

LENGTHS = {"T": 3, "Z": 4, "C": 5, "Y": 21, "X": 33, "S": 3}
DTYPES = ["bool", "uint8", "int16", ">u2", "uint32", "int64", "float16", "float32", "float64"]


def some_values(rng, shape, dtype):
    values = rng.normal(90, 50, shape)
    if dtype == "bool":
        return values > 100
    if np.dtype(dtype).kind == "f":
        values.swapaxes(np.argmax(shape), 0)[0] = np.nan  # a border that a registration left
        values[rng.random(shape) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
        return values.astype(dtype)
    return np.clip(values, 0, 255).astype(dtype)


def zarr_of(array, chunk=8):
    chunks = tuple(min(chunk, length) for length in array.shape)
    return zarr.create_array({}, data=array, chunks=chunks)


def some_box(rng, shape):
    (y0, y1), (x0, x1) = (sorted(rng.choice(side + 1, 2, replace=False)) for side in shape)
    return int(y0), int(x0), int(y1), int(x1)


@pytest.mark.parametrize("seed", range(60))
def test_planes_are_what_normalise_makes_of_them(seed):
    rng = np.random.default_rng(seed)
    others = [letter for letter in "TZ" if rng.random() < 0.5]
    channel = rng.choice(["", "C", "S"])
    axes = "".join(rng.permutation([*others, *channel, "Y", "X"]))
    dtype = DTYPES[seed % len(DTYPES)]
    array = some_values(rng, [LENGTHS[letter] for letter in axes], dtype)
    chosen = None
    if channel == "C" or rng.random() < 0.3:
        chosen = tuple(int(each) for each in rng.integers(0, LENGTHS.get(channel, 1), 2))
    limits = (20.0, 140.0) if rng.random() < 0.3 else None

    kept = zarr_of(array) if dtype != ">u2" and rng.random() < 0.5 else array
    source = ImageSource((kept,), axes, chosen, limits)
    assert source.shape == (21, 33)
    assert source.plane_axes == "".join(letter for letter in "TZ" if letter in others)
    indices = list(source.planes())
    assert len(set(indices)) == math.prod(source.plane_counts)

    index = indices[rng.integers(len(indices))]
    where = dict(zip(source.plane_axes, index, strict=True))
    expected = array[tuple(where.get(letter, slice(None)) for letter in axes)]
    rest = [letter for letter in axes if letter not in where]
    expected = expected.transpose([rest.index(letter) for letter in ("Y", "X", *channel)])
    whole = normalise(expected, channels=chosen, contrast_limits=limits)
    plane = source.plane(index)
    y0, x0, y1, x1 = box = some_box(rng, plane.shape)
    read = plane.read(box)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, whole[y0:y1, x0:x1])


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4), (1, 20, 30), (20, 30, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_plane_of_an_array_reads_as_normalise(shape, dtype):
    array = some_values(np.random.default_rng(5), shape, dtype)
    np.testing.assert_array_equal(Plane.of(array).read((0, 0, 20, 30)), normalise(array))


@pytest.mark.parametrize("shape", [(20,), (5, 20, 30), (7, 30), (2, 2, 20, 30)])
def test_a_plane_of_an_array_refuses_what_normalise_refuses(shape):
    with pytest.raises(UserError) as expected:
        normalise(np.zeros(shape))
    with pytest.raises(UserError) as error:
        Plane.of(np.zeros(shape))
    assert str(error.value) == str(expected.value)


def test_two_channels_are_red_and_green():
    array = np.random.default_rng(0).integers(0, 999, (2, 20, 30), dtype=np.uint16)
    read = ImageSource((array,), "CYX").plane().read((0, 0, 20, 30))
    np.testing.assert_array_equal(read[..., 0], normalise(array[0])[..., 0])
    np.testing.assert_array_equal(read[..., 1], normalise(array[1])[..., 0])
    assert not read[..., 2].any()


def test_transparency_and_single_samples_are_left_out():
    array = np.random.default_rng(0).integers(0, 255, (20, 30, 4), dtype=np.uint8)
    for count in (1, 2):
        plane = ImageSource((array[..., :count],), "YXS").plane()
        np.testing.assert_array_equal(plane.read((0, 0, 20, 30)), normalise(array[..., 0]))


def test_channels_in_colours_want_one_of_them():
    array = np.random.default_rng(0).integers(0, 255, (2, 20, 30, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="2 channels in colours; choose one of them"):
        ImageSource((array,), "CYXS")
    plane = ImageSource((array,), "CYXS", channels=(1,)).plane()
    np.testing.assert_array_equal(plane.read((0, 0, 20, 30)), normalise(array[1]))
    one = ImageSource((array[:1],), "CYXS").plane()
    np.testing.assert_array_equal(one.read((0, 0, 20, 30)), normalise(array[0]))


def test_singleton_axes_need_no_index():
    array = np.random.default_rng(0).random((1, 1, 20, 30))
    source = ImageSource((array,), "TZYX")
    assert (source.plane_axes, source.plane_counts) == ("TZ", (1, 1))
    np.testing.assert_array_equal(source.plane().read((0, 0, 20, 30)), normalise(array[0, 0]))


@pytest.mark.parametrize("index", [(), (3,), (-1,), (0, 0)])
def test_planes_that_do_not_exist(index):
    source = ImageSource((np.zeros((3, 20, 30)),), "ZYX", name="cells.tif")
    with pytest.raises(UserError, match=r"cells\.tif has no plane .*z from 0 to 2"):
        source.plane(index)


# What cannot be used


@pytest.mark.parametrize(
    ("arrays", "axes", "options", "words"),
    [
        ((np.zeros((37, 20, 30)),), "CYX", {}, "it has 37 channels; choose up to three of them, 0"),
        (
            (np.zeros((0, 20, 30)),),
            "ZYX",
            {},
            r"it is empty: .*\(0, 20, 30\), with nothing along Z",
        ),
        ((np.zeros((20, 0)),), "YX", {}, "with nothing along X"),
        ((np.array([[None] * 30] * 20),), "YX", {}, "it holds objects instead of numbers"),
        ((np.zeros((20, 30), complex),), "YX", {}, "it holds complex128 values"),
        ((np.zeros((7, 30)),), "YX", {}, "it is 7 × 30 pixels; at least 8 × 8"),
        ((), "YX", {}, "it holds no array"),
        ((np.zeros((20, 30)),), "ZYX", {}, "name 3 dimensions, but the picture has 2"),
        ((np.zeros((20, 30)),), "YX", {"channels": (1,)}, "it has one channel; leave"),
        ((np.zeros((5, 20, 30)),), "CYX", {"channels": (0, 1, 2, 3)}, "one to three of them"),
        ((np.zeros((20, 30)),), "YX", {"contrast_limits": (3, 3)}, "make no range"),
        ((np.zeros((20, 30)),), "YX", {"pixel_size": 0.0}, "above 0, not 0"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_read(arrays, axes, options, words):
    with pytest.raises(UserError, match=words) as error:
        ImageSource(arrays, axes, name="it", **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("shapes", "axes", "words"),
    [
        ([(64, 64), (32, 16)], "YX", "is not equally coarser in y and x"),
        ([(64, 64), (64, 64)], "YX", "is not coarser than the one before"),
        ([(32, 32), (64, 64)], "YX", "is not coarser than the one before"),
        ([(64, 64), (16, 16), (32, 32)], "YX", "level 2, of shape .* is not coarser"),
        ([(64, 64), (3, 32, 32)], "YX", "has other dimensions"),
        ([(3, 64, 64), (2, 32, 32)], "CYX", "differs in C"),
        ([(3, 64, 64), (4, 32, 32)], "ZYX", "has more slices in Z"),
        ([(64, 64), (0, 32)], "YX", "is empty"),
    ],
)
def test_levels_that_disagree(shapes, axes, words):
    levels = tuple(np.zeros(shape, np.uint8) for shape in shapes)
    with pytest.raises(UserError, match=f"a pyramid whose levels disagree: .*{words}"):
        ImageSource(levels, axes)


def test_levels_of_different_types_disagree():
    levels = (np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint16))
    with pytest.raises(UserError, match="holds uint16 instead of uint8"):
        ImageSource(levels, "YX")


def test_a_plane_without_a_finite_value_is_named():
    array = np.zeros((2, 20, 30))
    array[1] = np.nan
    source = ImageSource((array,), "ZYX", name="cells.tif")
    source.plane((0,)).read((0, 0, 20, 30))
    with pytest.raises(UserError, match=r"cells\.tif \(z = 1\) has no finite value"):
        source.plane((1,)).read((0, 0, 9, 9))


# Pyramids and lazy arrays


@pytest.mark.parametrize(
    ("sizes", "factors"),
    [
        ([(64, 96), (32, 48), (16, 24)], (1, 2, 4)),
        ([(65, 97), (33, 49), (17, 25)], (1, 2, 4)),
        ([(65, 97), (32, 48), (16, 24)], (1, 2, 4)),
        ([(90, 120), (60, 80)], (1, 1.5)),
        ([(1000, 770), (4, 3)], (1, 253)),
    ],
)
def test_factors_of_a_pyramid(sizes, factors):
    levels = tuple(np.zeros(size, np.uint8) for size in sizes)
    plane = ImageSource(levels, "YX").plane()
    assert plane.factors == pytest.approx(factors, rel=1e-3)
    assert plane.shapes == tuple(sizes)


def test_pyramid_levels_are_read_with_the_contrast_of_the_finest():
    array = np.random.default_rng(0).integers(0, 4000, (4, 64, 96), dtype=np.uint16)
    levels = (array, array[::2, ::2, ::2], array[::4, ::4, ::4])  # coarser in depth, too
    plane = ImageSource(levels, "ZYX").plane((2,))
    (limits,) = plane.limits
    expected = normalise(array[2, ::2, ::2], contrast_limits=limits)
    assert limits == tuple(np.percentile(array[2], (0.1, 99.9)))
    coarse = normalise(array[2, 3::2, ::2][:8], contrast_limits=limits)
    assert coarse.shape == (8, 48, 3)
    np.testing.assert_array_equal(plane.read((5, 0, 20, 40), 1), expected[5:20, :40])


class Counting:
    """An array that is not there: every value is computed, and every read counted."""

    def __init__(self, shape, dtype=np.uint16):
        self.shape, self.dtype, self.read = shape, np.dtype(dtype), 0

    def __getitem__(self, key):
        rows, columns = (np.arange(side)[part] for side, part in zip(self.shape, key, strict=True))
        self.read += rows.size * columns.size
        return ((rows[:, None] * 7 + columns * 13) % 4000).astype(self.dtype)


def test_a_huge_plane_is_never_read_whole():
    array = Counting((50_000, 90_000))
    plane = ImageSource((array,), "YX").plane()
    ((low, high),) = plane.limits
    assert low < 40
    assert high > 3960
    assert plane.content_hash() == ImageSource((array,), "YX").plane().content_hash()
    before = array.read
    assert before < 2**20
    values = plane.read((49_000, 60_000, 49_200, 60_300))
    assert array.read - before == 200 * 300
    part = ((np.arange(49_000, 49_200)[:, None] * 7 + np.arange(60_000, 60_300) * 13) % 4000) + 0.0
    np.testing.assert_allclose(values, normalise(part, contrast_limits=(low, high)), atol=1e-3)


class Slide(Counting):
    """One value all over, but for a square that no block of the first sample touches."""

    def __init__(self, background, dtype, *, square=True):
        super().__init__((6000, 6000), dtype)
        self.background, self.square = background, square

    def __getitem__(self, key):
        values = super().__getitem__(key)
        rows, columns = (np.arange(6000)[part] for part in key)
        inside = ((rows >= 850) & (rows < 1100))[:, None] & ((columns >= 850) & (columns < 1100))
        return np.where(inside & self.square, values, self.dtype.type(self.background))


@pytest.mark.parametrize(("background", "dtype"), [(7, np.uint16), (np.nan, np.float32)])
def test_little_on_a_huge_plane_is_visible(background, dtype):
    array = Slide(background, dtype)
    plane = ImageSource((array,), "YX").plane()
    values = plane.read((900, 900, 1000, 1000))
    assert values.max() > 200
    assert values.std() > 20
    assert array.read < 6000 * 6000 / 4


def test_a_huge_constant_plane_is_black_and_one_without_values_an_error():
    plane = ImageSource((Slide(7, np.uint16, square=False),), "YX").plane()
    assert not plane.read((900, 900, 1000, 1000)).any()
    nothing = ImageSource((Slide(np.nan, np.float32, square=False),), "YX", name="slide").plane()
    with pytest.raises(UserError, match="slide has no finite value"):
        _ = nothing.limits


def test_tissue_on_a_tinted_slide_is_visible():
    """Its colours differ, but nothing else does in the blocks that are looked at first."""
    slide = np.empty((5000, 5000, 3), np.uint8)
    slide[:] = (242, 240, 243)
    slide[850:1100, 850:1100] = np.random.default_rng(0).integers(60, 200, (250, 250, 3))
    plane = ImageSource((slide,), "YXS").plane()
    values = plane.read((900, 900, 1000, 1000))
    assert values.std() > 20


def test_colour_on_a_grey_slide_stays():
    grey = np.random.default_rng(0).integers(60, 200, (5000, 5000), np.uint8)
    slide = np.stack([grey] * 3, axis=-1)
    as_before = ImageSource((slide.copy(),), "YXS").plane().read((0, 0, 50, 50))
    slide[900:1000, 900:1000] = (130, 20, 20)
    plane = ImageSource((slide,), "YXS").plane()
    red, green, _ = np.moveaxis(plane.read((900, 900, 1000, 1000)), -1, 0)
    assert (red - green).min() > 50
    np.testing.assert_allclose(plane.read((0, 0, 50, 50)), as_before, atol=1e-3)


class HalfEmpty:
    """Two channels that are computed as they are read, the second one without light."""

    def __init__(self, side):
        self.shape, self.dtype, self.ndim = (2, side, side), np.dtype(np.uint16), 3
        self._first = Counting((side, side))

    def __getitem__(self, key):
        first = self._first[key[1:]]
        return np.stack([first, np.zeros_like(first)])[key[0]]


def test_an_empty_channel_does_not_fill_the_memory():
    plane = ImageSource((HalfEmpty(6000),), "CYX").plane()
    tracemalloc.start()
    first, second = plane.limits
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first[1] - first[0] > 3900
    assert second == (0, 0)
    assert peak < 6000 * 6000


def test_a_channel_without_values_is_named():
    image = np.stack([np.arange(400.0).reshape(20, 20), np.full((20, 20), np.nan)])
    plane = ImageSource((image,), "CYX", name="cells.tif").plane()
    with pytest.raises(UserError, match=r"cells\.tif, the 2\. of its 2 channels, has no finite"):
        _ = plane.limits


def test_the_coarse_level_of_a_huge_pyramid_is_enough_for_the_contrast():
    levels = tuple(Counting((40_960 >> k, 40_960 >> k)) for k in range(8))
    plane = ImageSource(levels, "YX").plane()
    assert plane.limits
    assert [level.read for level in levels] == [0, 0, 0, 0, 0, 0, 640 * 640, 0]


@pytest.mark.parametrize("shape", [(100, 200_000), (200_000, 9)])
def test_long_thin_planes(shape):
    plane = ImageSource((Counting(shape),), "YX").plane()
    assert plane.read((0, 0, 9, 9)).shape == (9, 9, 3)


def test_boxes_lie_in_the_plane():
    plane = Plane.of(np.zeros((20, 30)))
    for box in [(0, 0, 21, 30), (-1, 0, 5, 5), (3, 3, 3, 9)]:
        with pytest.raises(ValueError, match="does not lie in a plane"):
            plane.read(box)


def test_memory_maps(tmp_path):
    array = np.random.default_rng(0).integers(0, 999, (3, 20, 30), dtype=np.uint16)
    array.tofile(tmp_path / "raw")
    mapped = np.memmap(tmp_path / "raw", np.uint16, "r", shape=array.shape)
    read = ImageSource((mapped,), "ZYX").plane((1,)).read((2, 3, 10, 20))
    np.testing.assert_array_equal(read, normalise(array[1])[2:10, 3:20])


def test_dask_arrays_are_computed_only_where_needed():
    dask = pytest.importorskip("dask.array")
    rng = np.random.default_rng(0)
    array = rng.integers(0, 999, (3, 2, 40, 60), dtype=np.uint16)
    computed = []

    def look(block, block_info=None):
        computed.append(block_info[0]["chunk-location"])
        return block

    lazy = dask.from_array(array, chunks=(1, 1, 20, 20)).map_blocks(look, dtype=array.dtype)
    plane = ImageSource((lazy,), "ZCYX", channels=(1,)).plane((2,))
    assert computed == []
    plane.read((0, 0, 9, 9))
    assert {place[:2] for place in computed} == {(2, 1)}
    computed.clear()
    read = plane.read((5, 25, 15, 35))
    assert computed == [(2, 1, 0, 1)]
    np.testing.assert_array_equal(read, normalise(array[2, 1])[5:15, 25:35])


def test_a_dask_graph_that_raises_on_one_tile_names_the_picture():
    dask = pytest.importorskip("dask.array")
    limits = (0.0, 1.0)

    def fail(block, block_info=None):
        if block_info[0]["chunk-location"] == (0, 1):
            raise OSError("the microscope\nis off")
        return block

    lazy = dask.ones((5000, 5000), chunks=2500).map_blocks(fail, dtype=float)
    level = dask.ones((1000, 1000))
    plane = ImageSource((lazy, level), "YX", None, limits, name="scan").plane()
    plane.read((0, 0, 9, 9))
    with pytest.raises(
        UserError,
        match=r"scan could not be read at rows 0 to 9, columns 2600 to 2609: .*"
        r"\(the microscope is off\)",
    ):
        plane.read((0, 2600, 9, 2609))


def test_a_damaged_zarr_chunk_names_the_picture_and_a_missing_one_is_empty(tmp_path):
    array = np.random.default_rng(0).integers(1, 999, (40, 60), dtype=np.uint16)
    stored = zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(20, 20))
    (tmp_path / "a.zarr" / "c" / "0" / "1").unlink()
    plane = ImageSource((stored,), "YX", None, (0, 1000), name="a.zarr").plane()
    assert not plane.read((0, 20, 20, 40)).any()
    (tmp_path / "a.zarr" / "c" / "1" / "1").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"a\.zarr could not be read at rows 20 to 21"):
        ImageSource((stored,), "YX", name="a.zarr").plane().levels[0].read((20, 20, 21, 21))


def test_the_fingerprint_tells_pictures_apart():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (2, 3, 40, 60), dtype=np.uint8)

    def of(source, index=(0,)):
        return source.plane(index).content_hash()

    known = of(ImageSource((array,), "ZCYX"))
    assert known == of(ImageSource((zarr_of(array),), "ZCYX"))
    changed = array.copy()
    changed[0, 1, 17, 23] ^= 1
    others = [
        of(ImageSource((changed,), "ZCYX")),
        of(ImageSource((array,), "ZCYX"), (1,)),
        of(ImageSource((array,), "ZCYX", channels=(0, 1))),
        of(ImageSource((array,), "ZCYX", contrast_limits=(0, 255))),
        of(ImageSource((array.astype(np.uint16),), "ZCYX")),
        of(ImageSource((np.moveaxis(array, 1, -1),), "ZYXS")),
    ]
    assert len({known, *others}) == 7
