"""One object followed through slices whose answers can be worked out by hand."""

from __future__ import annotations

from functools import partial
from itertools import islice

import numpy as np
import pytest

from napari_semantic_sam.inference.appearance import appearance
from napari_semantic_sam.inference.drift import Drifts
from napari_semantic_sam.inference.following import moved
from napari_semantic_sam.inference.propagation import Rules, asking, propagate
from napari_semantic_sam.inference.results import Candidate, CroppedMask, PromptResult, tight
from napari_semantic_sam.inference.standing_out import reading, stands_out

SIDE = 64


def square(top, left, side=12, shape=(SIDE, SIDE)):
    mask = np.zeros(shape, bool)
    mask[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = True
    return mask


def known(mask):
    return CroppedMask(*tight(mask, 0, 0), mask.shape)


def candidate(mask, token=0, predicted=0.9):
    box, crop = tight(mask, 0, 0)
    return Candidate(box, crop, mask.shape, token, token + 1, predicted, 1.0)


class Scene:
    """Slices of masks; a click finds the mask under it, its cell (twice as large) and nothing."""

    def __init__(self, masks):
        self.masks = masks
        self.asked = []

    def find(self, index, prompts):
        self.asked.append(index)
        (click,) = [each for each in prompts if each.kind == "click"]
        y, x = map(int, click.coordinates)
        mask = self.masks[index]
        empty = np.zeros_like(mask)
        if not mask[y, x]:
            return [candidate(empty, token) for token in range(3)]
        top, left = np.argwhere(mask).min(axis=0)
        cell = square(top - 6, left - 6, 24)
        return [candidate(cell, 0, 0.95), candidate(mask, 1, 0.9), candidate(empty, 2, 0.1)]


def follow(scene, start, **options):
    mask = known(scene.masks[start])
    return list(propagate(scene.find, start, mask, len(scene.masks), **options))


def test_the_object_is_followed_both_ways_and_ends_where_it_is_gone():
    nothing = np.zeros((SIDE, SIDE), bool)
    masks = [nothing, nothing, *(square(20 + z, 20) for z in range(5)), nothing, nothing]
    scene = Scene(masks)
    steps = follow(scene, 4)
    assert [step.index for step in steps] == [5, 6, 7, 3, 2, 1]  # slices behind the end are not
    for step in steps:
        if masks[step.index].any():
            assert (step.mask.full_mask() == masks[step.index]).all()
            assert step.score == pytest.approx(11 / 13)
            assert step.mask.predicted_iou == 0.9
            assert step.reason == ""
        else:
            assert (step.mask, step.score, step.reason) == (None, 0.0, "nothing found")


def test_the_level_is_held_although_the_network_expects_more_of_another():
    scene = Scene([square(20, 20 + z) for z in range(4)])
    assert {step.mask.level for step in follow(scene, 0)} == {2}
    cell = known(square(14, 14, 24))
    steps = list(propagate(scene.find, 0, cell, 4))
    assert {step.mask.level for step in steps} == {1}


def test_it_ends_where_nothing_agrees_enough():
    scene = Scene([square(20, 20), square(20, 24), square(20, 29)])
    steps = follow(scene, 0, rules=Rules(least_agreement=0.45))
    assert [(step.index, step.reason) for step in steps] == [(1, ""), (2, "no agreement")]
    assert steps[1].score == pytest.approx(7 / 17)
    strict = follow(scene, 0, rules=Rules(least_agreement=0.6))
    assert [(step.index, step.reason) for step in strict] == [(1, "no agreement")]


def test_candidates_and_the_last_mask_vote_on_every_pixel():
    last, small, large = square(20, 20), square(20, 20, 10), square(20, 20, 14)

    def follow_with(*answers, inertia):
        rules = Rules(inertia=inertia)
        (step,) = propagate(lambda index, prompts: answers, 0, known(last), 2, rules=rules)
        return step.mask

    answers = candidate(small, 3, 0.8), candidate(small, 2, 0.6), candidate(large, 1, 0.7)
    elected = follow_with(*answers, inertia=0.0)
    assert (elected.full_mask() == small).all()  # two of three
    assert elected.token == 3
    assert 0.6 < elected.predicted_iou < 0.8
    # The last mask decides where the candidates do not agree.
    assert (follow_with(*answers, inertia=0.9).full_mask() == last).all()
    # What all candidates say counts more than the last mask.
    assert (follow_with(candidate(large), inertia=0.9).full_mask() == large).all()


def test_candidates_that_do_not_agree_with_each_other_are_nothing():
    last = square(20, 20)
    thirds = [
        square(20 + 4 * part, 20, 12) & last & ~square(24 + 4 * part, 20) for part in range(3)
    ]
    answers = [candidate(mask) for mask in thirds]
    rules = Rules(least_agreement=0.3, inertia=0.0)
    (step,) = propagate(lambda index, prompts: answers, 0, known(last), 2, rules=rules)
    assert (step.mask, step.reason) == (None, "no agreement")


def test_rules_have_ranges():
    for wrong in (
        {"least_agreement": 0},
        {"least_contrast": 1.1},
        {"least_support": -1},
        {"inertia": 1},
    ):
        with pytest.raises(ValueError, match="out of range"):
            Rules(**wrong)


def test_it_ends_where_it_no_longer_stands_out():
    masks = [square(20, 20)] * 6
    scene = Scene(masks)
    brightness = [100, 120, 90, 71, 47, 100]
    steps = follow(scene, 0, contrast=lambda index, mask: brightness[index])
    assert [step.reason for step in steps] == ["", "", "", "faded"]  # below 0.4 × 120
    dark = follow(scene, 0, contrast=lambda index, mask: -brightness[index])
    assert [step.index for step in dark] == [1, 2, 3, 4]
    turned = follow(scene, 0, contrast=lambda index, mask: 100 if index < 2 else -100)
    assert [step.reason for step in turned] == ["", "faded"]
    unclear = follow(scene, 0, contrast=lambda index, mask: brightness[index] if index else 0)
    assert [step.reason for step in unclear] == [""] * 5


def test_it_ends_where_the_network_is_less_sure():
    last = square(20, 20)
    sure = [0.0, 0.8, 0.7, 0.9, 0.7, 0.65]

    def find(index, prompts):
        return [candidate(last, predicted=sure[index])]

    steps = list(propagate(find, 0, known(last), 6))
    assert [step.reason for step in steps] == ["", "", "", "", "unsure"]  # below 0.75 × 0.9
    standing_out = propagate(find, 0, known(last), 6, contrast=lambda index, mask: 10.0)
    assert [step.reason for step in standing_out] == ["", "", "", "", "unsure"]


def noisy(masks, inside=120.0, outside=80.0, noise=15.0):
    rng = np.random.default_rng(0)
    return [np.where(mask, inside, outside) + rng.normal(0, noise, mask.shape) for mask in masks]


@pytest.mark.parametrize("colours", [1, 3])
def test_an_outline_follows_how_the_object_looks_and_not_a_network_that_sees_a_box(colours):
    sides = [20, 18, 16, 14, 12]
    masks = [square(30 - side // 2, 30 - side // 2, side) for side in sides]
    pictures = [np.dstack([each] * colours).squeeze() for each in noisy(masks)]
    truth, rules = known(masks[-1]), Rules(least_support=0.0)
    box = square(20, 20, 20)  # larger than the object from slice to slice

    def overlap(predicted, **options):
        def find(index, prompts):
            return [candidate(box, predicted=predicted)]

        steps = list(propagate(find, 0, known(box), len(masks), rules=rules, **options))
        return truth.iou(steps[-1].mask)

    look = partial(appearance, reading(pictures))
    assert overlap(0.65, appearance=look) > 0.75
    assert overlap(0.98, appearance=look) < 0.5  # a network that is sure is believed
    assert overlap(0.65) < 0.4


def test_a_network_keeps_apart_what_looks_the_same():
    masks = [square(20, 20), square(20, 20)]
    pictures = noisy([each | square(20, 32) for each in masks])  # a neighbour touches it
    (step,) = follow(Scene(masks), 0, appearance=partial(appearance, reading(pictures)))
    assert known(masks[1]).iou(step.mask) > 0.8


def test_what_candidates_do_not_agree_with_is_still_recognised():
    mask = square(20, 20)

    def find(index, prompts):
        return [candidate(square(10, 10, 34), predicted=0.8)]

    look = partial(appearance, reading(noisy([mask] * 3)))
    steps = list(propagate(find, 0, known(mask), 3, appearance=look))
    assert [known(mask).iou(step.mask) > 0.8 for step in steps] == [True, True]
    assert steps[0].mask.predicted_iou == pytest.approx(0.8)
    (step,) = propagate(find, 0, known(mask), 3)
    assert step.reason == "no agreement"


def test_it_ends_where_nothing_looks_like_it():
    mask = square(20, 20)
    pictures = noisy([mask, mask, np.zeros_like(mask)], inside=200.0)

    def find(index, prompts):  # is as sure as ever that there is something far larger
        return [candidate(square(10, 10, 30), predicted=0.9)]

    read = reading(pictures)
    looking = {"appearance": partial(appearance, read), "contrast": partial(stands_out, read)}
    steps = list(propagate(find, 0, known(mask), 3, **looking))
    assert [step.reason for step in steps] == ["", "faded"]


def test_only_boxes_around_the_object_are_read():
    shape, radius = (4000, 4000), 90
    asked = []

    def read(index, box):
        asked.append(box)
        assert 0 <= box[0] < box[2] <= shape[0]
        assert 0 <= box[1] < box[3] <= shape[1]
        rows, columns = (np.arange(*box[axis::2]) for axis in (0, 1))
        return 100.0 * (np.hypot(rows[:, None] - 95, columns - 2000) < radius)

    rows, columns = np.ogrid[:200, :200]
    disc = np.hypot(rows - 95, columns - 100) < radius
    box, crop = tight(disc, 0, 1900)
    evidence = appearance(read, 0, CroppedMask(box, crop, shape))
    values = evidence(1, (0, 1900, 200, 2100))
    assert (values > 0).shape == (200, 200)
    assert np.mean((values > 0) == disc) > 0.97
    assert max((box[2] - box[0]) * (box[3] - box[1]) for box in asked) < 450 * 450


def test_without_surroundings_and_values_there_is_no_evidence():
    whole = known(np.ones((SIDE, SIDE), bool))
    pictures = [np.full((SIDE, SIDE), np.nan)] * 2
    read = reading(pictures)
    assert not appearance(read, 0, whole)(1, (0, 0, 9, 9)).any()
    assert not appearance(read, 0, known(square(20, 20)))(1, (0, 0, 9, 9)).any()


def test_a_correction_is_a_start_of_its_own():
    masks = [square(20, 20)] * 10
    scene = Scene(masks)
    wide = known(square(14, 14, 24))
    steps = follow(scene, 1, corrections={6: wide})
    assert sorted(step.index for step in steps) == [0, 2, 3, 4, 5, 7, 8, 9]
    levels = {step.index: step.mask.level for step in steps}
    assert levels == {0: 2, 2: 2, 3: 2, 4: 1, 5: 1, 7: 1, 8: 1, 9: 1}


def test_an_empty_correction_says_that_the_object_is_not_there():
    scene = Scene([square(20, 20)] * 9)
    gone = known(np.zeros((SIDE, SIDE), bool))
    steps = follow(scene, 0, corrections={4: gone})
    assert [step.index for step in steps] == [1, 2]


def test_a_correction_of_the_start_takes_its_place():
    scene = Scene([square(20, 20)] * 3)
    steps = follow(scene, 0, corrections={0: known(square(14, 14, 24))})
    assert {step.mask.level for step in steps} == {1}


def test_slices_are_looked_at_only_when_asked_for():
    scene = Scene([square(20, 20)] * 100)
    steps = propagate(scene.find, 50, known(scene.masks[50]), 100)
    assert scene.asked == []
    assert [step.index for step in islice(steps, 3)] == [51, 52, 53]
    assert scene.asked == [51, 52, 53]


def test_a_start_outside_of_the_stack_is_refused():
    scene = Scene([square(20, 20)] * 3)
    with pytest.raises(ValueError, match="no slice 3 of 3"):
        propagate(scene.find, 3, known(scene.masks[0]), 3)
    with pytest.raises(ValueError, match="no slice -1 of 3"):
        propagate(scene.find, 1, known(scene.masks[0]), 3, corrections={-1: known(scene.masks[0])})


def test_movement_of_the_stage_is_followed():
    rng = np.random.default_rng(0)
    masks = [square(4 + 18 * t, 30) for t in range(4)]
    pictures = [100.0 * mask + rng.normal(0, 1, mask.shape) for mask in masks]
    drifts = Drifts(pictures.__getitem__)
    assert drifts(0, 1) == (18, 0)
    assert drifts(2, 1) == (-18, 0)
    assert drifts(0, 3) == (54, 0)
    scene = Scene(masks)
    assert [step.mask is None for step in follow(scene, 1)] == [True, True]
    steps = follow(scene, 1, displacement=drifts)
    assert [(step.index, step.score) for step in steps] == [(2, 1.0), (3, 1.0), (0, 1.0)]


def test_what_leaves_the_picture_has_ended():
    scene = Scene([square(50, 20)] * 3)
    steps = follow(scene, 0, displacement=lambda start, end: (20, 0))
    assert [(step.index, step.reason) for step in steps] == [(1, "left the picture")]


def test_masks_are_moved_and_cut_at_the_border():
    mask = known(square(2, 2, 6))
    assert moved(mask, (3, 4)).box == (5, 6, 11, 12)
    assert moved(mask, (-4, 0)).box == (0, 2, 4, 8)
    assert moved(mask, (-4, 0)).area == 24
    for far in ((-20, 0), (0, 100), (100, -100)):
        assert moved(mask, far).area == 0


def test_how_much_a_mask_stands_out():
    mask = square(20, 20)
    picture = np.where(mask, 90.0, 50.0)

    def contrast(picture, mask):
        return stands_out(reading([picture]), 0, known(mask))

    assert contrast(picture, mask) == pytest.approx(40)
    assert contrast(-picture, mask) == pytest.approx(-40)
    assert contrast(np.dstack([picture, picture]), mask) == pytest.approx(80)
    picture[0, 0] = picture[18, 18] = np.nan
    assert contrast(picture, mask) == pytest.approx(40)
    noise = np.random.default_rng(0).normal(size=mask.shape)
    assert contrast(noise, mask) == 0
    assert contrast(picture, np.zeros_like(mask)) == 0
    assert contrast(picture, np.ones_like(mask)) == 0


def test_the_network_is_asked_about_every_prompt():
    class Network:
        def predict(self, embedding, points, boxes):
            self.asked = (embedding, points, boxes)
            mask = candidate(square(1, 1))
            return [PromptResult("click", (1, 2), (mask, mask)), PromptResult("box", (), (mask,))]

    network = Network()
    find = asking(network, lambda index: f"slice {index}")
    scene = Scene([square(20, 20)] * 2)
    (step,) = propagate(find, 0, known(scene.masks[0]), 2)
    embedding, points, boxes = network.asked
    assert embedding == "slice 1"
    assert boxes == [(20, 20, 32, 32)]
    assert scene.masks[0][points[0]]
    assert step.reason == "no agreement"
    assert len(find(0, ())) == 3
