"""Tokens worked through a few at a time give what all at once give."""

from __future__ import annotations

import pytest
import torch

from napari_semantic_sam.model.chunks import at_once, split
from napari_semantic_sam.model.config import DeformableConfig, ModelConfig, SwinConfig
from napari_semantic_sam.model.semantic_sam import SemanticSAM

CONFIG = ModelConfig(
    SwinConfig(8, (2, 2, 2, 2), (1, 2, 2, 4), window=4),
    DeformableConfig(
        width=32, heads=4, points=2, feedforward=64, encoder_layers=1, decoder_layers=2
    ),
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = SemanticSAM(CONFIG).double()
    for parameter in model.parameters():
        if not parameter.any():  # fresh offsets and biases are 0 and would hide mistakes
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


# The second picture needs padding below its windows, in a strip of its own.
@pytest.mark.parametrize("shape", [(2, 3, 320, 352), (1, 3, 232, 1000)])
def test_a_picture_is_encoded_the_same_in_chunks_and_at_once(model, shape):
    images = 255 * torch.rand(shape, generator=torch.manual_seed(0))
    with torch.enable_grad():
        expected = model.encode(images)
    with torch.inference_mode():
        found = model.encode(images)
    for name, features in expected.features.items():
        torch.testing.assert_close(found.features[name], features.detach())
    for values, table in zip(found.projections, expected.projections, strict=True):
        torch.testing.assert_close(values, table.detach())


def test_gradients_need_everything_at_once():
    tokens = torch.zeros(1, 5000, 8)
    with torch.enable_grad():
        assert at_once(tokens) is None
    with torch.inference_mode():
        assert at_once(tokens) < 5000


def test_parts_cover_a_length():
    assert split(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert split(7, None) == [slice(0, 7)]
    assert split(7, 0)[0] == slice(0, 1)  # never nothing at once
    assert split(0, None) == []
