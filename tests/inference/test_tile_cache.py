"""What is kept of tiles, in memory and on disk."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import zarr
from bright_model import BrightModel

from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.inference.image import ImageSource, Plane
from napari_semantic_sam.inference.tiles import DiskCache, EmbeddingCache, PlaneEmbedding
from napari_semantic_sam.model.config import PRESETS, DeformableConfig, ModelConfig, SwinConfig
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import Geometry, ImageEmbedding

RNG = np.random.default_rng(0)
PICTURE = (RNG.random((300, 260)) * 4000).astype(np.uint16)
PUBLISHED_LIKE = ModelConfig(
    SwinConfig(16, (1, 1, 1, 1), (1, 1, 1, 1), window=7),
    DeformableConfig(32, 2, points=2, feedforward=32, encoder_layers=1, decoder_layers=2),
)


def embedding_of(floats, projections=0):
    features = {"mask_features": torch.zeros(1, 1, 1, floats)}
    image = ImageEmbedding(
        features, (torch.zeros(projections),), Geometry((8, 8), (8, 8)), 1, "hash"
    )
    return PictureEmbedding(image, (8, 8))


def refuse():
    raise AssertionError("made again")


def test_the_least_recently_used_goes_first_and_every_byte_counts():
    cache = EmbeddingCache(limit_bytes=1000)
    first, second = embedding_of(100), embedding_of(50, projections=50)
    assert cache.get("a", lambda: first) is first
    assert cache.get("b", lambda: second) is second
    assert cache.nbytes == 800
    assert cache.get("a", refuse) is first
    cache.get("c", lambda: embedding_of(100))
    assert ["a" in cache, "b" in cache, "c" in cache] == [True, False, True]
    assert (cache.nbytes, len(cache)) == (800, 2)


def test_what_is_larger_than_the_cache_is_returned_but_not_kept():
    cache = EmbeddingCache(limit_bytes=100)
    large = embedding_of(100)
    assert cache.get("a", lambda: large) is large
    assert (len(cache), cache.nbytes) == (0, 0)


def test_an_error_is_raised_and_not_kept():
    cache = EmbeddingCache()
    with pytest.raises(AssertionError, match="made again"):
        cache.get("a", refuse)
    small = embedding_of(1)
    assert cache.get("a", lambda: small) is small


def test_threads_that_want_the_same_wait_for_one_of_them():
    cache, barrier, made = EmbeddingCache(), threading.Barrier(4), []
    at_work = threading.Event()

    def make():
        at_work.wait()
        made.append(embedding_of(1))
        return made[-1]

    def ask(index):
        barrier.wait()
        if index == 0:
            at_work.set()
        return cache.get("a", make)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert len(made) == 1
    assert all(each is made[0] for each in found)


def test_projections_are_counted():
    torch.manual_seed(0)
    embedding = Predictor(SemanticSAM(PUBLISHED_LIKE)).embed(RNG.random((40, 40)))
    tensors = [*embedding.image.features.values(), *embedding.image.projections]
    assert embedding.image.projections
    assert embedding.nbytes == sum(each.numel() * each.element_size() for each in tensors)


def answers(predictor, disk, picture=PICTURE, scale=None):
    """Ask in a new process, as it were: with nothing in memory."""
    cache = EmbeddingCache(disk=disk)
    embedding = predictor.embed_plane(Plane.of(picture), scale=scale, cache=cache)
    (result,) = predictor.predict(embedding, points=[(100, 120)])
    return [(each.box, each.crop.tobytes(), each.predicted_iou) for each in result.candidates]


@pytest.mark.parametrize("config", [PRESETS["tiny"], PUBLISHED_LIKE], ids=["local", "published"])
def test_features_on_disk_give_the_same_masks_without_the_network(tmp_path, monkeypatch, config):
    torch.manual_seed(0)
    predictor = Predictor(SemanticSAM(config, checkpoint_hash="one"))
    picture = PICTURE[:64, :64]
    disk = DiskCache(tmp_path / "features")

    def click():
        embedding = predictor.embed_plane(Plane.of(picture), cache=EmbeddingCache(disk=disk))
        (result,) = predictor.predict(embedding, points=[(20, 30)])
        return [(each.box, each.crop.tobytes(), each.predicted_iou) for each in result.candidates]

    expected = click()
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    monkeypatch.setattr(predictor.model, "encode", refuse)
    assert click() == expected


def test_what_differs_in_content_scale_or_checkpoint_is_embedded_anew(tmp_path):
    disk = DiskCache(tmp_path)
    predictor = Predictor(BrightModel())
    answers(predictor, disk)
    answers(predictor, disk, picture=PICTURE + 1)
    answers(predictor, disk, scale=0.5)
    predictor.model.checkpoint_hash = "another"
    answers(predictor, disk)
    assert predictor.model.encoded == 4
    assert len(list(tmp_path.glob("*.npz"))) == 4
    answers(predictor, disk)
    assert predictor.model.encoded == 4


def cut_off(data):
    return data[: len(data) // 2]


def turned(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_off, turned, lambda data: b"", lambda data: b"text"])
def test_a_damaged_file_counts_as_missing_and_is_replaced(tmp_path, damage):
    disk, predictor = DiskCache(tmp_path), Predictor(BrightModel())
    expected = answers(predictor, disk)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert answers(predictor, disk) == expected
    assert predictor.model.encoded == 2
    assert path.read_bytes() == whole


def test_several_writers_leave_whole_files(tmp_path):
    def run(_):
        predictor = Predictor(BrightModel())
        return answers(predictor, DiskCache(tmp_path))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(8)))
    assert found == [found[0]] * 8
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_the_files_used_longest_ago_make_room(tmp_path):
    predictor = Predictor(BrightModel())
    answers(predictor, DiskCache(tmp_path))
    (first,) = tmp_path.glob("*.npz")
    disk = DiskCache(tmp_path, limit_bytes=int(2.5 * first.stat().st_size))
    answers(predictor, disk, picture=PICTURE + 1)
    (second,) = set(tmp_path.glob("*.npz")) - {first}
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    answers(predictor, disk)  # uses the first again
    answers(predictor, disk, picture=PICTURE + 2)
    assert first.exists()
    assert not second.exists()
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_folder_that_cannot_be_written_to_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    disk, predictor = DiskCache(tmp_path / "file" / "features"), Predictor(BrightModel())
    with pytest.warns(UserWarning, match="Features are not kept on disk"):
        expected = answers(predictor, disk)
    assert answers(predictor, disk) == expected


def test_tiles_of_a_large_plane_are_kept_one_by_one(tmp_path):
    disk, model = DiskCache(tmp_path), BrightModel()
    for _ in range(2):
        embedding = PlaneEmbedding(Plane.of(PICTURE), model, EmbeddingCache(disk=disk), edge=64)
        Predictor(model).predict(embedding, points=[(20, 20), (250, 200)])
    assert model.encoded == len(list(tmp_path.glob("*.npz")))


@pytest.mark.parametrize("kind", ["planes", "channels", "names", "arrays", "memory"])
def test_large_planes_that_differ_beside_the_sample_are_told_apart(kind):
    stack = np.zeros((2, 4200, 4200), np.uint8)
    stack[:, ::700] = 9
    stack[1, 100:300, 100:300] = 200  # between the blocks that the contrast is chosen on
    lazy = [zarr.array(stack, chunks=(1, 1050, 1050)), *map(zarr.array, stack)]
    planes = {
        "planes": lambda n: ImageSource(lazy[:1], "ZYX").plane((n,)),
        "channels": lambda n: ImageSource(lazy[:1], "CYX", channels=(n,)).plane(),
        "names": lambda n: ImageSource(lazy[n + 1 : n + 2], "YX", name=f"{n}.zarr").plane(),
        "arrays": lambda n: ImageSource(lazy[n + 1 : n + 2], "YX").plane(),
        "memory": lambda n: Plane.of(stack[n]),
    }
    predictor, sizes = Predictor(BrightModel()), []
    for number in range(2):
        embedding = predictor.embed_plane(planes[kind](number))
        (result,) = predictor.predict(embedding, points=[(200, 200)])
        sizes.append(result.candidates[1].area)
    assert sizes == [0, 200 * 200]


def test_a_lazy_array_lives_as_long_as_its_tiles_are_kept():
    class Slide:
        shape, dtype = (4200, 4200), np.dtype(np.uint8)

        def __getitem__(self, where):
            return np.add.outer(*(np.arange(4200, dtype=np.uint8)[part] for part in where))

    slide = Slide()
    alive, predictor = weakref.ref(slide), Predictor(BrightModel())
    embedding = predictor.embed_plane(ImageSource((slide,), "YX").plane())
    predictor.predict(embedding, points=[(200, 200)])
    del slide, embedding
    assert alive() is not None  # or another array could be taken for it
    del predictor
    gc.collect()
    assert alive() is None
