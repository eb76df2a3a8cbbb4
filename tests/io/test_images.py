"""Pictures and label images in the formats people have, and in the states they are in."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.images import read_image, read_labels, write_labels

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 30), dtype=np.uint8)
GREY16 = RNG.integers(0, 65536, (40, 30), dtype=np.uint16)
RGB = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (40, 30, 4), dtype=np.uint8)


def save(path, array):
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="rgb" if array.shape[-1] == 3 else "minisblack")
    elif array.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(array))
    else:
        Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize("array", [GREY, GREY16, RGB, RGBA], ids=["grey", "grey16", "rgb", "rgba"])
def test_png_keeps_values_and_depth(tmp_path, array):
    read = read_image(save(tmp_path / "picture.png", array))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_png_with_16_bit_colours_keeps_them(tmp_path):
    colours = RNG.integers(0, 65536, (12, 9, 3), dtype=np.uint16)
    np.testing.assert_array_equal(read_image(save(tmp_path / "picture.png", colours)), colours)


def test_png_with_16_bit_grey_and_alpha_becomes_rgba(tmp_path):
    grey_alpha = RNG.integers(0, 65536, (12, 9, 2), dtype=np.uint16)
    read = read_image(save(tmp_path / "picture.png", grey_alpha))
    np.testing.assert_array_equal(read, grey_alpha[..., [0, 0, 0, 1]])


def test_palette_png_becomes_rgb(tmp_path):
    picture = Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "picture.png")
    read = read_image(tmp_path / "picture.png")
    np.testing.assert_array_equal(read, np.asarray(picture.convert("RGB")))


def test_grey_with_alpha_becomes_rgba(tmp_path):
    Image.fromarray(GREY).convert("LA").save(tmp_path / "picture.png")
    np.testing.assert_array_equal(read_image(tmp_path / "picture.png")[..., 0], GREY)
    assert read_image(tmp_path / "picture.png").shape == (40, 30, 4)


def test_jpeg(tmp_path):
    smooth = np.tile(np.arange(30, dtype=np.uint8)[None, :, None] * 8, (40, 1, 3))
    Image.fromarray(smooth).save(tmp_path / "photo.jpg", quality=95)
    read = read_image(tmp_path / "photo.jpg")
    assert read.shape == (40, 30, 3)
    assert np.abs(read.astype(int) - smooth).max() < 16


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(20, 10), (20, 10, 5), (4, 20, 10)])
def test_tiff_comes_as_it_is(tmp_path, dtype, shape):
    array = RNG.integers(0, 200, shape).astype(dtype)
    read = read_image(save(tmp_path / "picture.tif", array))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_tiff_with_separate_colour_planes_has_its_colours_last(tmp_path):
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(path), RGB)


@pytest.mark.parametrize("compression", [None, "group4"])
def test_one_bit_tiff_is_bool_as_a_picture_and_01_as_labels(tmp_path, compression):
    Image.fromarray(GREY > 127).save(tmp_path / "mask.tif", compression=compression)
    picture, labels = read_image(tmp_path / "mask.tif"), read_labels(tmp_path / "mask.tif")
    assert picture.dtype == bool
    np.testing.assert_array_equal(picture, GREY > 127)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, GREY > 127)


def test_the_content_decides_and_not_the_name(tmp_path):
    save(tmp_path / "picture.png", RGB).rename(tmp_path / "picture.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "picture.tif"), RGB)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("share", [0.02, 0.3, 0.98])
@pytest.mark.parametrize("name", ["deep.png", "plain.png", "photo.jpg", "raw.tif", "zlib.tif"])
def test_files_that_are_cut_off(tmp_path, name, share):
    path = tmp_path / name
    large = RNG.integers(0, 256, (300, 200), dtype=np.uint8)
    if name == "zlib.tif":
        tifffile.imwrite(path, large, compression="zlib", rowsperstrip=16)
    else:
        save(path, np.dstack([large.astype(np.uint16)] * 3) if name == "deep.png" else large)
    with pytest.raises(UserError, match="damaged, cut off") as caught:
        read_image(cut(path, share))
    assert name in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_stack_that_is_cut_off_is_not_taken_for_its_first_page(tmp_path, share, capfd):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([GREY] * 20), imagej=True)
    with pytest.raises(UserError, match=r"stack\.tif .*cut off"):
        read_image(cut(path, share))
    assert capfd.readouterr().err == ""  # one sentence, no noise of libraries before it


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_text("x,y\n1,2\n" * 40), "is not a TIFF, PNG or JPEG"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "does not exist"),
    ],
    ids=["text", "0 bytes", "folder", "missing"],
)
def test_what_is_no_picture(tmp_path, read, make, sentence):
    path = tmp_path / "cells.tif"
    make(path)
    with pytest.raises(UserError, match=rf"cells\.tif {sentence}"):
        read(path)


def test_palette_labels_are_the_indices(tmp_path):
    indices = RNG.integers(0, 5, (20, 10), dtype=np.uint8)
    picture = Image.fromarray(indices)
    picture.putpalette(RNG.integers(0, 256, 15, dtype=np.uint8).tobytes())
    picture.save(tmp_path / "labels.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.png"), indices)


def test_labels_may_be_several_levels(tmp_path):
    levels = RNG.integers(0, 9, (3, 20, 10)).astype(np.uint16)
    np.testing.assert_array_equal(read_labels(save(tmp_path / "labels.tif", levels)), levels)


def test_whole_numbers_in_floating_point_are_labels(tmp_path):
    read = read_labels(save(tmp_path / "labels.tif", GREY.astype(np.float32)))
    assert read.dtype == np.int64
    np.testing.assert_array_equal(read, GREY)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (RGB, "colour"),
        (GREY / 7, "whole numbers"),
        (np.full((9, 9), np.nan, np.float32), "whole numbers"),
        (np.full((9, 9), np.inf, np.float32), "whole numbers"),
        (np.full((9, 9), 1e20), "whole numbers"),
        (GREY.astype(np.int16) - 1000, "negative"),
        (np.zeros((2, 2, 9, 9), np.uint8), "shape"),
    ],
    ids=["rgb", "fractions", "nan", "infinite", "huge", "negative", "4-D"],
)
def test_what_is_no_label_image(tmp_path, array, sentence):
    with pytest.raises(UserError, match=rf"labels\.tif .*{sentence}"):
        read_labels(save(tmp_path / "labels.tif", array))


@pytest.mark.parametrize(
    ("largest", "dtype"), [(1, np.uint16), (65535, np.uint16), (65536, np.uint32)]
)
def test_labels_come_back_as_written(tmp_path, largest, dtype):
    labels = np.zeros((30, 3), dtype=np.int64)
    labels[4:9] = largest
    write_labels(tmp_path / "labels.tif", labels)
    read = read_labels(tmp_path / "labels.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, labels)


def test_written_labels_are_compressed(tmp_path):
    write_labels(tmp_path / "labels.tif", np.zeros((500, 500), dtype=np.int32))
    assert (tmp_path / "labels.tif").stat().st_size < 20_000
