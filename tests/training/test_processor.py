"""Mixed precision on processors keeps what would be slow in float32, and only that."""

from copy import deepcopy

import torch
from torch import nn

from napari_semantic_sam.training.processor import suit_processor


def test_depthwise_convolutions_stay_exact_in_mixed_precision():
    depthwise = nn.Conv2d(8, 8, 3, groups=8)
    images = torch.rand(2, 8, 9, 9)
    exact = depthwise(images)
    model = nn.Sequential(depthwise, nn.Conv2d(8, 4, 1))
    suit_processor(model, mixed=True)
    copied = deepcopy(model)
    with torch.no_grad():
        copied[0].weight.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(model[0](images), exact, atol=1e-6)
        assert torch.equal(copied[0](images)[0, :, 0, 0], copied[0].bias)
        assert model(images).dtype == torch.bfloat16


def test_in_full_precision_only_the_layout_changes():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8))
    images = torch.rand(2, 3, 9, 9)
    before = model(images)
    suit_processor(model, mixed=False)
    assert torch.allclose(model(images), before, atol=1e-6)
    assert model(images).is_contiguous(memory_format=torch.channels_last)
    assert not torch.is_autocast_enabled("cpu")
