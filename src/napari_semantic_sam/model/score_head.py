"""How good a mask is, judged from its query, from the mask itself and from the other masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_semantic_sam.model.implicit_masks import ImplicitMasks
from napari_semantic_sam.model.layers import MLP
from napari_semantic_sam.model.sampling import gather_bilinear

SCORE_GRID = 12
"""Points along a side of the grid on which a mask is looked at …"""
SCORE_REACH = 1.3
"""… and the grid's size, as a multiple of the mask's box."""
RELATION_GRID = 6
"""Points along a side of the grid on which two masks are compared."""

_RELATIONS = 4
_HIDDEN = 64


class ScoreHead(nn.Module):
    """Predicts a mask's IoU from its query, from the mask and from its K - 1 rivals.

    The mask is looked at on a fixed grid over the query's box, so that the head sees the same
    thing in training and at inference, and at every size of object. Whether a mask is the
    right answer also depends on the other answers: several tokens that agree on one object
    speak against one that takes in its neighbours, too.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        statistics = SCORE_GRID**2 + 2 * channels + 2
        self.look = nn.Sequential(nn.Linear(statistics, width), nn.ReLU(inplace=True))
        self.score = MLP(2 * width, width, 1, 3)
        self.own = nn.Linear(2 * width, _HIDDEN)
        self.rival = nn.Linear(2 * width, _HIDDEN, bias=False)
        self.relation = nn.Linear(_RELATIONS, _HIDDEN, bias=False)
        self.correction = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, queries: Tensor, masks: ImplicitMasks) -> Tensor:
        """Predicted IoU, ``(N, K)``, 0..1. No gradient reaches the masks."""
        with torch.no_grad():
            statistics = self._statistics(masks)
            relations = _relations(masks)
        seen = self.look(statistics).unflatten(0, queries.shape[:2])
        known = torch.cat([queries, seen], dim=-1)
        pairs = self.own(known)[:, :, None] + self.rival(known)[:, None] + self.relation(relations)
        corrected = self.score(known) + self.correction(F.relu(pairs).mean(dim=2))
        return torch.as_tensor(corrected[..., 0].sigmoid())

    def _statistics(self, masks: ImplicitMasks) -> Tensor:
        """Grid of probabilities, mean features inside and outside, mean and sharpness."""
        count, tokens = masks.boxes.shape[:2]
        points = _grid_points(masks, SCORE_GRID).flatten(0, 1)
        prompts = torch.arange(count, device=points.device).repeat_interleave(tokens)
        token = torch.arange(tokens, device=points.device).repeat(count)
        features = gather_bilinear(masks.features, points, masks.image_index[prompts])
        probability = masks.of_features(features, points, prompts, token).sigmoid()
        inside = _weighted_mean(features, probability)
        outside = _weighted_mean(features, 1 - probability)
        mean = probability.mean(dim=1, keepdim=True)
        sharpness = (2 * probability - 1).abs().mean(dim=1, keepdim=True)
        return torch.cat([probability, inside, outside, mean, sharpness], dim=1)


def _grid_points(masks: ImplicitMasks, side: int) -> Tensor:
    """Points of a grid over every query's box, ``(N, K, side², 2)`` in fractions of the input."""
    cells = (torch.arange(side, device=masks.boxes.device) + 0.5) / side - 0.5
    grid = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), dim=-1).view(-1, 2)
    frame = masks.boxes[:, :, None]
    return (frame[..., :2] + grid * frame[..., 2:] * SCORE_REACH) / masks.extent


def _relations(masks: ImplicitMasks) -> Tensor:
    """How mask j lies to mask i, ``(N, K, K, 4)``.

    The share of i that j covers, the share of j that i covers, how much of what surrounds i
    is in j, and the logarithm of the ratio of their areas.
    """
    count, tokens = masks.boxes.shape[:2]
    points = _grid_points(masks, RELATION_GRID)
    every = masks.sample_all(points.flatten(1, 2)).sigmoid()
    frames = (count, tokens, tokens, RELATION_GRID**2)
    every = every.view(frames).transpose(1, 2)  # of j, in the frame of i
    own = torch.diagonal(every, dim1=1, dim2=2).movedim(-1, 1)[:, :, None]
    covered = (own * every).sum(-1) / (own.sum(-1) + 1e-3)
    around = ((1 - own) * every).sum(-1) / ((1 - own).sum(-1) + 1e-3)
    area = own[:, :, 0].mean(-1) * masks.boxes[..., 2] * masks.boxes[..., 3]
    size = (area + 1.0).log()
    ratio = ((size[:, None] - size[:, :, None]) / 4).clamp(-2, 2)
    return torch.stack([covered, covered.transpose(1, 2), around, ratio], dim=-1)


def _weighted_mean(features: Tensor, weights: Tensor) -> Tensor:
    """Mean of (M, P, C) features under (M, P) weights."""
    total = torch.matmul(weights[:, None], features)[:, 0]
    return total / (weights.sum(dim=1, keepdim=True) + 1e-3)
