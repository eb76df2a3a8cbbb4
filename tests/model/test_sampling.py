from __future__ import annotations

import torch

from napari_semantic_sam.model.predictions import sample_maps
from napari_semantic_sam.model.sampling import gather_bilinear


def test_it_gives_what_grid_sample_gives_also_outside_the_map():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 4, 9, 13, generator=generator)
    points = torch.rand(5, 40, 2, generator=generator) * 1.4 - 0.2
    index = torch.tensor([2, 0, 1, 1, 2])
    expected = sample_maps(maps[index], points).transpose(1, 2)
    torch.testing.assert_close(gather_bilinear(maps, points, index), expected)


def test_gradients_reach_maps_and_points():
    maps = torch.rand(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    points = torch.rand(1, 3, 2, dtype=torch.float64).requires_grad_()
    index = torch.zeros(1, dtype=torch.long)
    assert torch.autograd.gradcheck(lambda m, p: gather_bilinear(m, p, index), (maps, points))
