"""A journal knows its picture again, however that is opened."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from annotation_acts import HEADER

from napari_semantic_sam.annotation.picture_hash import Recogniser, picture_hash
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.io.opening import open_image

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 900, (50, 70), dtype=np.uint16)
STACK = RNG.integers(0, 255, (5, 40, 30), dtype=np.uint8)
COLOURS = RNG.integers(0, 255, (30, 40, 4), dtype=np.uint8)


class Lazy:
    """A plane computed where it is read, which notes how many pixels that were."""

    dtype = np.dtype(np.uint16)

    def __init__(self, side, texture=True):
        self.shape = (side, side)
        self.texture = texture
        self.pixels = 0

    def __getitem__(self, key):
        rows, columns = (np.arange(*each.indices(self.shape[0]), dtype=np.int32) for each in key)
        self.pixels += rows.size * columns.size
        values = (
            (rows[:, None] * 7 + columns) % 251 if self.texture else rows[:, None] * columns * 0
        )
        return values.astype(self.dtype)


def in_every_way(array, folder):
    """Return an array as memory maps, dask, zarr, and in another byte order and layout."""
    path = folder / "memory.dat"
    mapped = np.memmap(path, array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    stored = zarr.create_array(folder / "a.zarr", data=array, chunks=(*array.shape[:-2], 16, 16))
    return [
        mapped,
        da.from_array(array, chunks=16),
        stored,
        np.asfortranarray(array),
        array.astype(array.dtype.newbyteorder(">")),
    ]


@pytest.mark.parametrize(("array", "axes"), [(PLANE, "YX"), (STACK, "ZYX"), (STACK[:2], "CYX")])
def test_one_picture_has_one_hash(tmp_path, array, axes):
    wanted = picture_hash(ImageSource((array,), axes))
    found = [picture_hash(ImageSource((each,), axes)) for each in in_every_way(array, tmp_path)]
    assert set(found) == {wanted}


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_a_file_has_the_hash_of_its_pixels(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", PLANE, **options)
    with open_image(tmp_path / "a.tif") as opened:
        found = picture_hash(ImageSource(opened.levels, "YX"))
    assert found == picture_hash(ImageSource((PLANE,), "YX"))


def test_how_a_picture_is_shown_does_not_matter():
    known = picture_hash(ImageSource((PLANE,), "YX"))
    pyramid = ImageSource((PLANE, PLANE[::2, ::2]), "YX", (0,), (3, 9), 0.5, "other")
    assert picture_hash(pyramid) == known
    assert picture_hash(ImageSource((STACK,), "TYX")) == picture_hash(ImageSource((STACK,), "ZYX"))
    clear = ImageSource((COLOURS * np.uint8([1, 1, 1, 0]),), "YXS")
    assert picture_hash(clear) == picture_hash(ImageSource((COLOURS,), "YXS"))


def test_other_pictures_have_other_hashes():
    changed = PLANE.copy()
    changed[49, 69] += 1
    last = STACK.copy()
    last[4, 20, 20] += 1
    sources = [
        ImageSource((PLANE,), "YX"),
        ImageSource((PLANE,), "XY"),
        ImageSource((PLANE.astype(np.int32),), "YX"),
        ImageSource((changed,), "YX"),
        ImageSource((PLANE.reshape(70, 50),), "YX"),
        ImageSource((STACK,), "ZYX"),
        ImageSource((last,), "ZYX"),
        ImageSource((STACK,), "CYX", (1,)),
        ImageSource((STACK,), "CYX", (1, 2)),
    ]
    assert len({picture_hash(each) for each in sources}) == len(sources)


@pytest.mark.parametrize("texture", [True, False])
def test_a_large_plane_is_never_read_whole(texture):
    lazy = Lazy(20_000, texture)
    known = picture_hash(ImageSource((lazy,), "YX"))
    assert 0 < lazy.pixels < 0.02 * 20_000**2
    assert picture_hash(ImageSource((Lazy(20_000, not texture),), "YX")) != known


def test_a_large_plane_in_memory_has_the_hash_of_a_lazy_one():
    lazy = Lazy(4100)
    whole = lazy[slice(4100), slice(4100)]
    assert picture_hash(ImageSource((whole,), "YX")) == picture_hash(ImageSource((lazy,), "YX"))


def test_a_small_thing_on_an_empty_slide_counts():
    empty = np.zeros((4200, 4200), dtype=np.uint8)
    slide = empty.copy()
    slide[700:1000, 700:1000] = 9
    found = [picture_hash(ImageSource((each,), "YX")) for each in (empty, slide)]
    assert found[0] != found[1]


def test_a_damaged_plane_does_not_stop_the_journal():
    def fail(block):
        raise OSError("lost")

    sound = da.from_array(STACK[:4], chunks=(1, 40, 30))
    stack = da.concatenate([sound, sound[:1].map_blocks(fail, dtype=np.uint8)])
    assert picture_hash(ImageSource((stack,), "ZYX")) != picture_hash(ImageSource((STACK,), "ZYX"))


IN_MEMORY = "0bef4ecd41ab3c5ded223a6ee4bc765eedb4e26ed122b91ffd4efd68654c799f"
OPENED_LAZILY = "5fffb891bf4cf04ee08efac6f4dcdb9a85a34ddba23cb3d6963ce9e0cdbc1018"


@pytest.mark.parametrize("journal", [1, 2])
@pytest.mark.parametrize("known", [IN_MEMORY, OPENED_LAZILY])
def test_journals_of_earlier_versions_know_their_picture(tmp_path, journal, known):
    header = replace(HEADER, journal=journal, image_hash=known)
    picture = (np.arange(12 * 15, dtype=np.uint16) % 37).reshape(12, 15)
    for each in (picture, *in_every_way(picture, tmp_path)[:2]):
        assert Recogniser(ImageSource((each,), "YX")).knows(header)
    assert not Recogniser(ImageSource((picture + 1,), "YX")).knows(header)
    assert not Recogniser(ImageSource((picture,), "YX")).knows(replace(header, journal=3))


def test_an_earlier_journal_of_a_stack_knows_it():
    header = replace(
        HEADER,
        journal=2,
        image_hash="c1ca13a08d3ee983530553e5236d96a99c9aa80f4557bcb73b782999f8e9263d",
    )
    stack = (np.arange(4 * 9 * 11, dtype=np.uint8) % 37).reshape(4, 9, 11)
    assert Recogniser(ImageSource((stack,), "ZYX")).knows(header)
    assert not Recogniser(ImageSource((stack[::-1],), "ZYX")).knows(header)
