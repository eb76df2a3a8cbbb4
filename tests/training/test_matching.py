from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from napari_semantic_sam.training.boxes import generalized_iou
from napari_semantic_sam.training.matching import (
    assign_tokens,
    match,
    matching_costs,
    spare_pairs,
)
from napari_semantic_sam.training.targets import make_targets

TOKENS = 6


def targets_for(counts):
    """Prompts wanting so many masks each, all different ones."""
    ends = torch.tensor(counts).cumsum(0).tolist()
    wanted = [list(range(end - count, end)) for count, end in zip(counts, ends, strict=True)]
    return make_targets(
        torch.ones(ends[-1], 4, 4, dtype=torch.bool), wanted, torch.rand(ends[-1], 4)
    )


@pytest.mark.parametrize("counts", [[1] * 20, [6] * 20, [1, 2, 3, 4, 5, 6] * 10, [2, 4]])
def test_agrees_with_the_hungarian_algorithm(counts):
    generator = torch.Generator().manual_seed(len(counts))
    targets = targets_for(counts)
    cost = torch.randn(len(counts), TOKENS, max(counts), generator=generator)
    tokens = assign_tokens(cost, targets.valid)
    for row, chosen, count in zip(cost, tokens, counts, strict=True):
        rows, columns = linear_sum_assignment(row[:, :count].numpy())
        expected = dict(zip(columns.tolist(), rows.tolist(), strict=True))
        assert dict(enumerate(chosen[:count].tolist())) == expected


def test_slots_that_are_not_valid_do_not_matter():
    targets = targets_for([1, 3])
    cost = torch.randn(2, TOKENS, 3, generator=torch.Generator().manual_seed(0))
    spoiled = cost.clone()
    spoiled[0, :, 1:] = torch.inf
    ours, theirs = match(cost, targets), match(spoiled, targets)
    assert torch.equal(ours.token, theirs.token)


def test_pairs_are_ordered_and_name_their_masks():
    targets = targets_for([3, 2])
    cost = torch.ones(2, TOKENS, 3)
    for prompt, token, slot in [(0, 5, 0), (0, 1, 1), (0, 3, 2), (1, 4, 0), (1, 0, 1)]:
        cost[prompt, token, slot] = 0.0
    pairs = match(cost, targets)
    assert pairs.prompt.tolist() == [0, 0, 0, 1, 1]
    assert pairs.token.tolist() == [1, 3, 5, 0, 4]
    assert pairs.slot.tolist() == [1, 2, 0, 1, 0]
    assert pairs.mask.tolist() == [1, 2, 0, 4, 3]


def test_tokens_left_over_go_to_the_target_they_answer_best():
    targets = targets_for([2, 0, 1])
    cost = torch.ones(3, TOKENS, 2)
    for prompt, token, slot in [(0, 5, 0), (0, 1, 1), (0, 0, 1), (0, 2, 0), (2, 3, 0)]:
        cost[prompt, token, slot] = -1.0 if token in (5, 1, 3) else 0.0
    matched = match(cost, targets)
    spare = spare_pairs(cost, targets, matched, 0.25)
    both = set(zip(spare.prompt.tolist(), spare.token.tolist(), strict=True))
    assert both == {
        *((0, token) for token in (0, 2, 3, 4)),
        *((1, token) for token in range(TOKENS)),
        *((2, token) for token in (0, 1, 2, 4, 5)),
    }
    chosen = {
        token: mask
        for prompt, token, mask in zip(
            spare.prompt.tolist(), spare.token.tolist(), spare.mask.tolist(), strict=True
        )
        if prompt == 0
    }
    assert (chosen[0], chosen[2]) == (1, 0)
    wanted = [0.0 if prompt == 1 else 0.25 for prompt in spare.prompt.tolist()]
    assert spare.weight.tolist() == wanted


def test_too_many_targets_are_refused():
    with pytest.raises(ValueError, match="7 slots to 6 tokens"):
        assign_tokens(torch.zeros(1, 6, 7), torch.ones(1, 7, dtype=torch.bool))


def test_costs_are_those_of_every_single_pair():
    generator = torch.Generator().manual_seed(3)
    logits, boxes = torch.randn(2, 3, 50, generator=generator), torch.rand(2, 3, 4) + 0.1
    masks, target_boxes = torch.rand(2, 4, 50, generator=generator), torch.rand(2, 4, 4) + 0.1
    weights = torch.rand(2, 50, generator=generator)
    costs = matching_costs(logits, boxes, masks, target_boxes, weights)
    for n, k, t in [(0, 0, 0), (1, 2, 3), (0, 1, 2)]:
        x, m, w = logits[n, k], masks[n, t], weights[n]
        p = x.sigmoid()
        expected = {
            "bce": F.binary_cross_entropy_with_logits(x, m),
            "dice": 1 - (2 * (w * p * m).sum() + 1) / ((w * p).sum() + (w * m).sum() + 1),
            "box": (boxes[n, k] - target_boxes[n, t]).abs().sum(),
            "giou": -generalized_iou(boxes[n, k], target_boxes[n, t]),
        }
        for name, value in expected.items():
            torch.testing.assert_close(costs[name][n, k, t], value)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0.5, 0.5, 0.2, 0.2), 1.0),
        ((0.6, 0.5, 0.2, 0.2), 1 / 3),
        ((0.9, 0.5, 0.2, 0.2), -1 / 3),
        ((0.5, 0.5, 0.1, 0.1), 0.25),
    ],
)
def test_generalized_iou(other, expected):
    box = torch.tensor([0.5, 0.5, 0.2, 0.2])
    assert generalized_iou(box, torch.tensor(other)).item() == pytest.approx(expected, abs=1e-3)
