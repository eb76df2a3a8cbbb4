"""How good a mask is, judged from the query that made it and from the mask itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_semantic_sam.model.implicit_masks import ImplicitMasks
from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.sampling import gather_bilinear

SCORE_GRID = 12
"""Points along a side of the grid on which a mask is looked at …"""
SCORE_REACH = 1.3
"""… and the grid's size, as a multiple of the mask's box."""


class ScoreHead(nn.Module):
    """Predicts a mask's IoU from its query and from the mask itself.

    The mask is looked at on a fixed grid over the query's box, so that the head sees the same
    thing in training and at inference, and at every size of object.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        statistics = SCORE_GRID**2 + 2 * channels + 2
        self.look = nn.Sequential(nn.Linear(statistics, width), nn.ReLU(inplace=True))
        self.score = MLP(2 * width, width, 1, 3)

    def forward(self, queries: Tensor, masks: ImplicitMasks) -> Tensor:
        """Predicted IoU, ``(N, K)``, 0..1. No gradient reaches the masks."""
        with torch.no_grad():
            statistics = self._statistics(masks)
        seen = self.look(statistics).unflatten(0, queries.shape[:2])
        return self.score(torch.cat([queries, seen], dim=-1))[..., 0].sigmoid()

    def _statistics(self, masks: ImplicitMasks) -> Tensor:
        """Grid of probabilities, mean features inside and outside, mean and sharpness."""
        count, tokens = masks.boxes.shape[:2]
        cells = (torch.arange(SCORE_GRID, device=masks.boxes.device) + 0.5) / SCORE_GRID - 0.5
        grid = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), dim=-1).view(-1, 2)
        frame = masks.boxes.view(-1, 1, 4)
        points = (frame[..., :2] + grid * frame[..., 2:] * SCORE_REACH) / masks.extent
        prompts = torch.arange(count, device=points.device).repeat_interleave(tokens)
        token = torch.arange(tokens, device=points.device).repeat(count)
        probability = masks.sample(points, prompts, token).sigmoid()
        features = gather_bilinear(masks.features, points, masks.image_index[prompts])
        inside = _weighted_mean(features, probability)
        outside = _weighted_mean(features, 1 - probability)
        mean = probability.mean(dim=1, keepdim=True)
        sharpness = (2 * probability - 1).abs().mean(dim=1, keepdim=True)
        return torch.cat([probability, inside, outside, mean, sharpness], dim=1)


def _weighted_mean(features: Tensor, weights: Tensor) -> Tensor:
    """Mean of (M, P, C) features under (M, P) weights."""
    total = torch.matmul(weights[:, None], features)[:, 0]
    return total / (weights.sum(dim=1, keepdim=True) + 1e-3)
