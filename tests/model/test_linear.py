"""Linear layers give the same numbers whichever library computes them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_semantic_sam.model import linear as module
from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.linear import Linear, linear

ACTIVATIONS = {"none": lambda values: values, "relu": F.relu, "gelu": F.gelu}


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator) for shape in ((2, 7, 12), (9, 12), (9,))]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("has_bias", [True, False])
def test_without_gradients_the_product_is_that_of_pytorch(tensors, activation, has_bias):
    values, weight, bias = tensors
    expected = ACTIVATIONS[activation](F.linear(values, weight, bias if has_bias else None))
    with torch.inference_mode():
        found = linear(values, weight, bias if has_bias else None, activation)
        turned = linear(values.transpose(0, 1), weight, bias if has_bias else None, activation)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(turned.transpose(0, 1), expected)


def test_a_torch_without_onednn_computes_the_same(tensors, monkeypatch):
    with torch.inference_mode():
        expected = linear(*tensors, "gelu")
        monkeypatch.setattr(module, "_onednn", lambda: None)
        torch.testing.assert_close(linear(*tensors, "gelu"), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_flow(activation):
    layer = Linear(12, 9, activation=activation)
    layer(torch.ones(3, 12, requires_grad=True)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.shape == (9, 12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types_of_numbers_stay_what_they_are(tensors, dtype):
    values, weight, bias = (each.to(dtype) for each in tensors)
    with torch.inference_mode():
        found = linear(values, weight, bias, "relu")
    torch.testing.assert_close(found, F.relu(F.linear(values, weight, bias)))


def test_autocast_decides_about_the_type(tensors):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert linear(*tensors).dtype == torch.bfloat16


def test_no_rows_at_all(tensors):
    with torch.inference_mode():
        assert linear(torch.empty(0, 12), *tensors[1:]).shape == (0, 9)


def test_layers_in_a_row_have_the_parameters_of_plain_ones():
    network = MLP(12, 20, 5, 3)
    shapes = {name: tuple(values.shape) for name, values in network.state_dict().items()}
    assert shapes == {
        "layers.0.weight": (20, 12),
        "layers.0.bias": (20,),
        "layers.1.weight": (20, 20),
        "layers.1.bias": (20,),
        "layers.2.weight": (5, 20),
        "layers.2.bias": (5,),
    }
    with torch.inference_mode():
        assert (network(torch.randn(4, 12)) < 0).any()  # no activation after the last one
