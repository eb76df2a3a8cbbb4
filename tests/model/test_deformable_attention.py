"""Deformable attention against its textbook form: sample everything, weigh, add up."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_semantic_sam.model.deformable_attention import DeformableAttention, TableLayout

SIZES = [(5, 7), (3, 4), (1, 2)]
WIDTH, HEADS, POINTS = 16, 2, 3


@pytest.fixture
def attention():
    torch.manual_seed(0)
    attention = DeformableAttention(WIDTH, HEADS, len(SIZES), POINTS).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention


@pytest.fixture
def memory():
    return torch.randn(2, sum(h * w for h, w in SIZES), WIDTH, dtype=torch.float64)


@pytest.fixture
def queries():
    return torch.randn(3, 4, WIDTH, dtype=torch.float64)


@pytest.fixture
def references():
    """Some of them outside the maps."""
    return torch.rand(3, 4, 2, dtype=torch.float64) * 1.6 - 0.3


@pytest.fixture
def layout():
    return TableLayout.of(SIZES, HEADS, POINTS, like=torch.zeros((), dtype=torch.float64))


IMAGE_INDEX = torch.tensor([1, 0, 1])


def textbook(attention, queries, references, reach, memory):
    """One row of queries and its own image at a time, every sample with ``grid_sample``."""
    rows = []
    for query, place, image in zip(queries, references, memory[IMAGE_INDEX], strict=True):
        shape = (len(query), HEADS, len(SIZES), POINTS)
        offsets = attention.sampling_offsets(query).view(*shape, 2)
        weights = attention.attention_weights(query).view(len(query), HEADS, -1).softmax(-1)
        levels = attention.value_proj(image).split([h * w for h, w in SIZES])
        summed = 0
        for level, (values, (height, width)) in enumerate(zip(levels, SIZES, strict=True)):
            unit = reach if reach is not None else 1 / references.new_tensor([width, height])
            points = place[:, None, None] + offsets[:, :, level] * unit
            maps = values.T.reshape(HEADS, -1, height, width)
            grid = (2 * points - 1).transpose(0, 1)
            samples = F.grid_sample(maps, grid, align_corners=False)
            weight = weights.view(shape)[:, :, level].transpose(0, 1)
            summed = summed + (samples * weight[:, None]).sum(-1)
        rows.append(summed.flatten(0, 1).T)
    return attention.output_proj(torch.stack(rows))


@pytest.mark.parametrize("reach", [None, 0.2])
def test_values_and_gradients(attention, memory, queries, references, layout, reach):
    memory.requires_grad_()
    queries.requires_grad_()
    references.requires_grad_()
    leaves = [memory, queries, references, *attention.parameters()]
    units = None if reach is None else torch.full_like(references, reach)
    values = attention.project(memory, SIZES)
    ours = attention(queries, references, units, values, layout, IMAGE_INDEX)
    theirs = textbook(attention, queries, references, reach, memory)
    torch.testing.assert_close(ours, theirs)
    weigh = torch.randn_like(ours)
    for ours_grad, theirs_grad in zip(
        torch.autograd.grad((ours * weigh).sum(), leaves),
        torch.autograd.grad((theirs * weigh).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours_grad, theirs_grad)


def test_a_nan_stays_where_it_is(attention, memory, queries, references, layout):
    """A diverging training shall show a NaN loss, not an index error."""
    values = attention.project(memory, SIZES)
    references[1, 2, 0] = torch.nan
    result = attention(queries, references, None, values, layout, IMAGE_INDEX)
    broken = torch.isnan(result).any(dim=-1)
    assert broken[1, 2]
    assert broken.sum() == 1


def test_a_fresh_layer_looks_around_every_reference_evenly():
    attention = DeformableAttention(WIDTH, heads=4, levels=1, points=2)
    assert not attention.sampling_offsets.weight.any()
    offsets = attention.sampling_offsets.bias.view(4, 2, 2)
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(offsets[:, 0], expected)
    torch.testing.assert_close(offsets[:, 1], 2 * expected)
