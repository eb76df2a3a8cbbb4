from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.types import CLICK_SIZE, Prompts
from napari_semantic_sam.training.clicks import ClickTargets, sample_boxes, sample_clicks
from napari_semantic_sam.training.records import Record, make_record, mask_boxes
from napari_semantic_sam.training.targets import build_targets

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def masks():
    """A large disc with a small one inside, and a rectangle apart from them."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows - 18, columns - 20)
    rectangle = (rows >= 30) & (rows < 38) & (columns >= 40) & (columns < 58)
    return np.stack([distance < 14, distance < 4, rectangle])


def clicked_pixels(clicks):
    centres = clicks.anchor_boxes[:, :2] * torch.tensor([WIDTH, HEIGHT])
    return (centres - 0.5).round().long().numpy()


def test_every_mask_under_the_click_is_a_target(masks, rng):
    clicks = sample_clicks(masks, 50, rng)
    for (x, y), targets in zip(clicked_pixels(clicks), clicks.targets, strict=True):
        assert targets.tolist() == np.flatnonzero(masks[:, y, x]).tolist()
        assert len(targets)


def test_masks_are_visited_equally_often(masks, rng):
    clicks = sample_clicks(masks[::2], 30, rng)
    assert np.bincount(np.concatenate(clicks.targets)).tolist() == [15, 15]


def test_no_more_targets_than_tokens(rng):
    clicks = sample_clicks(np.ones((9, 8, 8), dtype=bool), 20, rng, max_targets=6)
    assert all(len(set(targets.tolist())) == 6 for targets in clicks.targets)
    assert set(np.concatenate(clicks.targets).tolist()) == set(range(9))


def test_clicks_are_what_the_product_sends(masks, rng):
    clicks = sample_clicks(masks, 10, rng)
    assert clicks.kinds == ("click",) * 10
    centres = torch.from_numpy((clicked_pixels(clicks) + 0.5) / [WIDTH, HEIGHT]).float()
    torch.testing.assert_close(clicks.anchor_boxes, Prompts.clicks(centres).anchor_boxes)
    assert (clicks.anchor_boxes[:, 2:] == CLICK_SIZE).all()


def test_published_anchors_are_noisy_six_pixel_boxes(masks, rng):
    boxes = sample_clicks(masks, 200, rng, anchor="published").anchor_boxes.numpy()
    size = np.array([6 / WIDTH, 6 / HEIGHT])
    np.testing.assert_allclose(boxes[:, 2:], np.tile(size, (200, 1)), rtol=0.004)
    assert np.ptp(boxes[:, 2]) > 0.004 * size[0]
    pixels = boxes[:, :2] * [WIDTH, HEIGHT]
    assert np.abs(pixels - pixels.round()).max() < 3 * 0.004 + 1e-4


def test_central_clicks_stay_away_from_the_outline(masks, rng):
    clicks = sample_clicks(masks[:1], 100, rng, centre_share=1.0)
    assert np.hypot(*(clicked_pixels(clicks) - [20, 18]).T).max() < 5
    spread = sample_clicks(masks[:1], 100, rng, centre_share=0.0)
    assert np.hypot(*(clicked_pixels(spread) - [20, 18]).T).max() > 10


def test_boxes_have_one_target_and_surround_it(masks, rng):
    boxes = sample_boxes(masks, 12, rng, jitter=0.0)
    assert boxes.kinds == ("box",) * 12
    tight = mask_boxes(masks)[np.concatenate(boxes.targets)]
    centre, size = boxes.anchor_boxes[:, :2].numpy(), boxes.anchor_boxes[:, 2:].numpy()
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    np.testing.assert_allclose(corners * np.tile([WIDTH, HEIGHT], 2), tight, atol=1e-4)


def test_box_jitter_is_bounded_by_the_size_and_the_picture(rng):
    masks = np.zeros((2, 40, 40), dtype=bool)
    masks[0, :, :5] = True
    masks[1, 10:20, 10:30] = True
    boxes = sample_boxes(masks, 100, rng, jitter=0.2)
    low = boxes.anchor_boxes[:, :2] - boxes.anchor_boxes[:, 2:] / 2
    high = boxes.anchor_boxes[:, :2] + boxes.anchor_boxes[:, 2:] / 2
    assert low.min() >= -1e-6
    assert high.max() <= 1 + 1e-6
    inner = torch.from_numpy(np.concatenate(boxes.targets) == 1)
    shift = (torch.cat([low, high], dim=1)[inner] * 40 - torch.tensor([10, 10, 30, 20])).abs()
    assert (shift.amax(dim=0) <= torch.tensor([4, 2, 4, 2]) + 1e-4).all()
    assert shift.amax() > 2


def test_an_image_without_masks_has_no_prompts(rng):
    none = np.zeros((0, 8, 8), dtype=bool)
    assert len(sample_clicks(none, 5, rng)) == len(sample_boxes(none, 5, rng)) == 0


def test_records_drop_empty_masks_with_their_names(masks):
    masks = np.concatenate([masks, np.zeros((1, HEIGHT, WIDTH), dtype=bool)])[[3, 0, 1, 2]]
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    record = make_record(image, masks, "object", object_ids=np.arange(4))
    assert len(record.masks) == 3
    assert record.object_ids.tolist() == [1, 2, 3]
    assert record.part_ids is None


@pytest.mark.parametrize(
    ("shape", "mask_shape", "ids", "words"),
    [
        ((8, 8), (1, 8, 8), None, "shape"),
        ((8, 8, 3), (1, 8, 9), None, "masks"),
        ((8, 8, 3), (1, 8, 8), np.zeros(2, np.int64), "object names"),
    ],
)
def test_records_refuse_what_does_not_fit(shape, mask_shape, ids, words):
    with pytest.raises(UserError, match=rf"(?s)cell\.tif.*{words}|{words}.*cell\.tif"):
        Record(
            np.zeros(shape, np.uint8), np.ones(mask_shape, bool), object_ids=ids, name="cell.tif"
        )


def test_records_refuse_other_data_types():
    with pytest.raises(UserError, match="float64"):
        Record(np.zeros((8, 8, 3)), np.ones((1, 8, 8), bool))


def test_targets_of_several_images(masks, rng):
    first = ClickTargets.concatenate([sample_clicks(masks, 4, rng), sample_boxes(masks, 2, rng)])
    second = sample_clicks(masks[1:], 3, rng)
    prompts, targets = build_targets([(masks, first), (masks[1:], second)], (64, 64))
    assert prompts.kinds == ("click",) * 4 + ("box",) * 2 + ("click",) * 3
    assert prompts.image_index.tolist() == [0] * 6 + [1] * 3
    assert targets.masks.shape == (5, 64, 64)
    assert not targets.masks[:, HEIGHT:].any()
    assert not targets.masks[:, :, WIDTH:].any()
    wanted = [*first.targets, *(target + 3 for target in second.targets)]
    for row, valid, expected in zip(targets.index, targets.valid, wanted, strict=True):
        assert row[valid].tolist() == expected.tolist()
    assert len(targets.prompt) == sum(map(len, wanted))
    centre, size = targets.boxes[2, :2] * 64, targets.boxes[2, 2:] * 64
    assert (centre.tolist(), size.tolist()) == ([49.0, 34.0], [18.0, 8.0])
