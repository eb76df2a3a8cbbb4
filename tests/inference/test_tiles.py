"""Planes beyond the network's input: where tiles lie, and what comes back from them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from bright_model import BrightModel, LazyPicture

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import Predictor
from napari_semantic_sam.inference.combination import combine
from napari_semantic_sam.inference.image import ImageSource, Plane
from napari_semantic_sam.inference.normalisation import normalise
from napari_semantic_sam.inference.preparation import resize
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.tiles import EmbeddingCache, PlaneEmbedding, Tile
from napari_semantic_sam.inference.tiles.layout import LARGEST, tile_levels
from napari_semantic_sam.inference.tiles.reading import read_input
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import EmbeddingMismatchError

RNG = np.random.default_rng(0)
EDGE = 128
CELL, NUCLEUS = 500, 1000


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return Predictor(SemanticSAM(PRESETS["tiny"]))


def lazy(shape, discs, factors=(1,), broken=None):
    """A pyramid that is computed where it is read, shown from 0 to 1000."""
    levels = tuple(LazyPicture(shape, discs, factor, broken) for factor in factors)
    return ImageSource(levels, "YX", contrast_limits=(0, NUCLEUS), name="slide"), levels


def opened(shape, discs, edge=EDGE, **options):
    """A predictor, and a plane on tiles of `edge` pixels."""
    source, levels = lazy(shape, discs, **options)
    predictor = Predictor(BrightModel())
    embedding = PlaneEmbedding(source.plane(), predictor.model, EmbeddingCache(), edge=edge)
    return predictor, embedding, levels


def overlap(candidate, disc):
    """IoU of a mask with a disc."""
    y, x, radius = disc[:3]
    rows, columns = np.ogrid[: candidate.shape[0], : candidate.shape[1]]
    truth = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    mask = candidate.full_mask()
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


@pytest.mark.parametrize(
    ("shape", "scale"), [((200, 300), None), ((90, 70), None), ((150, 40), 1.7), ((64, 1024), 1.0)]
)
def test_a_plane_that_fits_gives_what_a_picture_gives(tiny, shape, scale):
    picture = (RNG.random(shape) * 4000).astype(np.uint16)
    prompts = {"points": [(20, 30), (shape[0] - 1, 0)], "boxes": [(5, 6, 40, 30)]}
    expected = tiny.predict(tiny.embed(picture, scale=scale), **prompts)
    embedding = tiny.embed_plane(Plane.of(picture), scale=scale)
    assert embedding.is_one_tile
    assert embedding.shape == shape
    for one, other in zip(tiny.predict(embedding, **prompts), expected, strict=True):
        assert (one.kind, one.prompt) == (other.kind, other.prompt)
        for mine, theirs in zip(one.candidates, other.candidates, strict=True):
            assert mine.box == theirs.box
            assert mine.predicted_iou == theirs.predicted_iou
            assert mine.stability == theirs.stability
            np.testing.assert_array_equal(mine.crop, theirs.crop)


def test_masks_lie_where_the_objects_are_in_the_plane():
    discs = [(y, x, 14, NUCLEUS) for y in range(30, 680, 90) for x in range(40, 900, 110)]
    predictor, embedding, _ = opened((700, 930), discs)
    results = predictor.predict(embedding, points=[disc[:2] for disc in discs])
    for disc, result in zip(discs, results, strict=True):
        assert result.prompt == disc[:2]
        for candidate in result.candidates:
            assert candidate.shape == (700, 930)
            assert overlap(candidate, disc) > 0.98


def test_each_granularity_is_looked_at_on_the_scale_it_needs():
    cell, nucleus = (350, 400, 150, CELL), (340, 390, 20, NUCLEUS)
    predictor, embedding, _ = opened((800, 900), [cell, nucleus])
    (result,) = predictor.predict(embedding, points=[nucleus[:2]])
    whole, part = result.candidates
    assert overlap(whole, cell) > 0.95
    assert overlap(part, nucleus) > 0.98
    assert [whole.token, part.token] == [0, 1]


def test_what_fits_nowhere_but_on_the_whole_plane_is_found_there():
    tissue, nucleus = (1200, 1300, 1100, CELL), (300, 1300, 15, NUCLEUS)
    predictor, embedding, _ = opened((2500, 2600), [tissue, nucleus])
    (result,) = predictor.predict(embedding, points=[nucleus[:2]])
    assert overlap(result.candidates[0], tissue) > 0.95
    assert overlap(result.candidates[1], nucleus) > 0.98
    assert predictor.model.decoded == len(embedding.levels) == 3


def test_a_mask_at_the_border_of_the_plane_is_not_cut():
    discs = [(0, 0, 20, NUCLEUS), (699, 929, 20, NUCLEUS), (350, 0, 20, NUCLEUS)]
    predictor, embedding, _ = opened((700, 930), discs)
    for disc, result in zip(
        discs, predictor.predict(embedding, points=[each[:2] for each in discs]), strict=True
    ):
        assert overlap(result.candidates[0], disc) > 0.97
    assert predictor.model.decoded == 3  # once each


def test_nothing_under_a_click_is_an_empty_mask_and_asked_once():
    predictor, embedding, _ = opened((700, 930), [(600, 600, 9, NUCLEUS)])
    (result,) = predictor.predict(embedding, points=[(50, 50)])
    assert [candidate.area for candidate in result.candidates] == [0, 0]
    assert {candidate.box for candidate in result.candidates} == {(0, 0, 0, 0)}
    assert predictor.model.decoded == 1


def test_a_click_nearby_finds_all_tiles_at_hand():
    tissue, nucleus = (1000, 1000, 800, CELL), (1000, 1000, 9, NUCLEUS)
    predictor, embedding, _ = opened((2000, 2000), [tissue, nucleus, (1000, 1012, 5, 0)])
    predictor.predict(embedding, points=[(1000, 1012)])  # nothing, which needs one tile only
    at_hand = predictor.model.encoded
    for offset in (0, 5, -5):
        predictor.predict(embedding, points=[(1000 + offset, 1000 - offset)])
    assert predictor.model.encoded == at_hand == len(embedding.levels)
    predictor.predict(embedding, points=[(1000 + EDGE, 1000)])
    assert predictor.model.encoded > at_hand


def test_clicks_nearby_share_tiles_when_they_come_together():
    predictor, embedding, _ = opened((2000, 2000), [(1000, 1000, 9, NUCLEUS)])
    clicks = 1000 + RNG.uniform(-20, 20, (30, 2))
    predictor.predict(embedding, points=clicks)
    assert predictor.model.encoded <= 2 + len(embedding.levels)


@pytest.mark.parametrize("shape", [(700, 930), (129, 2000), (300, 300), (1024, 1025)])
def test_a_tile_holds_a_click_with_margin(shape):
    _, embedding, _ = opened(shape, [])
    for _ in range(60):
        point = tuple(RNG.uniform(-0.5, side - 0.51) for side in shape)
        for index, level in enumerate(embedding.levels):
            tile = embedding.tile_for(("click", point), index)
            assert tile.level_index == index
            for axis, (where, side) in enumerate(zip(point, shape, strict=True)):
                low, high = tile.box[axis], tile.box[axis + 2]
                assert 0 <= low < high <= side
                assert high - low <= level.side
                assert low == 0 or where - low >= level.side / 4
                assert high == side or high - where >= level.side / 4
        embedding.embed(tile)  # later clicks may find it at hand


def test_a_box_is_asked_on_a_tile_that_holds_it():
    _, embedding, _ = opened((5000, 5000), [], edge=100)
    small = embedding.tile_for(("box", (1000, 1000, 1050, 1020)))
    large = embedding.tile_for(("box", (1000.5, 1000, 1180, 1100)))
    assert (small.level_index, large.level_index) == (0, 1)
    for tile, box in ((small, (1000, 1000, 1050, 1020)), (large, (1000, 1000, 1180, 1100))):
        assert np.all(np.array(tile.box[:2]) < box[:2])
        assert np.all(np.array(tile.box[2:]) > box[2:])
    huge = embedding.tile_for(("box", (-9, -9, 6000, 6000)))
    assert huge == Tile((0, 0, 5000, 5000), 2)


def test_boxes_are_answered_in_pixels_of_the_plane():
    disc = (430, 510, 20, NUCLEUS)
    predictor, embedding, _ = opened((700, 930), [disc])
    (result,) = predictor.predict(embedding, boxes=[(405, 485, 455, 535)])
    assert result.kind == "box"
    assert overlap(result.best, disc) > 0.98


def test_prompts_of_all_kinds_are_answered_together():
    cell, nucleus = (350, 400, 150, CELL), (340, 390, 20, NUCLEUS)
    predictor, embedding, _ = opened((800, 900), [cell, nucleus])
    prompts = {"points": [nucleus[:2], (10, 10)], "boxes": [(195, 245, 505, 555)]}
    small, nothing, large = predictor.predict(embedding, **prompts)
    assert [result.kind for result in (small, nothing, large)] == ["click", "click", "box"]
    assert overlap(small.candidates[0], cell) > 0.95
    assert overlap(small.candidates[1], nucleus) > 0.98
    assert overlap(large.candidates[0], cell) > 0.95
    assert [candidate.area for candidate in nothing.candidates] == [0, 0]


def test_a_box_beyond_the_largest_tile_is_refused():
    predictor, embedding, _ = opened((20000, 20000), [], edge=1024)
    assert embedding.levels[-1].side == LARGEST
    with pytest.raises(UserError, match=r"The box is 9000 × 100 pixels.* up to 6144 × 6144"):
        predictor.predict(embedding, boxes=[(100, 100, 9100, 200)])
    assert predictor.model.encoded == 0


def test_a_click_reads_a_tile_and_no_more():
    discs = [(10000, 10000, 2500, CELL), (10010, 10000, 30, NUCLEUS)]
    predictor, embedding, levels = opened((20000, 20000), discs, edge=1024, factors=(1, 4, 16, 64))
    (result,) = predictor.predict(embedding, points=[(10010, 10000)])
    y0, x0, y1, x1 = result.candidates[0].box
    assert abs(y1 - y0 - 5000) < 60
    assert abs(x1 - x0 - 5000) < 60
    assert result.candidates[1].area == pytest.approx(np.pi * 30**2, rel=0.02)
    assert levels[0].pixels_read <= 5 * 1024**2  # the tile, and twice as much for the next scale
    assert sum(level.pixels_read for level in levels[1:]) <= 2048**2 + 1250**2  # for the contrast


def test_all_tiles_have_the_contrast_of_the_plane():
    picture = np.zeros((400, 500), dtype=np.uint16)
    picture[:, :250] = RNG.integers(0, 300, (400, 250))
    picture[:, 250:] = RNG.integers(0, 60000, (400, 250))
    model = BrightModel()
    embedding = PlaneEmbedding(Plane.of(picture), model, EmbeddingCache(), edge=EDGE)
    expected = normalise(picture).mean(axis=2)
    for box in embedding.levels[0].tiles():
        y0, x0, y1, x1 = box
        seen = embedding.embed(Tile(box, 0)).image.features["mask_features"][0, 0]
        np.testing.assert_allclose(seen, expected[y0:y1, x0:x1], atol=1e-3)


def test_tiles_cover_the_plane():
    for shape in [(700, 930), (129, 2000), (4096, 1000)]:
        level = tile_levels(shape, PRESETS["tiny"], edge=EDGE)[0]
        covered = np.zeros(shape, dtype=bool)
        for y0, x0, y1, x1 in level.tiles():
            covered[y0:y1, x0:x1] = True
        assert covered.all()


@pytest.mark.parametrize("name", ["tiny", "swin-t"])
@pytest.mark.parametrize(
    "shape", [(30, 900), (1025, 300), (2561, 2000), (9000, 12000), (50, 10**5)]
)
@pytest.mark.parametrize("scale", [None, 1 / 64, 0.3, 1.0, 4.0])
def test_there_are_at_most_three_scales_ever_coarser(name, shape, scale):
    levels = tile_levels(shape, PRESETS[name], scale)
    assert 1 <= len(levels) <= 3
    sides = [level.side for level in levels]
    assert sides == sorted(set(sides))
    assert [level.scale for level in levels] == sorted((x.scale for x in levels), reverse=True)
    assert levels[-1].is_whole or levels[-1].side == LARGEST
    if scale is not None:
        assert levels[0].scale == scale
    largest = max(level.side * level.scale for level in levels)
    assert largest <= (1024 if name == "tiny" else 2560) * 1.001


def test_a_large_part_without_a_pyramid_is_averaged_in_strips():
    rows, columns = np.ogrid[:4300, :4099]
    picture = (120 + 100 * np.sin(rows / 200) * np.cos(columns / 150)).astype(np.uint8)
    plane = Plane.of(picture, contrast_limits=(0, 255))
    seen = read_input(plane, (0, 0, 4300, 4099), (430, 410), PRESETS["tiny"])
    expected = resize(normalise(picture, contrast_limits=(0, 255)), (430, 410))
    assert seen.shape == (3, 430, 410)
    np.testing.assert_allclose(seen, expected.transpose(2, 0, 1), atol=1.5)


def test_a_part_that_cannot_be_read_is_told_and_the_rest_works():
    discs = [(100, 100, 9, NUCLEUS), (600, 600, 9, NUCLEUS)]
    predictor, embedding, _ = opened((5000, 5000), discs, factors=(1, 8), broken=(610, 610))
    with pytest.raises(UserError, match=r"slide could not be read.*a chunk is missing"):
        predictor.predict(embedding, points=[(600, 600)])
    (result,) = predictor.predict(embedding, points=[(100, 100)])
    assert overlap(result.best, discs[0]) > 0.97


def test_what_goes_on_where_nothing_can_be_read_is_cut_off_with_a_warning():
    discs = [(600, 600, 300, CELL), (600, 600, 9, NUCLEUS)]
    predictor, embedding, _ = opened((5000, 5000), discs, factors=(1, 8), broken=(600, 720))
    with pytest.warns(UserWarning, match="cut off: slide could not be read.*a chunk is missing"):
        (result,) = predictor.predict(embedding, points=[(600, 600)])
    y0, x0, y1, x1 = result.candidates[0].box
    assert max(y1 - y0, x1 - x0) <= EDGE
    assert overlap(result.candidates[1], discs[1]) > 0.97


@pytest.mark.parametrize("scale", [0, np.nan, 17, "2"])
def test_impossible_scales_are_refused(tiny, scale):
    with pytest.raises(UserError, match="scale must be a number"):
        tiny.embed_plane(Plane.of(np.zeros((2000, 30), np.uint8)), scale=scale)


def test_clicks_outside_the_plane_are_refused():
    predictor, embedding, _ = opened((700, 930), [])
    with pytest.raises(UserError, match="lies outside the picture, which is 700 × 930"):
        predictor.predict(embedding, points=[(700, 5)])


def test_planes_of_another_model_are_refused(tiny):
    embedding = tiny.embed_plane(Plane.of(RNG.random((40, 50))))
    other = Predictor(SemanticSAM(PRESETS["tiny"]))
    with pytest.raises(EmbeddingMismatchError, match="another checkpoint"):
        other.predict(embedding, points=[(1, 1)])


def test_prompts_are_combined_on_a_plane():
    cell, nucleus = (350, 400, 90, CELL), (340, 390, 20, NUCLEUS)
    predictor, embedding, _ = opened((800, 900), [cell, nucleus])
    wanted, unwanted = Prompt("click", (410, 400)), Prompt("click", (340.0, 390.0), False)
    (alone,) = combine(predictor, embedding, [wanted]).candidates
    assert overlap(alone, cell) > 0.95
    (rest,) = combine(predictor, embedding, [wanted, unwanted]).candidates
    assert rest.area == pytest.approx(alone.area - np.pi * 20**2, rel=0.01)


def test_threads_embed_a_tile_once_and_agree():
    discs = [(350, 400, 150, CELL), (340, 390, 20, NUCLEUS)]
    predictor, embedding, _ = opened((800, 900), discs)
    barrier = threading.Barrier(4)

    def ask(_):
        barrier.wait()
        (result,) = predictor.predict(embedding, points=[(340, 390)])
        return [(each.box, each.area) for each in result.candidates]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    assert answers == [answers[0]] * 4
    assert predictor.model.encoded == len(embedding.levels) == 3


@pytest.mark.parametrize("box", [(253, 371, 853, 971), (249, 380, 849, 980)])
@pytest.mark.parametrize("coarser", [2, 4])
def test_a_box_between_the_pixels_of_a_pyramid_level_is_not_shifted(box, coarser):
    rows, columns = np.mgrid[:1200, :1200]
    ramps = np.stack([rows, columns, rows + columns], axis=-1).astype(np.float32)
    side = 1200 // coarser
    coarse = ramps.reshape(side, coarser, side, coarser, 3).mean((1, 3))
    plane = ImageSource((ramps, coarse), "YXC", contrast_limits=(0, 2400)).plane()
    seen = read_input(plane, box, (120, 120), PRESETS["tiny"])[:2, 5:-5, 5:-5] * (2400 / 255)
    y0, x0 = box[:2]
    middles = np.arange(5, 115) * 5 + 2  # of blocks of 5 x 5 pixels
    np.testing.assert_allclose(seen[0, :, 0], y0 + middles, atol=0.2)
    np.testing.assert_allclose(seen[1, 0], x0 + middles, atol=0.2)
