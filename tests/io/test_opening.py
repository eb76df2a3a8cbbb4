"""Pictures of every kind, opened without being read, and what their files say."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.opening import OpenedImage, Scale, open_image

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (6, 64, 96), dtype=np.uint16)
HYPER = RNG.integers(0, 4000, (2, 3, 2, 32, 48), dtype=np.uint16)
PHOTO = RNG.integers(0, 255, (64, 96, 3), dtype=np.uint8)


def check(opened: OpenedImage, array, names, levels=1):
    """All levels hold every second value of the one before, whole and in parts."""
    assert "".join(opened.names) == names
    assert len(opened.levels) == levels
    for number, level in enumerate(opened.levels):
        step = 1 << number
        expected = array[..., ::step, ::step]
        assert level.dtype == array.dtype
        np.testing.assert_array_equal(level[...], expected)
        np.testing.assert_array_equal(level[..., 3:11, 5:14], expected[..., 3:11, 5:14])


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("tile", [None, (32, 32)])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_plain_tiff_stacks_say_nothing_about_their_axes(tmp_path, compression, tile, bigtiff):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, STACK, compression=compression, tile=tile, bigtiff=bigtiff, photometric="minisblack"
    )
    with open_image(path) as opened:
        check(opened, STACK, "")
        assert len(opened.names) == 3
        assert opened.scale == Scale()
        assert isinstance(opened.levels[0], np.memmap) == (compression is None and tile is None)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_imagej_hyperstacks(tmp_path, byteorder):
    path = tmp_path / "hyper.tif"
    tifffile.imwrite(
        path,
        HYPER.astype(HYPER.dtype.newbyteorder(byteorder)),
        imagej=True,
        byteorder=byteorder,
        resolution=(4, 4),
        metadata={"axes": "TZCYX", "unit": "um", "spacing": 0.7, "finterval": 20.0},
    )
    with open_image(path) as opened:
        assert opened.names == tuple("TZCYX")
        np.testing.assert_array_equal(opened.levels[0][1, 2, 1, 4:9], HYPER[1, 2, 1, 4:9])
        assert opened.scale.sizes == {"T": 20.0, "Z": 0.7, "Y": 0.25, "X": 0.25}
        assert opened.scale.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
        assert opened.scale.pixel_size == 0.25


def write_ome(path, array, axes, levels=1, **facts):
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as writer:
        options = {"tile": (32, 32), "compression": "zlib", "photometric": "minisblack"}
        writer.write(array, subifds=levels - 1, metadata={"axes": axes, **facts}, **options)
        for number in range(1, levels):
            step = 1 << number
            writer.write(array[..., ::step, ::step], subfiletype=1, **options)


def test_pyramidal_ome_tiff(tmp_path):
    facts = {
        "PhysicalSizeX": 325.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.325,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 2.0,
        "TimeIncrement": 3.0,
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    write_ome(tmp_path / "a.ome.tif", HYPER, "TZCYX", levels=3, **facts)
    with open_image(tmp_path / "a.ome.tif") as opened:
        check(opened, HYPER, "TZCYX", levels=3)
        assert opened.scale.sizes == {"T": 3.0, "Z": 2.0, "Y": 0.325, "X": 325.0}
        assert opened.scale.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "nm"}
        assert opened.scale.pixel_size == pytest.approx(0.325)
        assert opened.channel_names == ("DAPI", "GFP")


def test_other_pyramids_in_tiff(tmp_path):
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK[0], subifds=1, tile=(32, 32))
        writer.write(STACK[0, ::2, ::2], subfiletype=1, tile=(32, 32))
    with open_image(path) as opened:
        check(opened, STACK[0], "YX", levels=2)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_keep_their_axis(tmp_path, planar):
    array, names = (PHOTO, "YXS") if planar == "contig" else (np.moveaxis(PHOTO, -1, 0), "SYX")
    options = {"photometric": "rgb", "planarconfig": planar, "tile": (32, 32)}
    tifffile.imwrite(tmp_path / "photo.tif", array, compression="zlib", **options)
    with open_image(tmp_path / "photo.tif") as opened:
        assert "".join(opened.names) == names
        np.testing.assert_array_equal(opened.levels[0][...], array)


def test_one_bit_tiff(tmp_path):
    PIL.Image.fromarray(PHOTO[..., 0] > 99).save(tmp_path / "mask.tif", compression="group4")
    with open_image(tmp_path / "mask.tif") as opened:
        check(opened, PHOTO[..., 0] > 99, "YX")


@pytest.mark.parametrize(("array", "names"), [(PHOTO[..., 0], "YX"), (PHOTO, "YXS")])
def test_png(tmp_path, array, names):
    PIL.Image.fromarray(array).save(tmp_path / "photo.png")
    with open_image(tmp_path / "photo.png") as opened:
        assert "".join(opened.names) == names
        np.testing.assert_array_equal(opened.levels[0], array)


def write_zarr(path, version, record=None, levels=2):
    """An OME-Zarr of a stack; `record` replaces what is said about it."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    for number in range(levels):
        step = 1 << number
        part = STACK[:, ::step, ::step]
        group.create_array(f"s{number}", data=part, chunks=(1, 32, 32))
    axes = [{"name": "t", "type": "time", "unit": "second"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [
        {
            "path": f"s{number}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 0.5 * 2**number, 0.5 * 2**number]}
            ],
        }
        for number in range(levels)
    ]
    overall = [{"type": "scale", "scale": [30.0, 1.0, 1.0]}]
    usual = {
        "multiscales": [{"axes": axes, "datasets": datasets, "coordinateTransformations": overall}],
        "omero": {"channels": [{"label": "phase"}]},
    }
    said = usual if record is None else record
    group.attrs.update(said if version == 2 else {"ome": {"version": "0.5", **said}})
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(tmp_path, version):
    with open_image(write_zarr(tmp_path / "movie.ome.zarr", version)) as opened:
        check(opened, STACK, "tyx", levels=2)
        assert opened.scale.sizes == {"T": 30.0, "Y": 0.5, "X": 0.5}
        assert opened.scale.units == {"T": "s", "Y": "µm", "X": "µm"}
        assert opened.channel_names == ("phase",)
        assert opened.notices == ()


def test_ome_zarr_of_earlier_versions(tmp_path):
    datasets = [{"path": "s0"}, {"path": "s1"}]
    named = {"multiscales": [{"axes": ["z", "y", "x"], "datasets": datasets}]}
    with open_image(write_zarr(tmp_path / "a.zarr", 2, named)) as opened:
        check(opened, STACK, "zyx", levels=2)
    with open_image(
        write_zarr(tmp_path / "b.zarr", 2, {"multiscales": [{"datasets": datasets}]})
    ) as b:
        assert b.names == ("z", "y", "x")


def test_a_folder_of_pictures_opens_its_first(tmp_path):
    outer = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    outer.attrs["bioformats2raw.layout"] = 3
    write_zarr(tmp_path / "a.zarr" / "0", 2)
    with open_image(tmp_path / "a.zarr") as opened:
        check(opened, STACK, "tyx", levels=2)


def test_a_zarr_array_may_name_its_dimensions(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK, dimension_names=["z", "y", "x"])
    zarr.create_array(tmp_path / "b.zarr", data=STACK)
    with open_image(tmp_path / "a.zarr") as opened:
        check(opened, STACK, "zyx")
    with open_image(tmp_path / "b.zarr") as opened:
        check(opened, STACK, "")


def test_missing_chunks_are_empty_and_told(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", 3)
    chunks = sorted(each for each in (path / "s0" / "c").rglob("*") if each.is_file())
    assert len(chunks) == 36
    chunks[0].unlink()
    chunks[5].unlink()
    with open_image(path) as opened:
        (sentence,) = opened.notices
        assert "a.zarr lacks 2 of the 36 chunks" in sentence
        assert not opened.levels[0][0, :32, :32].any()
        np.testing.assert_array_equal(opened.levels[0][1], STACK[1])


def test_missing_files_of_a_picture_are_empty_and_told(tmp_path, capfd):
    path = tmp_path / "z0.ome.tif"
    parts = "".join(
        f'<TiffData FirstZ="{z}" PlaneCount="1"><UUID FileName="z{z}.ome.tif">'
        f"urn:uuid:00000000-0000-0000-0000-00000000000{z}</UUID></TiffData>"
        for z in range(2)
    )
    description = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:00000000-0000-0000-0000-000000000000"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="96" SizeY="64" '
        f'SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/>{parts}</Pixels></Image></OME>'
    )
    tifffile.imwrite(path, STACK[0], description=description, metadata=None, compression="zlib")
    with open_image(path) as opened:
        assert opened.names == ("Z", "Y", "X")
        np.testing.assert_array_equal(opened.levels[0][0], STACK[0])
        assert not opened.levels[0][1].any()
        (sentence,) = opened.notices
        assert "z0.ome.tif belongs to a picture of several files, 1 of which" in sentence
    assert capfd.readouterr().err == ""


# What cannot be opened


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("share", [0.03, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["imagej", "zlib", "ome", "one page", "png"])
def test_files_that_are_cut_off(tmp_path, kind, share, capfd):
    path = tmp_path / ("cells.png" if kind == "png" else "cells.tif")
    if kind == "imagej":
        tifffile.imwrite(path, STACK, imagej=True)
    elif kind == "zlib":
        tifffile.imwrite(path, STACK, compression="zlib", photometric="minisblack")
    elif kind == "ome":
        write_ome(path, HYPER, "TZCYX", levels=2)
    elif kind == "one page":
        tifffile.imwrite(path, STACK[0], tile=(32, 32), compression="zlib")
    else:
        PIL.Image.fromarray(PHOTO).save(path)
    with (
        pytest.raises(UserError, match=r"cells\.\w+ could not be read: it is damaged, cut off"),
        open_image(cut(path, share)),
    ):
        pass
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("x,y\n1,2\n" * 40), "is not a TIFF, PNG or JPEG"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is a folder; a picture file or an OME-Zarr folder is needed"),
        (lambda path: None, "does not exist"),
        (lambda path: write_zarr(path, 3, {"plate": {}}), "is a plate of many pictures"),
        (lambda path: write_zarr(path, 2, {"labels": []}), "is a zarr without a picture"),
        (
            lambda path: write_zarr(path, 2, {"multiscales": [{"datasets": [{"path": "s7"}]}]}),
            "could not be opened as OME-Zarr",
        ),
        (lambda path: write_zarr(path, 2, {"multiscales": []}), "could not be opened as OME-Zarr"),
    ],
    ids=["text", "0 bytes", "folder", "missing", "plate", "no picture", "no array", "no record"],
)
def test_what_is_no_picture(tmp_path, make, words):
    path = tmp_path / "cells"
    make(path)
    with pytest.raises(UserError, match=rf"cells {words}") as error, open_image(path):
        pass
    assert "\n" not in str(error.value)


def test_the_description_of_a_zarr_may_be_torn(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", 3)
    cut(path / "zarr.json", 0.5)
    with (
        pytest.raises(UserError, match=r"a\.zarr could not be opened as OME-Zarr"),
        open_image(path),
    ):
        pass


@pytest.mark.parametrize(
    ("sizes", "units", "pixel_size"),
    [
        ({"Y": 0.5, "X": 0.5}, {"Y": "µm", "X": "µm"}, 0.5),
        ({"Y": 0.5, "X": 2.0}, {"Y": "µm", "X": "µm"}, 1.0),
        ({"Y": 1e-4, "X": 0.1}, {"Y": "cm", "X": "µm"}, 0.316228),
        ({"Y": 0.5}, {"Y": "µm"}, None),
        ({"Y": 2.0, "X": 2.0}, {"Y": "s", "X": "s"}, None),
        ({}, {}, None),
    ],
)
def test_the_pixel_size_is_a_length_in_micrometres(sizes, units, pixel_size):
    assert Scale(sizes, units).pixel_size == pytest.approx(pixel_size)


@pytest.mark.parametrize(
    ("options", "axes"),
    [
        ({"photometric": "minisblack", "planarconfig": "contig"}, ("Y", "X", "C")),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, ("Y", "X", "S")),
    ],
)
def test_four_greys_of_a_pixel_are_channels_and_colours_are_not(tmp_path, options, axes):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((20, 30, 4), np.uint16), **options)
    with open_image(path) as opened:
        assert opened.names == axes
