"""How good the weights are on held-out prompts, and which token makes which size of mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from napari_semantic_sam.model.metadata import CheckpointMetadata
from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.model.types import Prompts
from napari_semantic_sam.training.targets import Targets


@dataclass(frozen=True)
class HeldOut:
    """Per prompt: IoU of every token with every target, predicted IoU, area.

    Attributes
    ----------
    iou : (N, K) float tensor
        Of each token's mask with the target it fits best.
    oracle : (N,) float tensor
        Mean over the targets of the best IoU any token has with it.
    predicted, area : (N, K) float tensors
    is_click : (N,) bool tensor
    """

    iou: Tensor
    oracle: Tensor
    predicted: Tensor
    area: Tensor
    is_click: Tensor

    @classmethod
    def merge(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """Return the prompts of several batches as one."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def summary(self) -> dict[str, float]:
        """Mean IoUs over clicks and over boxes, if any, and the error of the predicted IoU."""
        best = self.iou.gather(1, self.predicted.argmax(dim=1, keepdim=True))[:, 0]
        values = {"score_error": (self.predicted - self.iou).abs().mean()}
        for kind, chosen in (("click", self.is_click), ("box", ~self.is_click)):
            if not chosen.any():
                continue
            values[f"{kind}_oracle_iou"] = self.oracle[chosen].mean()
            values[f"{kind}_max_iou"] = best[chosen].mean()
        return {name: round(float(value), 4) for name, value in values.items()}

    def level_order(self) -> tuple[int, ...]:
        """Tokens by the median rank of their mask's area at a click, largest first."""
        area = self.area[self.is_click]
        ranks = area.argsort(dim=1, descending=True).argsort(dim=1).float()
        # The mean decides between tokens whose medians are equal.
        order = (ranks.median(dim=0).values + 1e-3 * ranks.mean(dim=0)).argsort()
        return tuple(order.tolist())

    def describe(
        self, metadata: CheckpointMetadata, report: Mapping[str, Any]
    ) -> CheckpointMetadata:
        """Return the record of a checkpoint with these measurements.

        The level to score in automatic segmentation stays with its token.
        """
        provenance = {**metadata.provenance, "report": dict(report)}
        order, automatic = self.level_order(), dict(metadata.automatic)
        if "level" in automatic:
            token = metadata.level_order[int(automatic["level"]) - 1]
            automatic["level"] = order.index(token) + 1
        return replace(metadata, level_order=order, provenance=provenance, automatic=automatic)


@torch.no_grad()
def held_out_scores(layer: LayerPrediction, prompts: Prompts, targets: Targets) -> HeldOut:
    """Measure the thresholded masks of one batch at mask stride."""
    masks = layer.masks.dense() > 0
    size = masks.shape[-2:]
    wanted = torch.nn.functional.interpolate(
        targets.masks[:, None].float(), size=size, mode="bilinear", antialias=True
    )[:, 0]
    flat = masks.flatten(2).float()
    goal = (wanted > 0.5).flatten(1).float()[targets.index]
    common = torch.einsum("nkp,ntp->nkt", flat, goal)
    union = flat.sum(-1)[:, :, None] + goal.sum(-1)[:, None] - common
    iou = (common / union.clamp(min=1)).masked_fill(~targets.valid[:, None], 0.0)
    oracle = iou.amax(dim=1).sum(dim=1) / targets.valid.sum(dim=1).clamp(min=1)
    is_click = torch.tensor([kind == "click" for kind in prompts.kinds])
    return HeldOut(
        iou=iou.amax(dim=2).cpu(),
        oracle=oracle.cpu(),
        predicted=layer.predicted_iou.float().cpu(),
        area=flat.sum(dim=-1).cpu(),
        is_click=is_click,
    )
