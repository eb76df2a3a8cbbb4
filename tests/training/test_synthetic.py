from __future__ import annotations

import numpy as np
import pytest

from napari_semantic_sam.training.synthetic import SCENES, SyntheticImage, generate

SCENE_NAMES = sorted(SCENES)


@pytest.fixture(scope="module", params=SCENE_NAMES)
def samples(request: pytest.FixtureRequest) -> list[SyntheticImage]:
    return [generate(np.random.default_rng(seed), 128, scene=request.param) for seed in range(6)]


def test_one_seed_gives_one_picture():
    for seed in range(4):
        one, other = (generate(np.random.default_rng(seed), 128) for _ in range(2))
        assert one.scene == other.scene
        assert one.levels == other.levels
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.masks, other.masks)
        np.testing.assert_array_equal(one.parents, other.parents)


def test_different_seeds_give_different_pictures():
    one, other = (generate(np.random.default_rng(seed), 128, scene="nuclei") for seed in (0, 1))
    assert not np.array_equal(one.image, other.image)


def test_arrays_fit_together(samples: list[SyntheticImage]):
    for sample in samples:
        count = len(sample.levels)
        assert count >= 1
        assert sample.image.shape == (128, 128, 3)
        assert sample.image.dtype == np.uint8
        assert sample.masks.shape == (count, 128, 128)
        assert sample.masks.dtype == np.bool_
        assert sample.parents.shape == (count,)


def test_pictures_show_something(samples: list[SyntheticImage]):
    assert all(sample.image.std() > 1 for sample in samples)


def test_no_mask_is_empty_tiny_or_everything(samples: list[SyntheticImage]):
    for sample in samples:
        areas = sample.masks.sum(axis=(1, 2))
        assert areas.min() >= 12
        assert areas.max() < 0.98 * 128 * 128


def test_children_lie_in_their_larger_parents(samples: list[SyntheticImage]):
    for sample in samples:
        for child, parent in enumerate(sample.parents):
            if parent < 0:
                continue
            assert parent < child
            assert sample.levels[parent] != sample.levels[child]
            inner, outer = sample.masks[child], sample.masks[parent]
            assert (inner & outer).sum() >= 0.8 * inner.sum()
            assert outer.sum() > inner.sum()


def test_objects_of_a_level_do_not_overlap(samples: list[SyntheticImage]):
    for sample in samples:
        names = np.array(sample.levels)
        for name in set(sample.levels):
            assert sample.masks[names == name].sum(axis=0).max() == 1


def test_every_scene_is_drawn_by_chance():
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    for _ in range(300):
        seen.add(generate(rng, 64).scene)
        if len(seen) == len(SCENES):
            break
    assert seen == set(SCENES)


@pytest.mark.parametrize(
    ("scene", "chain"),
    [
        ("nuclei", ("tissue", "nucleus", "nucleolus")),
        ("culture", ("colony", "cell", "nucleus", "nucleolus")),
        ("epithelium", ("tissue", "cell", "nucleus", "nucleolus")),
        ("rods", ("colony", "rod")),
        ("blood", ("cell", "nucleus", "lobe")),
        ("em", ("profile", "mitochondrion")),
        ("mosaic", ("region", "shape", "part")),
    ],
)
def test_a_click_can_meet_the_whole_chain_of_levels(scene: str, chain: tuple[str, ...]):
    def ancestry(sample: SyntheticImage, index: int) -> tuple[str, ...]:
        names: list[str] = []
        while index >= 0:
            names.insert(0, sample.levels[index])
            index = int(sample.parents[index])
        return tuple(names)

    rng = np.random.default_rng(1)
    for _ in range(60):
        sample = generate(rng, 192, scene=scene)
        if any(ancestry(sample, k) == chain for k in range(len(sample.levels))):
            return
    pytest.fail(f"no {chain} in 60 pictures of {scene}")


@pytest.mark.parametrize("size", [100, 512])
def test_other_sizes(size: int):
    for scene in SCENE_NAMES:
        sample = generate(np.random.default_rng(7), size, scene=scene)
        assert sample.image.shape == (size, size, 3)
        assert sample.masks.shape[1:] == (size, size)
        assert sample.masks.any(axis=(1, 2)).all()


def test_small_and_large_objects_both_occur():
    rng = np.random.default_rng(3)
    areas = np.concatenate([generate(rng, 256).masks.sum(axis=(1, 2)) for _ in range(60)])
    assert areas.min() < 60
    assert areas.max() > 256 * 256 / 3
