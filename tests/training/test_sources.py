from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.pairs import PairedFiles
from napari_semantic_sam.training.augment import View, random_look
from napari_semantic_sam.training.config import DataConfig, SourceConfig
from napari_semantic_sam.training.data import build_loader, build_streams
from napari_semantic_sam.training.sources import MIN_AREA, folder_sources, held_back, label_masks

SIZE = 64

# Python 3.12 and 3.13 warn of what the loaders of torch do, too.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of bright squares: a cell (label 1) with a nucleus in a second folder."""
    for name in ("images", "cells", "nuclei"):
        (tmp_path / name).mkdir()
    for number in range(12):
        cells = np.zeros((90, 110), np.uint16)
        cells[20:70, 30:80] = 1
        nuclei = np.zeros_like(cells)
        nuclei[35:55, 45:65] = 1
        image = (40 + 80 * cells + 80 * nuclei).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(cells).save(tmp_path / "cells" / f"{number}.png")
        tifffile.imwrite(tmp_path / "nuclei" / f"{number}.tif", nuclei)
    return tmp_path


def source(**changes):
    return SourceConfig(images="images", masks=("cells", "nuclei"), **changes)


def test_views_keep_masks_on_their_objects(folder):
    train, _ = folder_sources(source(zoom=(0.5, 2.0)), holdout=20, base=folder)
    rng = np.random.default_rng(0)
    nested = 0
    for _ in range(30):
        record = train(rng, SIZE)
        assert record.image.shape == (SIZE, SIZE, 3)
        areas = record.masks.sum(axis=(1, 2))
        assert (areas >= MIN_AREA).all()
        if len(areas) == 2:
            outer, inner = record.masks[areas.argmax()], record.masks[areas.argmin()]
            nested += np.count_nonzero(inner & ~outer) <= 0.05 * inner.sum()
    assert nested > 10


def test_the_same_files_are_held_out_every_time(folder):
    def split():
        train, held = folder_sources(source(), holdout=4, base=folder)
        return [f.stem for f in train.files], [f.stem for f in held.files]

    train, held = split()
    assert split() == (train, held)
    assert held
    assert not set(train) & set(held)


@pytest.mark.parametrize(("isotropic", "shapes"), [(True, 3), (False, 1)])
def test_a_stack_gives_planes(tmp_path, isotropic, shapes):
    (tmp_path / "images").mkdir()
    (tmp_path / "cells").mkdir()
    labels = np.zeros((20, 40, 60), np.uint16)
    labels[5:15, 10:30, 20:50] = 7
    tifffile.imwrite(tmp_path / "cells" / "a.tif", labels)
    tifffile.imwrite(tmp_path / "images" / "a.tif", (labels * 20).astype(np.uint8))
    config = SourceConfig(images="images", masks=("cells",), zoom=(1.0, 1.0), isotropic=isotropic)
    train, _ = folder_sources(config, holdout=10**6, base=tmp_path)
    rng = np.random.default_rng(0)
    areas = [int(train(rng, SIZE).masks.sum()) for _ in range(30)]
    expected = (600, 300, 200)[:shapes]  # give or take a rotation
    nearest = {min(expected, key=lambda area: abs(area - found)) for found in areas}
    assert nearest == set(expected)
    assert all(min(abs(area - found) for area in expected) < 0.1 * found for found in areas)


def test_a_stack_too_flat_to_be_cut_across_is_left_out(tmp_path, capfd):
    (tmp_path / "images").mkdir()
    (tmp_path / "cells").mkdir()
    for name, depth in (("flat", 5), ("deep", 20)):
        labels = np.zeros((depth, 40, 40), np.uint16)
        labels[:, 10:30, 10:30] = 7
        tifffile.imwrite(tmp_path / "cells" / f"{name}.tif", labels)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", (labels * 20).astype(np.uint8))
    config = SourceConfig(images="images", masks=("cells",), zoom=(1.0, 1.0), isotropic=True)
    train, _ = folder_sources(config, holdout=10**6, base=tmp_path)
    names = {Path(train(np.random.default_rng(seed), SIZE).name).stem for seed in range(20)}
    assert names == {"deep"}
    assert "5 × 40" in capfd.readouterr().err


def test_mask_folders_of_one_name_are_two_granularities(folder):
    (folder / "second").mkdir()
    (folder / "nuclei").rename(folder / "second" / "cells")
    config = SourceConfig(images="images", masks=("cells", "second/cells"), zoom=(1.0, 1.0))
    train, _ = folder_sources(config, holdout=10**6, base=folder)
    assert max(len(train(np.random.default_rng(seed), SIZE).masks) for seed in range(10)) == 2


@pytest.mark.parametrize("holdout", [2, 10**6])
def test_a_single_image_is_trained_on_and_reported(folder, holdout):
    for path in (folder / "images").iterdir():
        if path.stem != "0":
            path.unlink()
    train, held = folder_sources(source(), holdout=holdout, base=folder)
    assert [files.stem for files in train.files] == [files.stem for files in held.files] == ["0"]


def test_a_run_does_without_held_out_images_that_cannot_be_used(folder, capfd):
    _, held = folder_sources(source(), holdout=4, base=folder)
    broken = [files.image for files in held.files]
    assert broken
    for path in broken:
        path.write_bytes(b"no picture")
    train, held = folder_sources(source(), holdout=4, base=folder)
    assert len(train.files) == 12 - len(broken)
    assert len(held(np.random.default_rng(0), SIZE).masks)
    said = capfd.readouterr().err
    assert all(path.name in said for path in broken)


@pytest.mark.parametrize(("count", "kept"), [(9, 0), (10, 1), (53, 1), (400, 19)])
def test_enough_images_are_never_without_one_kept_back(count, kept):
    pairs = [PairedFiles(f"photo {number}", Path(), {}) for number in range(count)]
    assert len(held_back(pairs, holdout=20)) == kept


def test_that_no_image_is_kept_back_is_said(folder, capfd):
    train, held = folder_sources(source(), holdout=40, base=folder)
    assert held.files == train.files[:1]
    assert "Of the images in images none is kept back" in capfd.readouterr().err


def test_few_images_of_which_the_first_is_damaged_are_trained_on(folder, capfd):
    (folder / "images" / "0.png").write_bytes(b"no picture")
    train, held = folder_sources(source(), holdout=40, base=folder)
    assert len(train.files) == 11
    assert len(held(np.random.default_rng(0), SIZE).masks)
    assert "0.png" in capfd.readouterr().err


def test_a_stack_with_a_plane_that_cannot_be_shown_is_left_out(tmp_path, capfd):
    (tmp_path / "images").mkdir()
    (tmp_path / "cells").mkdir()
    labels = np.zeros((6, 40, 40), np.uint16)
    labels[:, 10:30, 10:30] = 7
    for name in ("bad", "good"):
        stack = labels.astype(np.float32)
        stack[3] = np.nan if name == "bad" else stack[3]
        tifffile.imwrite(tmp_path / "cells" / f"{name}.tif", labels)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", stack)
    train, _ = folder_sources(
        SourceConfig(images="images", masks=("cells",)), holdout=40, base=tmp_path
    )
    train.read_ahead()
    assert [files.stem for files in train.files] == ["good"]
    assert "bad.tif" in capfd.readouterr().err


def test_tiny_objects_are_held_out_as_large_as_they_are_taught(folder):
    for name in ("cells", "nuclei"):
        for path in (folder / name).iterdir():
            path.unlink()
    labels = np.zeros((90, 110), np.uint16)
    labels[40:43, 40:43] = 1
    for number in range(12):
        tifffile.imwrite(folder / "cells" / f"{number}.tif", labels)
    config = DataConfig((source(zoom=(3.0, 4.0)),), crop=SIZE, batch=1)
    _, held = build_streams(config, 64, folder, seed=(0,))
    held.check()


def test_masks_of_another_size_are_named(folder):
    tifffile.imwrite(folder / "nuclei" / "3.tif", np.ones((5, 5), np.uint16))
    for path in (folder / "images").iterdir():
        if path.stem != "3":
            path.unlink()
    train, _ = folder_sources(source(), holdout=10**6, base=folder)
    with pytest.raises(UserError, match=r"3\.png"):
        train(np.random.default_rng(0), SIZE)


def test_files_that_cannot_be_used_are_left_out_and_named(folder, capfd):
    (folder / "images" / "0.png").write_bytes(b"no picture")
    tifffile.imwrite(folder / "nuclei" / "3.tif", np.ones((5, 5), np.uint16))
    Image.fromarray(np.zeros((90, 110), np.uint16)).save(folder / "cells" / "5.png")
    tifffile.imwrite(folder / "nuclei" / "5.tif", np.zeros((90, 110), np.uint16))
    (folder / "cells" / "7.png").unlink()
    (folder / "nuclei" / "7.tif").unlink()
    train, _ = folder_sources(source(), holdout=10**6, base=folder)
    rng = np.random.default_rng(0)
    names = {train(rng, SIZE).name for _ in range(200)}
    assert {name.rpartition("/")[2] for name in names} == {
        f"{number}.png" for number in (1, 2, 4, 6, 8, 9, 10, 11)
    }
    said = capfd.readouterr().err
    assert all(f"{number}.png" in said for number in (0, 3, 5))
    assert "7" in next(line for line in said.splitlines() if "without image or masks" in line)


def test_a_file_is_named_whatever_is_wrong_with_its_pixels(folder, capfd):
    tifffile.imwrite(folder / "images" / "12.tif", np.full((90, 110), np.nan, np.float32))
    for name in ("cells", "nuclei"):
        tifffile.imwrite(folder / name / "12.tif", np.ones((90, 110), np.uint16))
    train, _ = folder_sources(source(), holdout=10**6, base=folder)
    train.read_ahead()
    assert "12.tif" in capfd.readouterr().err


def test_labels_with_large_numbers_are_taught(folder):
    for path in (folder / "images").iterdir():
        if path.stem != "3":
            path.unlink()
    (folder / "cells" / "3.png").unlink()
    labels = np.zeros((90, 110), np.uint32)
    labels[20:70, 30:80] = 3_000_000_000
    tifffile.imwrite(folder / "cells" / "3.tif", labels)
    config = SourceConfig(images="images", masks=("cells",), zoom=(1.0, 1.0))
    train, _ = folder_sources(config, holdout=10**6, base=folder)
    assert len(train(np.random.default_rng(0), SIZE).masks) == 1


def test_an_image_without_objects_of_the_first_granularity_is_used(folder):
    for path in (folder / "cells").iterdir():
        Image.fromarray(np.zeros((90, 110), np.uint16)).save(path)
    train, _ = folder_sources(source(zoom=(1.0, 1.0)), holdout=10**6, base=folder)
    rng = np.random.default_rng(0)
    assert all(len(train(rng, SIZE).masks) for _ in range(20))


@pytest.mark.parametrize("processes", [None, 1, 2])
def test_a_source_of_which_nothing_can_be_used_is_named(folder, processes):
    for path in (folder / "cells").iterdir():
        Image.fromarray(np.ones((5, 5), np.uint16)).save(path)
    train, _ = folder_sources(source(), holdout=10**6, base=folder)
    if processes:
        train.read_ahead(processes)
    with pytest.raises(UserError, match=r"its masks \(5, 5\)|None of the files in images"):
        train(np.random.default_rng(0), SIZE)


def test_a_photograph_without_anything_in_it_is_left_out(folder, capfd):
    Image.new("RGB", (110, 90), "white").save(folder / "images" / "2.png")
    train, _ = folder_sources(SourceConfig(images="images", regions=True), 10**6, base=folder)
    train.read_ahead()
    assert "2" not in [files.stem for files in train.files]
    assert "2.png shows too little" in capfd.readouterr().err


def test_crowded_images_are_drawn_more_often(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "cells").mkdir()
    for name, count in (("alone", 1), ("crowd", 16)):
        cells = np.zeros((90, 90), np.uint16)
        for label in range(count):
            y, x = 5 + 20 * (label // 4), 5 + 20 * (label % 4)
            cells[y : y + 12, x : x + 12] = label + 1
        Image.fromarray((cells > 0).astype(np.uint8) * 200).save(
            tmp_path / "images" / f"{name}.png"
        )
        Image.fromarray(cells).save(tmp_path / "cells" / f"{name}.png")
    config = SourceConfig(images="images", masks=("cells",), zoom=(1.0, 1.0))
    train, _ = folder_sources(config, holdout=10**9, base=tmp_path)
    rng = np.random.default_rng(0)
    names = [Path(train(rng, SIZE).name).stem for _ in range(300)]
    share = names.count("crowd") / len(names)
    assert share == pytest.approx(4 / 5, abs=0.08)  # 4 = the root of 16 times as many


def test_objects_of_one_pixel_are_no_targets(folder):
    for name in ("cells", "nuclei"):
        for path in (folder / name).iterdir():
            path.unlink()
    labels = np.zeros((90, 110), np.uint16)
    labels[::9, ::11] = np.arange(1, 101).reshape(10, 10)
    for number in range(12):
        tifffile.imwrite(folder / "cells" / f"{number}.tif", labels)
    config = DataConfig((source(zoom=(1.0, 1.0)),), crop=SIZE, batch=1)
    stream, _ = build_streams(config, 64, folder, seed=(0,))
    with pytest.raises(UserError, match=r"no object of at least 12 pixels"):
        stream.check()


def test_a_source_without_masks_is_refused(folder):
    with pytest.raises(UserError, match="masks"):
        folder_sources(SourceConfig(images="images"), holdout=4, base=folder)


def test_photographs_without_masks_are_cut_into_nested_regions(folder):
    config = SourceConfig(images="images", regions=True, zoom=(1.0, 1.0))
    train, _ = folder_sources(config, holdout=4, base=folder)
    record = train(np.random.default_rng(0), 110)
    areas = np.sort(record.masks.sum(axis=(1, 2)))
    # The cell and its nucleus are found by their outlines.
    assert np.isclose(areas[:, None], [400, 2100], rtol=0.1).any(axis=0).all()


def test_files_read_ahead_give_the_same_views(folder, capfd):
    (folder / "images" / "3.png").write_bytes(b"no picture")
    drawn = []
    for processes in (None, 1, 2):
        train, _ = folder_sources(source(), holdout=4, base=folder)
        if processes:
            train.read_ahead(processes)
            assert "3" not in [files.stem for files in train.files]
        else:
            train.files = [files for files in train.files if files.stem != "3"]
        drawn.append(train(np.random.default_rng(0), SIZE))
    for other in drawn[1:]:
        assert np.array_equal(drawn[0].image, other.image)
        assert np.array_equal(drawn[0].masks, other.masks)
    assert capfd.readouterr().err.count("3.png") >= 2


def test_label_masks_drops_specks():
    labels = np.zeros((10, 10), np.int32)
    labels[:4, :4] = 3
    labels[8, 8] = 5
    assert label_masks(labels).sum(axis=(1, 2)).tolist() == [16]


def test_a_view_beyond_the_border_is_padded_with_background():
    labels = np.full((20, 20), 4, np.int32)
    view = View((10, 10), side=40, size=40, angle=0, quarter_turns=1, mirrored=True)
    cut = view.labels(labels)
    assert cut.shape == (40, 40)
    assert np.count_nonzero(cut == 4) == 400
    assert set(np.unique(cut)) == {0, 4}


def test_regions_add_nested_masks_as_often_as_they_outlast_a_cut(folder):
    train, _ = folder_sources(source(zoom=(1.0, 1.0), regions=True), holdout=20, base=folder)
    rng = np.random.default_rng(0)
    nested = again = 0
    for _ in range(10):
        masks = train(rng, SIZE).masks
        different = len({mask.tobytes() for mask in masks})
        nested += different > 2
        again += different < len(masks)
    assert nested > 5
    assert again > 5


def test_close_objects_are_also_taught_as_groups(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    labels = np.zeros((SIZE, SIZE), np.uint16)
    for number, (row, column) in enumerate([(20, 20), (20, 31), (31, 20), (54, 54)], start=1):
        labels[row : row + 8, column : column + 8] = number
    Image.fromarray((labels > 0).astype(np.uint8) * 200).save(tmp_path / "images" / "a.png")
    Image.fromarray(labels).save(tmp_path / "masks" / "a.png")
    close = SourceConfig(images="images", masks=("masks",), groups=True)
    _, held = folder_sources(close, holdout=10**6, base=tmp_path)
    areas = sorted(held(np.random.default_rng(0), SIZE).masks.sum(axis=(1, 2)))
    assert len(areas) == 5
    assert 3 * 64 < areas[-1] < 25 * 25
    assert max(areas[:-1]) <= 81


def test_looks_change_pixels_within_their_range():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    rng = np.random.default_rng(1)
    looks = [random_look(image, rng) for _ in range(20)]
    assert all(look.shape == image.shape and look.dtype == np.uint8 for look in looks)
    assert sum(not np.array_equal(look, image) for look in looks) > 10


def test_batches_point_at_their_own_masks(folder):
    synthetic = SourceConfig(kind="synthetic")
    config = DataConfig((source(), synthetic), crop=SIZE, batch=3, clicks=4, boxes=2, workers=0)
    stream, _ = build_streams(config, 64, folder, seed=(0,))
    batch = next(iter(build_loader(stream, workers=0)))
    assert batch.images.shape == (3, 3, SIZE, SIZE)
    assert len(batch.prompts) == 18
    assert batch.prompts.image_index.tolist() == sorted([0, 1, 2] * 6)
    centre = (batch.prompts.anchor_boxes[:, :2] * SIZE).long()
    for prompt, kind in enumerate(batch.prompts.kinds):
        wanted = batch.targets.index[prompt][batch.targets.valid[prompt]]
        assert len(wanted) >= 1
        if kind == "click":
            x, y = centre[prompt]
            assert batch.targets.masks[wanted, y, x].all()


def test_wide_batches_hold_as_many_pixels_and_prompts(folder):
    sources = (SourceConfig(kind="synthetic"),)
    config = DataConfig(sources, crop=SIZE, batch=8, wide_share=0.5, clicks=3, boxes=1)
    stream, _ = build_streams(config, 64, folder, seed=(0,))
    batches = [batch for batch, _ in zip(stream, range(12), strict=False)]
    shapes = {tuple(batch.images.shape) for batch in batches}
    assert shapes == {(8, 3, SIZE, SIZE), (2, 3, 2 * SIZE, 2 * SIZE)}
    assert {len(batch.prompts) for batch in batches} == {32}
    for batch in batches:
        assert batch.targets.masks.shape[1:] == batch.images.shape[2:]


def test_streams_differ_by_seed_and_repeat_with_it(folder):
    config = DataConfig((source(),), crop=SIZE, batch=1, clicks=2, boxes=0)

    def first(*seed):
        return next(iter(build_streams(config, 64, folder, seed)[0])).images

    assert first(0, 0).equal(first(0, 0))
    assert not first(0, 0).equal(first(0, 800))
