"""Several prompts for one object."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.draw import polygon2mask

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference import Candidate, Predictor, distinct_candidates
from napari_semantic_sam.inference.combination import combine
from napari_semantic_sam.inference.evidence import read_evidence
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import CroppedMask, PromptResult, tight
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.semantic_sam import SemanticSAM

SHAPE = (60, 80)
PICTURE = SimpleNamespace(shape=SHAPE)


def mask(*rectangles):
    """All pixels of rectangles (y0, x0, y1, x1)."""
    full = np.zeros(SHAPE, dtype=bool)
    for y0, x0, y1, x1 in rectangles:
        full[y0:y1, x0:x1] = True
    return full


TISSUE = mask((5, 5, 55, 75))
CELL = mask((10, 10, 50, 40))
NUCLEUS = mask((20, 15, 35, 30))
OTHER_CELL = mask((10, 45, 50, 70))
OTHER_NUCLEUS = mask((20, 50, 30, 60))
SPECK = mask((1, 1, 4, 4))
IN_CELL, IN_NUCLEUS = (45, 20), (25, 20)
IN_OTHER, IN_OTHER_NUCLEUS, IN_TISSUE = (45, 60), (25, 55), (30, 42)


class Oracle:
    """Answers a click with every mask that holds it, and a box with every mask inside it.

    Parameters
    ----------
    masks : (mask, predicted IoU) pairs
        Coarse to fine: the first one has level 1.
    """

    def __init__(self, *masks):
        self.masks = masks
        self.calls = []

    def predict(self, embedding, points=(), boxes=()):
        self.calls.append((list(points), list(boxes)))
        clicked = [
            PromptResult(
                "click", tuple(at), self._answer(lambda m, at=at: m[int(at[0]), int(at[1])])
            )
            for at in points
        ]
        drawn = []
        for box in boxes:
            room = mask(tuple(round(value) for value in box))
            drawn.append(
                PromptResult(
                    "box", tuple(box), self._answer(lambda m, room=room: not (m & ~room).any())
                )
            )
        return clicked + drawn

    def _answer(self, is_meant):
        answer = []
        for token, (full, predicted_iou) in enumerate(self.masks):
            shown = full if is_meant(full) else np.zeros(SHAPE, dtype=bool)
            answer.append(
                Candidate(*tight(shown, 0, 0), SHAPE, token, token + 1, predicted_iou, 0.9)
            )
        return tuple(answer)


NESTED = ((TISSUE, 0.6), (CELL, 0.8), (NUCLEUS, 0.9), (OTHER_CELL, 0.7), (OTHER_NUCLEUS, 0.85))


def click(at, positive=True):
    return Prompt("click", at, positive)


def asked(*prompts, masks=NESTED, labels=None):
    return combine(Oracle(*masks), PICTURE, prompts, labels)


def shown(combined):
    return combined.candidates[combined.best].full_mask()


def found(combined):
    return [each.full_mask().tobytes() for each in combined.candidates]


def bytes_of(*masks):
    return [each.tobytes() for each in masks]


@pytest.fixture(scope="module")
def embedded():
    torch.manual_seed(0)
    predictor = Predictor(SemanticSAM(PRESETS["tiny"], level_order=(3, 2, 0, 4, 1, 5)))
    pixels = np.random.default_rng(1).integers(0, 255, (90, 70), dtype=np.uint8)
    return predictor, predictor.embed(pixels)


@pytest.mark.parametrize(
    "prompt", [Prompt("click", (31.5, 40.0)), Prompt("box", (10.0, 12.5, 50.0, 43.0))]
)
def test_a_single_click_or_box_gives_what_the_network_gives(embedded, prompt):
    predictor, embedding = embedded
    asked_for = (
        {"points": [prompt.coordinates]}
        if prompt.kind == "click"
        else {"boxes": [prompt.coordinates]}
    )
    (result,) = predictor.predict(embedding, **asked_for)
    expected = distinct_candidates(result.candidates)
    combined = combine(predictor, embedding, [prompt])
    assert [
        (each.box, each.level, each.token, each.predicted_iou) for each in combined.candidates
    ] == [(each.box, each.level, each.token, each.predicted_iou) for each in expected]
    assert all(
        np.array_equal(mine.crop, its.crop)
        for mine, its in zip(combined.candidates, expected, strict=True)
    )
    scores = [each.predicted_iou for each in expected]
    assert combined.best == scores.index(max(scores))


def test_many_prompts_of_a_real_network_are_nested_distinct_and_the_same_every_time(embedded):
    predictor, embedding = embedded
    prompts = [
        click((30, 30)), click((60, 40)), click((5, 5), False),
        Prompt("scribble", (20.0, 20.0, 50.0, 60.0)),
        Prompt("lasso", (20.0, 10.0, 60.0, 15.0, 40.0, 60.0)),
    ]  # fmt: skip
    first, second = (combine(predictor, embedding, prompts) for _ in range(2))
    levels = [each.level for each in first.candidates]
    areas = [each.area for each in first.candidates]
    assert 0 < len(levels) <= 6
    assert levels == sorted(set(levels))
    assert set(levels) <= set(range(1, 7))
    assert areas == sorted(areas, reverse=True)
    assert first.agreements == second.agreements
    assert (first.best, levels) == (second.best, [each.level for each in second.candidates])
    assert not any(each.full_mask()[5, 5] for each in first.candidates)


def test_all_prompts_are_asked_in_one_call():
    oracle = Oracle(*NESTED)
    combine(
        oracle, PICTURE, [click(IN_CELL), click(IN_OTHER, False), Prompt("box", (8, 8, 52, 42))]
    )
    assert oracle.calls == [([IN_CELL, IN_OTHER], [(8, 8, 52, 42)])]


def test_a_second_click_prefers_what_holds_both():
    assert np.array_equal(shown(asked(click(IN_NUCLEUS))), NUCLEUS)
    both = asked(click(IN_NUCLEUS), click(IN_CELL))
    assert np.array_equal(shown(both), CELL)
    assert found(both) == bytes_of(TISSUE, CELL, NUCLEUS)
    assert both.agreements == (1.0, 1.0, 0.5)
    assert [each.level for each in both.candidates] == [1, 2, 3]


def test_a_negative_click_deep_inside_excludes_what_holds_it():
    combined = asked(click(IN_CELL), click(IN_TISSUE, False))
    assert found(combined) == bytes_of(CELL)
    without_nucleus = asked(click(IN_NUCLEUS), click((38, 25), False))
    assert found(without_nucleus) == bytes_of(NUCLEUS)


def test_where_all_are_excluded_the_smallest_structure_is_cut_out():
    masks = ((TISSUE, 0.6), (OTHER_CELL, 0.7), (OTHER_NUCLEUS, 0.85))
    combined = asked(click(IN_CELL), click(IN_OTHER_NUCLEUS, False), masks=masks)
    assert found(combined) == bytes_of(TISSUE & ~OTHER_NUCLEUS)
    more = asked(
        click(IN_CELL), click(IN_OTHER_NUCLEUS, False), click((41, 62), False), masks=masks
    )
    assert found(more) == bytes_of(TISSUE & ~OTHER_NUCLEUS & ~OTHER_CELL)


def test_a_deep_negative_click_leads_to_the_mask_that_agrees_with_all_clicks():
    one, all_of = asked(click(IN_NUCLEUS)), ((TISSUE, 0.9), (CELL, 0.5), (NUCLEUS, 0.4))
    assert np.array_equal(shown(one), NUCLEUS)
    combined = asked(click(IN_NUCLEUS), click(IN_CELL), click(IN_TISSUE, False), masks=all_of)
    assert np.array_equal(shown(combined), CELL)
    assert found(combined) == bytes_of(CELL, NUCLEUS)


def test_the_mask_with_a_hole_under_a_deep_negative_click_is_on_the_list():
    part = mask((12, 32, 48, 42))
    masks = ((CELL, 0.9), (part, 0.6), (NUCLEUS, 0.8))
    combined = asked(click((45, 36)), click(IN_NUCLEUS, False), masks=masks)
    assert np.array_equal(shown(combined), part)
    assert found(combined) == bytes_of(CELL & ~NUCLEUS, part)


def test_where_no_mask_agrees_with_all_clicks_the_one_shown_is_cut():
    inclusion = mask((21, 12, 39, 26))
    masks = ((CELL, 0.9), (mask((40, 12, 48, 38)), 0.5), (inclusion, 0.9))
    combined = asked(click((44, 20)), click((15, 20)), click((30, 20), False), masks=masks)
    assert np.array_equal(shown(combined), CELL & ~inclusion)
    assert combined.agreements[combined.best] == 1.0


def test_a_structure_that_holds_a_positive_click_is_not_cut_out():
    combined = asked(click((30, 12)), click((30, 32), False), masks=((CELL, 0.9),))
    nearer = CELL & (np.arange(80) > 22)  # columns nearer to 32 than to 12
    assert np.array_equal(shown(combined), CELL & ~nearer)


def test_a_click_that_contradicts_another_leaves_the_rest_of_the_mask():
    combined = asked(Prompt("box", (10, 10, 50, 40)), click((12, 12), False), masks=((CELL, 0.9),))
    assert len(combined.candidates) == 1
    assert not shown(combined)[12, 12]
    assert shown(combined)[30, 25]


def rough(full, *, bumps=(), dents=()):
    """A mask with parts that are too much, and parts that are missing."""
    return (full | mask(*bumps)) & ~mask(*dents) if dents else full | mask(*bumps)


BUMP, DENT = (22, 40, 28, 44), (30, 10, 38, 13)
"""Beside the right side of the cell, and a bite out of its left one."""


def test_a_negative_click_near_the_outline_takes_away_only_what_is_near_it():
    wrong = rough(CELL, bumps=[BUMP])
    combined = asked(click(IN_CELL), click((25, 42), False), masks=((wrong, 0.9), (NUCLEUS, 0.5)))
    given = shown(combined)
    assert not given[25, 42]
    assert not (given & ~wrong).any()
    lost = np.argwhere(wrong & ~given)
    assert np.hypot(*(lost - (25, 42)).T).max() < 6
    best = combined.candidates[combined.best]
    assert (best.predicted_iou, best.level) == (0.9, 1)


def test_what_a_better_mask_agrees_with_stays_when_a_bump_is_taken_away():
    wrong = rough(CELL, bumps=[BUMP])
    masks = ((wrong, 0.9), (rough(CELL, dents=[DENT]), 0.4))
    combined = asked(click(IN_CELL), click((25, 42), False), masks=masks)
    assert np.array_equal(shown(combined)[:, 20:40], CELL[:, 20:40])
    assert shown(combined)[31, 11]  # the other mask lacks it, and nobody clicked there
    assert not shown(combined)[25, 42]


def test_a_positive_click_near_the_outline_adds_only_what_is_near_it():
    wrong = rough(CELL, dents=[DENT])
    masks = ((wrong, 0.9), (TISSUE, 0.5))
    combined = asked(click(IN_CELL), click((34, 11)), masks=masks)
    given = shown(combined)
    assert given[34, 11]
    assert (given & wrong).sum() == wrong.sum()
    gained = np.argwhere(given & ~wrong)
    assert np.hypot(*(gained - (34, 11)).T).max() < 8


def test_what_is_added_stays_on_its_side_of_negative_clicks():
    combined = asked(
        click(IN_NUCLEUS),
        click((25, 34), False),
        click((25, 32)),
        masks=((CELL, 0.5), (NUCLEUS, 0.9)),
    )
    assert shown(combined)[25, 32]
    assert not shown(combined)[25, 34]


def test_a_click_that_the_mask_agrees_with_changes_nothing():
    one = asked(click(IN_CELL), masks=NESTED)
    for more in (click((30, 35)), click((58, 2), False)):
        assert np.array_equal(shown(asked(click(IN_CELL), more, masks=NESTED)), shown(one))


def test_corrections_follow_the_order_of_the_clicks():
    wrong = rough(CELL, bumps=[BUMP])
    masks = ((wrong, 0.9), (NUCLEUS, 0.5))
    first, second = click((25, 42), False), click((46, 24), False)
    one_by_one = shown(asked(click(IN_NUCLEUS), click(IN_CELL), first, masks=masks))
    both = shown(asked(click(IN_NUCLEUS), click(IN_CELL), first, second, masks=masks))
    assert not (both & ~one_by_one).any()
    assert not both[46, 24]
    again = shown(
        asked(click(IN_NUCLEUS), click(IN_CELL), first, second, click((44, 24)), masks=masks)
    )
    assert again[44, 24]
    assert not again[46, 24]


def test_the_border_of_the_picture_is_no_outline():
    at_border = mask((0, 0, 40, 40))
    combined = asked(click((20, 20)), click((2, 20), False), masks=((at_border, 0.9), (SPECK, 0.1)))
    assert not shown(combined)[2, 20]
    kept_near = asked(
        click((20, 20)), click((37, 20), False), masks=((at_border, 0.9), (SPECK, 0.1))
    )
    assert shown(combined).sum() < shown(kept_near).sum() < at_border.sum()


def test_a_mask_that_is_not_shown_loses_a_bump_too():
    wrong = rough(CELL, bumps=[BUMP])
    combined = asked(
        click(IN_NUCLEUS), click((25, 42), False), masks=((wrong, 0.5), (NUCLEUS, 0.9))
    )
    assert np.array_equal(shown(combined), NUCLEUS)
    assert len(combined.candidates) == 2
    assert combined.candidates[0].area > 0.9 * wrong.sum()


def test_a_mask_of_which_a_correction_leaves_nothing_is_gone():
    combined = asked(Prompt("box", (0, 0, 40, 40)), click((2, 2), False), masks=((SPECK, 0.9),))
    assert (combined.candidates, combined.best) == ((), 0)


def test_clicks_at_one_place_that_contradict_each_other_leave_nothing():
    at = (2.0, 2.0)
    prompts = (Prompt("box", (0, 0, 40, 40)), click(at, False), click(at))
    combined = asked(*prompts, masks=((SPECK, 0.9),))
    assert all(each.area for each in combined.candidates)


def test_masks_are_joined_where_none_holds_every_click():
    masks = ((CELL, 0.8), (OTHER_CELL, 0.6), (OTHER_NUCLEUS, 0.5))
    combined = asked(click(IN_CELL), click(IN_OTHER_NUCLEUS), masks=masks)
    assert np.array_equal(shown(combined), CELL | OTHER_CELL)
    assert found(combined) == bytes_of(CELL | OTHER_CELL, CELL, OTHER_CELL)  # three levels
    levels = [each.level for each in combined.candidates]
    assert levels == sorted(set(levels))
    joined = combined.candidates[combined.best]
    share = CELL.sum() / (CELL | OTHER_CELL).sum()
    assert joined.predicted_iou == pytest.approx(share * 0.8 + (1 - share) * 0.6)
    assert combined.agreements[combined.best] == 1.0


def test_a_click_where_nothing_is_found_changes_nothing_else():
    combined = asked(click(IN_CELL), click((58, 78)), masks=((CELL, 0.8),))
    assert found(combined) == bytes_of(CELL)
    assert combined.agreements == (0.5,)
    assert asked(click((58, 78))).candidates == ()
    assert asked(click((58, 78))).best == 0


def test_a_box_beside_a_click_prefers_what_fits():
    loose = asked(click(IN_NUCLEUS), Prompt("box", (9, 9, 51, 42)))
    assert np.array_equal(shown(loose), CELL)
    fit = loose.agreements[loose.best]
    assert fit == pytest.approx((1 + 40 * 30 / (42 * 33)) / 2)
    cut_off = asked(click(IN_TISSUE), Prompt("box", (-50, -50, 200, 200)))
    assert np.array_equal(shown(cut_off), TISSUE)


def test_a_lasso_is_compared_with_its_polygon():
    around_nucleus = (18.0, 13.0, 18.0, 32.0, 36.0, 32.0, 36.0, 13.0)
    combined = asked(Prompt("lasso", around_nucleus), click(IN_NUCLEUS))
    assert np.array_equal(shown(combined), NUCLEUS)
    around_cell = (9.0, 9.0, 9.0, 41.0, 51.0, 41.0, 51.0, 9.0)
    assert np.array_equal(shown(asked(Prompt("lasso", around_cell))), CELL)


@pytest.mark.parametrize("seed", range(20))
def test_a_lasso_covers_the_pixels_whose_centres_are_inside(seed):
    rng = np.random.default_rng(seed)
    corners = rng.random((rng.integers(3, 12), 2)) * 90 - 10  # partly outside of the picture
    area = read_evidence(Prompt("lasso", tuple(corners.ravel().tolist())), SHAPE).area
    assert np.array_equal(area.full_mask(), polygon2mask(SHAPE, corners))


def test_a_lasso_asks_for_its_bounding_box():
    oracle = Oracle(*NESTED)
    combine(oracle, PICTURE, [Prompt("lasso", (-5.0, 10.0, 30.0, 10.0, 30.0, 90.0))])
    ((points, (box,)),) = oracle.calls
    assert points == []
    assert box[0] == 0
    assert box[3] == 80
    assert box[2] in (30, 31)
    assert box[1] in (10, 11)


def test_a_label_is_refined():
    prompt = Prompt("label", (2.0, 7.0, 30.0, 25.0))
    painted = mask((11, 8, 50, 41))
    label = CroppedMask(*tight(painted, 0, 0), SHAPE)
    oracle = Oracle(*NESTED)
    combined = combine(oracle, PICTURE, [prompt, click(IN_CELL)], {prompt: label})
    assert oracle.calls == [([IN_CELL], [(11, 8, 50, 41)])]
    assert np.array_equal(shown(combined), CELL)


def test_a_scribble_is_several_clicks():
    oracle = Oracle(*NESTED)
    prompts = [Prompt("scribble", (25.0, 20.0, 25.0, 26.0, 47.0, 26.0))]
    combined = combine(oracle, PICTURE, prompts)
    ((points, _),) = oracle.calls
    assert len(set(points)) == 5
    assert all(y == 25 or x == 26 for y, x in points)
    assert np.array_equal(shown(combined), CELL)  # the nucleus holds but a part of the line


def test_short_scribbles_and_those_across_the_border_use_what_is_there():
    oracle = Oracle(*NESTED)
    combine(oracle, PICTURE, [Prompt("scribble", (25.0, 20.0, 25.2, 20.3))])
    combine(oracle, PICTURE, [Prompt("scribble", (25.0, 20.0))])
    assert oracle.calls == [([(25, 20)], [])] * 2
    combine(oracle, PICTURE, [Prompt("scribble", (-40.0, 20.0, 40.0, 20.0))])
    assert oracle.calls[2] == ([(0, 20), (16, 20), (32, 20)], [])


def test_a_negative_scribble_excludes_what_it_touches():
    combined = asked(click(IN_NUCLEUS), Prompt("scribble", (30.0, 42.0, 30.0, 44.0), False))
    assert found(combined) == bytes_of(CELL, NUCLEUS)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("box", (0.0, 0.0, 60.0, 25.0), False),
        Prompt("lasso", (-1.0, -1.0, -1.0, 24.5, 70.0, 24.5, 70.0, -1.0), False),
        Prompt("label", (1.0, 1.0, 30.0, 12.0), False),
    ],
    ids=lambda prompt: prompt.kind,
)
def test_negative_areas_are_cut_out_of_every_mask(prompt):
    left = mask((0, 0, 60, 25))
    labels = {prompt: CroppedMask(*tight(left, 0, 0), SHAPE)}
    combined = asked(click((45, 30)), prompt, labels=labels)
    assert found(combined) == bytes_of(TISSUE & ~left, CELL & ~left)


def test_nothing_positive_gives_nothing():
    oracle = Oracle(*NESTED)
    for prompts in ([], [click(IN_CELL, False)], [Prompt("box", (0, 0, 5, 5), False)]):
        combined = combine(oracle, PICTURE, prompts)
        assert (combined.candidates, combined.best, combined.agreements) == ((), 0, ())
    assert oracle.calls == []


def test_no_more_candidates_than_levels():
    masks = tuple((mask((0, 16 * column, 50, 16 * column + 14)), 0.5) for column in range(3))
    clicks = [click((20, 16 * column + 8)) for column in range(3)]
    combined = asked(*clicks, masks=masks)
    assert len(combined.candidates) == 3
    assert [each.level for each in combined.candidates] == [1, 2, 3]
    assert np.array_equal(shown(combined), masks[0][0] | masks[1][0] | masks[2][0])


def test_levels_of_several_answers_do_not_collide():
    # Both clicks give a mask of the finest level: one of them moves to a coarser one.
    parts = [mask((10, 10, 20, 20)), mask((10, 30, 20, 42))]
    masks = ((SPECK, 0.1), (SPECK, 0.1), (SPECK, 0.1))

    class Twins(Oracle):
        def _answer(self, is_meant):
            (part,) = [each for each in parts if is_meant(each)]
            empty = super()._answer(lambda m: False)
            return (*empty[:2], Candidate(*tight(part, 0, 0), SHAPE, 2, 3, 0.8, 0.9))

    combined = combine(Twins(*masks), PICTURE, [click((15, 15)), click((15, 35))])
    assert [each.level for each in combined.candidates] == [1, 2, 3]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt("scribble", (-5.0, -5.0, -9.0, 30.0)), "scribble lies outside the picture"),
        (Prompt("lasso", (70.0, 90.0, 70.0, 99.0, 75.0, 99.0)), "lasso covers no pixel"),
        (Prompt("lasso", (10.2, 10.2, 10.3, 10.4, 10.4, 10.2)), "lasso covers no pixel"),
        (Prompt("lasso", (10.0, np.nan, 10.0, 10.0, 20.0, 20.0)), "lasso covers no pixel"),
        (Prompt("label", (1.0, 4.0, 0.0, 0.0)), "label that was to be refined is gone"),
    ],
)
def test_prompts_that_cannot_be_used(prompt, message):
    with pytest.raises(UserError, match=message):
        asked(click(IN_CELL), prompt)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [(Prompt("click", (95.0, 5.0)), "outside"), (Prompt("box", (3.0, 3.0, 3.0, 9.0)), "no area")],
)
def test_clicks_and_boxes_are_checked_as_ever(embedded, prompt, message):
    with pytest.raises(UserError, match=message):
        combine(*embedded, [prompt])
