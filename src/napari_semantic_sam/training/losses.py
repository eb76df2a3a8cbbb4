"""The losses of Semantic-SAM (arXiv 2307.04767, section 3.2) and our variant for small models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.training.boxes import generalized_iou
from napari_semantic_sam.training.loss_terms import (
    PairSamples,
    SharedPoints,
    bce_loss,
    best_iou,
    dice_loss,
    dice_weights,
    rank_loss,
)
from napari_semantic_sam.training.matching import Pairs, match, matching_costs, spare_pairs
from napari_semantic_sam.training.plain_data import Amount, PositiveCount
from napari_semantic_sam.training.points import (
    PointSet,
    PromptPoints,
    Rand,
    UncertainPoints,
    UniformPoints,
    random_source,
    target_values,
)
from napari_semantic_sam.training.targets import Targets


@dataclass(frozen=True)
class LossConfig:
    """Weights and variants of the training losses; the defaults are the published ones.

    Attributes
    ----------
    bce, dice, box, giou : float
        Weights of the losses of matched pairs, and of the same terms in matching.
    score : float
        Weight of the squared error of the predicted IoU.
    rank : float
        Weight of a term that orders the tokens of a prompt by their true IoU.
    spare : float
        Weight of the pairs of `spare_pairs`, relative to matched ones; 0 leaves the masks and
        boxes of tokens without a target alone, as published.
    point_policy : {"uncertain", "prompt"}
        `UncertainPoints`, drawn for every pair and layer, as published; or `PromptPoints`,
        drawn once per prompt, which all tokens, layers and the matching share.
    points : int
        Number of points per mask.
    score_target : {"pair_dice", "all_iou"}
        What the predicted IoU learns: one minus the dice loss of matched pairs, as
        published (gradients reach the masks); or, for every token, the IoU of its mask with
        the target it fits best.

    Raises
    ------
    ValueError
        If `rank` or ``"all_iou"`` is asked for without points that all tokens share.
    """

    bce: Amount = 5.0
    dice: Amount = 5.0
    box: Amount = 5.0
    giou: Amount = 2.0
    score: Amount = 1.0
    rank: Amount = 0.0
    spare: Amount = 0.0
    point_policy: Literal["uncertain", "prompt"] = "uncertain"
    points: PositiveCount = 12544
    score_target: Literal["pair_dice", "all_iou"] = "pair_dice"

    def __post_init__(self) -> None:
        if self.teaches_every_token and self.point_policy != "prompt":
            raise ValueError("rank and all_iou look at every token: point_policy must be 'prompt'")

    @property
    def teaches_every_token(self) -> bool:
        """Whether tokens without a target have a loss, too."""
        return self.rank > 0 or self.score_target == "all_iou"


@dataclass(frozen=True)
class Criterion:
    """Match on the last layer, then compare every layer with its targets.

    Unmatched tokens get no loss for masks and boxes unless `LossConfig.spare` says so. Losses of
    pairs are sums divided by the number of targets of all prompts in the batch.
    """

    config: LossConfig = field(default_factory=LossConfig)

    def __call__(
        self, layers: Sequence[LayerPrediction], targets: Targets, rand: Rand | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted loss terms; their sum is the loss.

        Parameters
        ----------
        layers : sequence of LayerPrediction
            The last one last.
        targets : Targets
        rand : callable, optional
            Source of the points, see `Rand`.

        Returns
        -------
        dict of name to scalar tensor
            ``"bce"``, ``"dice"``, ``"box"``, ``"giou"``, ``"score"`` and perhaps ``"rank"``
            of the last layer; ``"bce_1"``, … of the layers before it, counted from the first.
        """
        rand = rand or random_source(targets.boxes.device)
        # Sums over thousands of points need more than half precision.
        with torch.autocast(targets.boxes.device.type, enabled=False):
            terms = self._all_layers(layers, targets, rand)
        return {name: getattr(self.config, name.partition("_")[0]) * terms[name] for name in terms}

    def shared_points(self, targets: Targets, rand: Rand) -> SharedPoints:
        """Draw the points for matching, which ``"prompt"`` points reuse for the losses."""
        config = self.config
        policy = PromptPoints if config.point_policy == "prompt" else UniformPoints
        drawn = policy(config.points).draw(targets, rand)
        count = len(targets.index)
        return SharedPoints(
            drawn.points.expand(count, -1, -1),
            drawn.weights.expand(count, -1),
            _slot_values(targets, drawn),
        )

    def cost(
        self, layer: LayerPrediction, logits: Tensor, targets: Targets, shared: SharedPoints
    ) -> Tensor:
        """Return the (N, K, T) matching cost of one layer, without gradients.

        `logits` are those of its masks at the shared points, (N, K, P).
        """
        costs = matching_costs(
            logits.detach(),
            layer.boxes.detach().float(),
            shared.masks,
            targets.boxes[targets.index],
            dice_weights(shared.weights),
        )
        return torch.stack([getattr(self.config, name) * costs[name] for name in costs]).sum(dim=0)

    def _all_layers(
        self, layers: Sequence[LayerPrediction], targets: Targets, rand: Rand
    ) -> dict[str, Tensor]:
        """Return the unweighted terms of every layer, the last one first."""
        shared = self.shared_points(targets, rand)
        last = layers[-1]
        last_logits = last.masks.sample_all(shared.points).float()
        pairs = self._pairs(self.cost(last, last_logits, targets, shared), targets)
        count = _mean_over_processes(len(targets.prompt), targets.boxes.device)
        suffixes = ["", *(f"_{number}" for number in range(1, len(layers)))]
        terms = {}
        for suffix, layer in zip(suffixes, [last, *layers[:-1]], strict=True):
            of_tokens = {}
            if self.config.point_policy == "uncertain":
                sampled = self._at_uncertain_points(layer, targets, pairs, rand)
            else:
                logits = last_logits
                if layer is not last:
                    logits = layer.masks.sample_all(shared.points).float()
                sampled = _at_shared_points(logits, shared, pairs)
                if self.config.teaches_every_token:
                    of_tokens = self._token_terms(layer, logits, targets, shared)
            of_pairs = self._pair_terms(layer, targets, pairs, sampled)
            means = {name: (pairs.weight * value).sum() / count for name, value in of_pairs.items()}
            terms.update({name + suffix: value for name, value in (means | of_tokens).items()})
        return terms

    def _pairs(self, cost: Tensor, targets: Targets) -> Pairs:
        """Return the matched pairs and, if they count, those of the tokens left over."""
        matched = match(cost, targets)
        if self.config.spare == 0:
            return matched
        return matched.joined(spare_pairs(cost, targets, matched, self.config.spare))

    def _pair_terms(
        self, layer: LayerPrediction, targets: Targets, pairs: Pairs, sampled: PairSamples
    ) -> dict[str, Tensor]:
        """Return the terms of each pair, (R,)."""
        boxes = layer.boxes[pairs.prompt, pairs.token].float()
        wanted = targets.boxes[pairs.mask]
        terms = {
            "bce": bce_loss(sampled),
            "dice": dice_loss(sampled),
            "box": (boxes - wanted).abs().sum(dim=1),
            "giou": 1.0 - generalized_iou(boxes, wanted),
        }
        if self.config.score_target == "pair_dice":
            predicted = layer.predicted_iou[pairs.prompt, pairs.token].float()
            # Not detached, as published: the score pulls at the masks, too.
            terms["score"] = (predicted - (1.0 - terms["dice"])) ** 2
        return terms

    def _token_terms(
        self, layer: LayerPrediction, logits: Tensor, targets: Targets, shared: SharedPoints
    ) -> dict[str, Tensor]:
        """Return the terms of all tokens, matched or not."""
        true_iou = best_iou(logits.detach(), targets.valid, shared)
        predicted = layer.predicted_iou.float()
        terms = {}
        if self.config.score_target == "all_iou":
            terms["score"] = (predicted - true_iou).square().sum() / max(1, predicted.numel())
        if self.config.rank > 0:
            terms["rank"] = rank_loss(predicted, true_iou)
        return terms

    def _at_uncertain_points(
        self, layer: LayerPrediction, targets: Targets, pairs: Pairs, rand: Rand
    ) -> PairSamples:
        points = UncertainPoints(self.config.points).draw(layer.masks, pairs, rand)
        logits = layer.masks.sample(points, pairs.prompt, pairs.token).float()
        values = target_values(targets.masks, pairs.mask, points)
        return PairSamples(logits, values, torch.ones_like(values))


def _at_shared_points(logits: Tensor, shared: SharedPoints, pairs: Pairs) -> PairSamples:
    return PairSamples(
        logits[pairs.prompt, pairs.token],
        shared.masks[pairs.prompt, pairs.slot],
        dice_weights(shared.weights)[pairs.prompt],
    )


def _slot_values(targets: Targets, drawn: PointSet) -> Tensor:
    """Sample the target masks of all slots, (N, T, P)."""
    if len(drawn.points) != len(targets.index):  # one set: look at each mask only once
        every = torch.arange(len(targets.masks), device=targets.index.device)
        points = drawn.points.expand(len(every), -1, -1)
        return target_values(targets.masks, every, points)[targets.index]
    where = targets.index[targets.prompt, targets.slot]
    sampled = target_values(targets.masks, where, drawn.points[targets.prompt])
    values = sampled.new_zeros(*targets.index.shape, sampled.shape[-1])
    values[targets.prompt, targets.slot] = sampled
    return values


def _mean_over_processes(count: int, device: torch.device) -> Tensor:
    """Average a count over the processes of a distributed run; at least 1."""
    total = torch.full((), float(count), device=device)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(total)
        total = total / torch.distributed.get_world_size()
    return total.clamp(min=1.0)
